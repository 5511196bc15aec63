"""Where accuracy is lost, and why: the error of every layer, over time, depth and causes."""

from __future__ import annotations

from ....backends.artifact import is_trained
from ....ir.errors import Problem
from ...changed_ann import remark
from ...explain import Explanation
from ...explain.advice import CAUSES
from ...explain.explanation import LayerError
from ...explain.split import PARTS
from ..charts.bars import Bar, stacked_bars
from ..charts.figure import GREY, figure
from ..charts.lines import Line, line_chart
from ..findings import Findings
from ..markup import Html, element
from ..quantities import data, number, percent
from ..tables import definitions, details, table
from ..topology import Topology
from .section import Section, grid, missing, paragraph

NO_SOURCE_ANN = "There is no ANN to differ from: the network was trained as a spiking one"

VISIBLE = 0.005
"""Shares below this are left out of the drawing; the table has them."""

SHADES = 8
"""Shades of the table over time."""


def errors(findings: Findings) -> Section:
    """Return the explanation of ``snnc evaluate --explain`` as pictures."""
    title = "Where it differs from the ANN, and why"
    found = findings.explanation
    if is_trained(findings.network.artifact):
        return Section("errors", title, paragraph(f"{NO_SOURCE_ANN}."))
    if isinstance(found, Problem):
        return Section("errors", title, missing("No errors to show", found))
    titles = _titles(found, findings.topology)
    hint = element("span", f" Try: {found.verdict.hint}.") if found.verdict.hint else None
    verdict = element(
        *("p", element("strong", "Verdict: "), found.verdict.message, ".", hint),
        class_="good" if found.verdict.fine else "warning",
    )
    fewer = f" of the {findings.samples:,}" if found.samples < findings.samples else ""
    text = (
        f"Every layer is compared with the ANN's on {found.samples:,}{fewer} samples. Errors are "
        "root mean squares, relative to the ANN's values."
    )
    if found.ann_changed_by:
        text += f" {remark(found.ann_changed_by)}."
    beside = element("div", _depth(found, titles), _over_time(found, titles))
    body = [paragraph(text), verdict, grid(_parts(found, titles), beside)]
    return Section("errors", title, body)


def _titles(found: Explanation, topology: Topology) -> dict[str, str]:
    """Return for each layer of the explanation what stands beside it."""
    return {
        layer.value: topology.label(layer.nodes[0]) if layer.nodes else layer.value
        for layer in found.layers
    }


def _parts(found: Explanation, titles: dict[str, str]) -> Html:
    parts = [
        part
        for part in found.layers[0].shares
        if any(abs(layer.shares[part]) >= VISIBLE for layer in found.layers)
    ]
    bars = [
        Bar(
            name=layer.value,
            title=titles[layer.value],
            parts={part: layer.shares[part] * layer.error**2 for part in parts},
        )
        for layer in found.layers
    ]
    drawing, legend = stacked_bars(
        "Squared error of each layer, split into its causes; the table behind lists them",
        bars,
        {part: _series(part) for part in parts},
        x="squared error, relative to the ANN's value",
        write=lambda share: percent(share, 0 if abs(share) >= 0.095 else 1),
    )
    rows = [
        (
            layer.value,
            data(layer.error, percent(layer.error)),
            *(data(layer.shares[part], percent(layer.shares[part])) for part in layer.shares),
        )
        for layer in found.layers
    ]
    heads = ("layer", ">error", *(f">{part}" for part in found.layers[0].shares))
    meaning = definitions((part, _cause(part)) for part in parts)
    return figure(
        "Causes, after all steps",
        drawing,
        table("Error, and the shares of its causes in the squared error", heads, rows),
        legend=legend,
        note=["What makes an error smaller stands left of 0.", details("What they are", meaning)],
    )


def _series(part: str) -> int:
    """Return the series of a part: grey for what is inherited, else a colour of its own."""
    place = PARTS.index(part)
    return GREY if place == 0 else place - 1 if place <= GREY else place


def _cause(part: str) -> str:
    return "errors of the layers before" if part == "inherited" else CAUSES[part]


def _depth(found: Explanation, titles: dict[str, str]) -> Html:
    numbers = list(range(1, len(found.layers) + 1))
    lines = [Line("error of the outputs", numbers, [x.output_error for x in found.layers])]
    agreed = [x.agreement for x in found.layers if x.agreement is not None]
    if len(agreed) == len(numbers):
        lines.append(Line("answers that are the ANN's", numbers, agreed))
    drawing, legend = line_chart(
        "Error of the outputs if the network spikes up to each layer; the table behind lists it",
        lines,
        x="layer, from the inputs to the outputs",
        y="share",
        write=lambda share: percent(share, 0),
        write_x=number,
        bottom=0,
    )
    rows = [
        (index, titles[x.value], data(x.output_error, percent(x.output_error)), _agreement(x))
        for index, x in enumerate(found.layers, 1)
    ]
    heads = (">place", "layer", ">error of the outputs", ">answers that are the ANN's")
    return figure(
        "Outputs, if the network spikes up to a layer",
        drawing,
        table("If the ANN computes the rest exactly", heads, rows),
        legend=legend,
        note="The ANN computes the rest exactly: a step up is where the outputs suffer.",
    )


def _agreement(layer: LayerError) -> Html:
    return data(layer.agreement, None if layer.agreement is None else percent(layer.agreement))


def _over_time(found: Explanation, titles: dict[str, str]) -> Html:
    """Return the table of errors after each prefix, shaded."""
    shown = [layer for layer in found.layers if layer.kind != "input"]
    most = max((error for layer in shown for error in layer.over_time), default=0) or 1
    rows = [
        (
            element("span", titles[layer.value], title=layer.value),
            *(
                element(
                    "data",
                    percent(error),
                    value=repr(error),
                    class_=f"shade h{min(SHADES, round(SHADES * error / most))}",
                )
                for error in layer.over_time
            ),
        )
        for layer in shown
    ]
    steps = [moment.timesteps for moment in found.over_time]
    caption = "Error of each layer after so many steps: dark is far from the ANN"
    heads = ("layer", *(f">t = {t}" for t in steps))
    return element("div", table(caption, heads, rows), class_="heat")
