"""Where operations and energy go, beside the ANN and its quantised twin.

What it shows is the JSON object of ``snnc estimate``. Keys that an estimate may or may not have
(terms of a layer's energy, brackets, a verdict) are shown where they are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ....ir.errors import Problem
from ...changed_ann import remark
from ..charts.bars import Bar, stacked_bars
from ..charts.figure import figure
from ..findings import Findings
from ..markup import Content, Html, element
from ..quantities import data, joules, short
from ..tables import table
from ..topology import Topology
from .cost_basis import cost_basis
from .section import Section, grid, missing, paragraph

Estimated = Mapping[str, Any]
"""What ``snnc estimate --json`` prints, or a part of it."""

COUNTS = (
    ("macs", "MACs"),
    ("acs", "ACs"),
    ("neuron_updates", "neuron updates"),
    ("events", "events sent"),
)
"""What the bars of operations are made of."""

NETWORKS = {
    "snn": "spiking network",
    "twin": "its quantised twin",
    "ann_int8": "INT8 ANN",
    "ann": "FP32 ANN",
}


def cost(findings: Findings) -> Section:
    """Return the totals side by side, and the layers they come from."""
    title = "Operations and energy"
    found = findings.cost
    if isinstance(found, Problem):
        return Section("cost", title, missing("No estimate", found))
    samples = f"the mean of {found['samples']:,} sample{'s' if found['samples'] != 1 else ''}"
    body = [
        paragraph(
            f"Counted in the simulator, {samples}; energy for {found['hardware']}: "
            f"{found['basis']}."
        ),
        element("p", element("strong", "Verdict: "), _verdict(found), ".", class_="note"),
        _totals(found),
        _about_ann(found),
        grid(_operations(found, findings.topology), _energy(found, findings.topology)),
        cost_basis(found),
    ]
    return Section("cost", title, body)


def _verdict(found: Estimated) -> str:
    """Return the estimate's own verdict, or else what follows from its energies."""
    if isinstance(given := found.get("verdict"), str):
        return given[0].upper() + given[1:]
    snn, ann, twin = (found[name].get("energy_joules") for name in ("snn", "ann", "twin"))
    if snn is None or not ann or not twin:
        return "no energy of an operation is published, so only the counts can be compared"
    return (
        f"the spiking network takes {snn / twin:.2g} times the energy of its quantised twin and "
        f"{snn / ann:.2g} times that of the FP32 ANN"
    )


def _totals(found: Estimated) -> Html:
    shown = {name: found[name] for name in NETWORKS if isinstance(found.get(name), Mapping)}
    rows = [
        (
            NETWORKS[name] + (f", {network['activation_bits']} bits" if name == "twin" else ""),
            *(_count(network.get(key)) for key, _ in (*COUNTS, ("synops", ""))),
            f"{network.get('mac')}, {network.get('add')}",
            _energy_of(network),
        )
        for name, network in shown.items()
    ]
    heads = ("network", *(f">{title}" for _, title in COUNTS), ">SynOps", "arithmetic", ">energy")
    return table("One sample", heads, rows)


def _about_ann(found: Estimated) -> Content:
    """Return why no ANN stands beside the network, or which model it is."""
    if isinstance(reason := found.get("no_ann"), str):
        return paragraph(f"{reason[0].upper()}{reason[1:]}.")
    changed = found.get("ann_changed_by")
    return paragraph(f"{remark(changed)}.") if changed else None


def _count(value: float | None) -> Html:
    return data(value, None if value is None else f"{value:,.0f}")


def energy_in_words(found: Estimated) -> str:
    """Return an energy, or the bracket around one that is not published."""
    energy, bracket = found.get("energy_joules"), found.get("energy_joules_bracket") or {}
    if energy is None and bracket.get("low") is not None:
        return f"{joules(bracket['low'])} to {joules(bracket['high'])}"
    return joules(energy)


def _energy_of(found: Estimated) -> Content:
    """Return an energy for a cell; of a bracket also what it stands on."""
    energy, bracket = found.get("energy_joules"), found.get("energy_joules_bracket") or {}
    words = energy_in_words(found)
    if energy is None and bracket.get("low") is not None:
        return [words, element("br"), element("span", bracket.get("basis"), class_="quiet")]
    return data(energy, words)


def _by_layer(found: Estimated, topology: Topology) -> Iterator[tuple[str, list[Estimated]]]:
    """Yield the entries of each layer and the synapses that lead into it, with its label."""
    groups: dict[str, list[Estimated]] = {}
    for entry in found["layers"]:
        groups.setdefault(topology.label(entry["node"]), []).append(entry)
    yield from groups.items()


def _operations(found: Estimated, topology: Topology) -> Html:
    bars = [
        Bar(label, label, {words: sum(e.get(key) or 0 for e in entries) for key, words in COUNTS})
        for label, entries in _by_layer(found, topology)
    ]
    parts = [words for _, words in COUNTS if any(bar.parts[words] for bar in bars)]
    drawing, legend = stacked_bars(
        "Operations of each layer by kind; the table behind lists them",
        bars,
        {part: index for index, part in enumerate(parts)},
        x="operations a sample",
        write=short,
    )
    rows = [
        (entry["node"], entry["kind"], *(_count(entry.get(key)) for key, _ in COUNTS))
        for entry in found["layers"]
    ]
    heads = ("node", "kind", *(f">{words}" for _, words in COUNTS))
    return figure(
        "Operations by layer",
        drawing,
        table("Operations a sample, node by node", heads, rows),
        legend=legend,
        note="A layer's bar holds its neurons and the synapses that lead into it.",
    )


def _energy(found: Estimated, topology: Topology) -> Html:
    layers: Sequence[Estimated] = found["layers"]
    if not any(entry.get("energy_joules") for entry in layers):
        return missing("No energy by layer", Problem(found["basis"]))
    terms = _terms(layers)
    bars = [
        Bar(label, label, {term: sum(_term(e, term) or 0 for e in entries) for term in terms})
        for label, entries in _by_layer(found, topology)
    ]
    drawing, legend = stacked_bars(
        "Energy of each layer by term; the table behind lists it",
        bars,
        {term: index for index, term in enumerate(terms)},
        x="energy a sample",
        write=joules,
    )
    rows = [
        (
            entry["node"],
            _energy_of(entry),
            *(data(_term(entry, term), joules(_term(entry, term))) for term in terms),
        )
        for entry in layers
    ]
    return figure(
        "Energy by layer",
        drawing,
        table(
            "Energy a sample, node by node", ("node", ">energy", *(f">{t}" for t in terms)), rows
        ),
        legend=legend,
        note=f"On {found['hardware']}, with the constants below.",
    )


def _terms(layers: Sequence[Estimated]) -> list[str]:
    """Return the terms of energy that occur; where an estimate names none, the whole is one."""
    names = dict.fromkeys(name for entry in layers for name in entry.get("terms") or {})
    return [name for name in names if any(_term(entry, name) for entry in layers)] or ["energy"]


def _term(entry: Estimated, term: str) -> float | None:
    terms = entry.get("terms")
    value = terms.get(term) if terms else entry.get("energy_joules")
    return None if value is None else float(value)
