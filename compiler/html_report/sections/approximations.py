"""What was changed on the way from the ANN, and what of that is not exact."""

from __future__ import annotations

from ....backends.artifact import is_trained
from ..findings import Findings
from ..markup import Content, element
from .section import Section, paragraph

CHOICES = "How the file was read, and what was taken where it leaves a choice:"


def approximations(findings: Findings) -> Section:
    """Return the report of the compiler."""
    report, trained = findings.network.report, is_trained(findings.network.artifact)
    body: list[Content] = []
    for text, found in (
        (CHOICES if trained else "Not exact:", report.get("approximations")),
        ("Cut off behind the last layer, left to the reader of the outputs:", report.get("cut")),
    ):
        if found:
            body += [paragraph(text), element("ul", *(element("li", entry) for entry in found))]
    if trained:
        body.append(paragraph("Nothing else: the network computes what was trained."))
    elif not report.get("approximations"):
        body.append(paragraph("Nothing was approximated but what the code itself rounds."))
    bound = report.get("settling_bound")
    if bound:
        body.append(
            paragraph(f"Every sample is at rest after {bound} steps; from then on it is exact.")
        )
    search = report.get("search")
    if search:
        tried = len(search["tried"])
        body.append(
            paragraph(
                f"Code, T and cap were searched for: {tried} settings were tried until one was "
                f"sure to lose at most {100 * search['max_drop']:g} %."
            )
        )
    return Section("approximations", "What was approximated", body)
