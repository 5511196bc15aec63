"""What other readers of the NIR file make of it."""

from __future__ import annotations

from ....ir.errors import Problem
from ...nir_readers import heads, rows
from ..findings import Findings
from ..markup import Content
from ..tables import table
from .section import Section, missing, paragraph


def readers(findings: Findings) -> Section | None:
    """Return a table of readers, or None for a network of another target."""
    found = findings.readers
    if found is None:
        return None
    title = "Readers of the NIR file"
    if isinstance(found, Problem):
        return Section("readers", title, missing("No readers", found))
    names = list(found[0].rates)
    run = [each for each in found if not each.refused]
    rates = [(name, *(f"{each.rates[name]:.4f}" for each in run)) for name in names]
    body: list[Content] = [
        paragraph(
            "NIR leaves the reset, the comparison and the time step of a neuron to its readers. "
            "Below, each reader's neuron as its source states it, on the same file and samples; "
            "modelled means computed from that source by snnc, not run in the package."
        ),
        table("Answers and rates", heads(found), rows(found)),
        table(
            "What makes a reader do what the file means",
            ("reader", "version read", "how"),
            [(each.reader, each.version, each.correction) for each in found[1:] if each.correction],
        ),
        table(
            "Spikes per neuron and step of each population",
            ("population", *(f">{each.reader}" for each in run)),
            rates,
        ),
    ]
    return Section("readers", title, body)
