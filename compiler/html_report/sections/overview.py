"""What the reader must know first: the figures that decide, and the warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....backends.artifact import is_trained
from ....ir.errors import Problem
from ..findings import Findings
from ..markup import Content, Html, element
from ..quantities import percent, short
from .cost import energy_in_words
from .section import stated


def overview(findings: Findings) -> Html:
    """Return the head of the page."""
    network, manifest = findings.network, findings.network.artifact.manifest
    code = manifest["options"].get("code", "")
    how = f"as a spiking network for {network.target}: code {code}"
    if is_trained(network.artifact):
        how = f"trained as a spiking network, for {network.target}"
    sizes = f"T = {network.timesteps}"
    if network.program.depth_latency:
        sizes += f", depth latency {network.program.depth_latency}"
    if network.elements is not None:
        sizes += f" for each element of a sequence ({network.elements})"
    tiles = element("dl", *_tiles(findings), class_="tiles")
    return element(
        "header",
        element("p", "snnc report", class_="kicker"),
        element("h1", manifest["model"].get("file") or "a network"),
        element("p", f"{how}, {sizes}"),
        tiles,
        element("p", _basis(findings), class_="quiet"),
        [stated("Warning", problem, "warning") for problem in findings.warnings],
        id="top",
    )


def _tiles(findings: Findings) -> Iterator[Html]:
    found = findings.evaluation
    if not isinstance(found, Problem):
        accuracy = percent(found.snn[-1].accuracy, 2)
        ann = found.ann_accuracy
        beside = "no source ANN" if ann is None else f"the ANN: {percent(ann, 2)}"
        yield _tile("Accuracy", accuracy, beside)
    elif not isinstance(findings.explanation, Problem):
        last = findings.explanation.over_time[-1]
        if last.agreement is not None:
            yield _tile("Answers as the ANN's", percent(last.agreement), "no labels were given")
        else:
            yield _tile("Error of the outputs", percent(last.output_error), "against the ANN")
    cost = findings.cost
    if not isinstance(cost, Problem):
        yield from _cost_tiles(cost)
    if not isinstance(findings.fit, Problem):
        fit = findings.fit
        verdict = f"on {fit.chip.title}" if fit.fits else f"does not fit {fit.chip.title}"
        yield _tile("Cores", f"{len(fit.cores):,}", verdict)
    checked = findings.verification
    words = "equal" if checked.equal else "not equal"
    yield _tile("Golden samples", words, f"{checked.spike_counts_compared:,} payloads compared")


def _cost_tiles(cost: Mapping[str, Any]) -> Iterator[Html]:
    operations, energy = short(cost["snn"]["synops"]), energy_in_words(cost["snn"])
    if cost["ann"] is None:
        macs = short(cost["snn"]["macs"])
        yield _tile("SynOps a sample", operations, f"{macs} multiplications in all")
        yield _tile("Energy a sample", energy, f"on {cost['hardware']}")
        return
    yield _tile("SynOps a sample", operations, f"the ANN: {short(cost['ann']['macs'])} MACs")
    twin = f"its {cost['twin']['activation_bits']}-bit ANN twin"
    yield _tile("Energy a sample", energy, f"{twin}: {energy_in_words(cost['twin'])}")


def _tile(term: str, figure: str, beside: str) -> Html:
    return element(
        "div",
        element("dt", term),
        element("dd", element("strong", figure), element("span", beside)),
    )


def _basis(findings: Findings) -> Content:
    count = f"{findings.samples:,} sample{'s' if findings.samples != 1 else ''}"
    if findings.source == "golden":
        return (
            f"From the artifact alone: the {count} it carries to be checked with. So few samples "
            "show how the network works, not how good it is. For that give data: "
            "snnc report OUT --data XY.npz."
        )
    return f"Measured on {count} in the simulator, which every target equals (snnc verify)."
