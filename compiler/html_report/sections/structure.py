"""The network: its layers, what connects them, their scales, and how many cores they take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from ....backends.artifact import is_trained
from ....ir.errors import Problem
from ...report import summary
from ..charts.figure import figure
from ..charts.layer_graph import layer_graph
from ..findings import Findings
from ..markup import Html, element
from ..quantities import MINUS, NONE, TIMES, data, number
from ..tables import definitions, table
from ..topology import Layer, Range
from .leaky import leaky_neurons
from .section import Section, paragraph


def structure(findings: Findings) -> Section:
    """Return the drawing of the network and the table of its layers."""
    layers, trained = findings.topology.layers, is_trained(findings.network.artifact)
    sizes = summary(findings.network.graph)
    cores = _cores(findings)
    drawing = layer_graph(
        f"Graph of {len(layers)} layers; the table behind it lists them all",
        findings.topology,
        _in_a_line(cores),
        cores,
    )
    connections = table(
        "Connections",
        ("from", "to", "through"),
        [(c.source, c.target, c.words) for c in findings.topology.connections],
    )
    note = (
        "Arrows are synapses, those on the right skip layers. θ is the threshold in units of the "
        "current it is compared with; squares are cores of the chip."
    )
    graph = figure("Layers and synapses", _boxed(drawing), connections, note=note, class_="graph")
    body = [
        definitions((name, f"{count:,}") for name, count in sizes.items()),
        element("div", graph, _table(layers, cores, trained), class_="beside"),
        leaky_neurons(findings),
    ]
    return Section("network", "The network", body)


def _boxed(drawing: Html) -> Html:
    label = "The drawing, which scrolls"
    return element("div", drawing, class_="tall", tabindex="0", role="group", aria_label=label)


def _table(layers: tuple[Layer, ...], cores: dict[str, int], trained: bool) -> Html:
    rows = [
        (
            layer.number,
            layer.title,
            layer.kind,
            size(layer.shape),
            span(layer.payload),
            span(layer.threshold),
            *(() if trained else (span(layer.unit),)),
            data(float(cores[layer.name]), f"{cores[layer.name]:,}") if cores else NONE,
            layer.name,
        )
        for layer in layers
    ]
    unit = () if trained else ("unit",)
    heads = (">#", "layer", "kind", "neurons", "payload", "threshold", *unit, ">cores", "node")
    listed = table("Layers, their payloads and scales", heads, rows)
    if trained:
        return listed
    return element(
        "div",
        listed,
        paragraph(
            "The unit is what a payload of 1 stands for, in units of the ANN: a neuron's payloads, "
            "added up over T steps, times the unit, over T, are its activation."
        ),
    )


def _cores(findings: Findings) -> dict[str, int]:
    """Return on how many cores each layer is, or nothing where that is not known."""
    if isinstance(findings.fit, Problem):
        return {}
    found: dict[str, int] = defaultdict(int)
    for share in findings.fit.shares():
        found[share.layer] = share.cores
    return found


def _in_a_line(cores: dict[str, int]) -> Callable[[Layer], str]:
    """Return what says a layer in a line."""

    def describe(layer: Layer) -> str:
        words = [size(layer.shape)]
        if layer.threshold is not None:
            words.append(f"θ {span(layer.threshold)}")
        if cores:
            count = cores[layer.name]
            words.append(f"{count} core{'s' if count != 1 else ''}")
        return " · ".join(words)

    return describe


def size(shape: tuple[int, ...]) -> str:
    """Return a shape in words."""
    return TIMES.join(map(str, shape)) or "1"


def span(values: Range | tuple[int, int] | None) -> str:
    """Return a range in words.

    >>> span((0.5, 0.5)), span((0, 4))
    ('0.5', '0 to 4')
    """
    if values is None:
        return NONE
    low, high = (number(value).replace("-", MINUS) for value in values)
    return low if low == high else f"{low} to {high}"
