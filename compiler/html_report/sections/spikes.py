"""What the layers send: rasters, rates, payloads."""

from __future__ import annotations

from collections.abc import Mapping

from ....ir.errors import Problem
from ..charts.figure import figure
from ..charts.histogram import histogram
from ..charts.raster import raster
from ..findings import Findings
from ..markup import Content, Html, element
from ..quantities import MINUS, data, number, percent
from ..recording import COLUMNS, NEURONS, Recording
from ..tables import table
from ..topology import Layer
from .section import Section, missing, paragraph

DRAWN = 64
"""Most layers whose spikes are drawn."""


def spikes(findings: Findings) -> Section:
    """Return rasters and rate histograms of all layers that send events."""
    title = "Spikes and rates"
    found = findings.recordings
    if isinstance(found, Problem):
        return Section("spikes", title, missing("No spikes to show", found))
    layers = [layer for layer in findings.topology.layers if layer.name in found]
    if not layers:
        nothing = Problem("no layer sends events")
        return Section("spikes", title, missing("No spikes to show", nothing))
    any_of_them = found[layers[0].name]
    drawn = layers if len(layers) <= DRAWN else _evenly(layers)
    body = [
        paragraph(
            f"Rasters show the first sample and at most {NEURONS} neurons of a layer, taken evenly "
            "from the first to the last in row-major order. ",
            f"Each column is {_steps(any_of_them)}. Blue is positive, the darker the larger the "
            "payload; orange and narrow is negative. "
            f"All else is the mean of {any_of_them.samples} samples.",
            f" Of the {len(layers)} layers {DRAWN} are drawn, taken evenly; the table has all."
            if drawn is not layers
            else None,
        ),
        _summary(layers, found),
        element("div", *(_layer(x, found[x.name]) for x in drawn), class_="layers"),
    ]
    return Section("spikes", title, body)


def _evenly(layers: list[Layer]) -> list[Layer]:
    """Return as many layers as are drawn, the first and the last among them."""
    return [layers[index * (len(layers) - 1) // (DRAWN - 1)] for index in range(DRAWN)]


def _steps(recording: Recording) -> str:
    wide = recording.steps_a_column
    if wide == 1:
        return "one step"
    return f"{wide} steps (at most {COLUMNS} columns are drawn), their payloads added up"


def _summary(layers: list[Layer], found: Mapping[str, Recording]) -> Html:
    rows = []
    for layer in layers:
        recording = found[layer.name]
        events = float(recording.events.sum())
        units = sum(abs(payload) * n for payload, n in recording.payloads.items())
        negative = sum(n for payload, n in recording.payloads.items() if payload < 0)
        rate = events / (layer.neurons * recording.steps)
        rows.append(
            (
                layer.number,
                element("span", layer.title, title=layer.name),
                data(events, f"{events:,.0f}"),
                data(rate, number(rate)),
                data(recording.silent, percent(recording.silent)),
                data(units / events if events else 0.0),
                data(negative / events if events else 0.0, percent(negative / max(events, 1e-9))),
            )
        )
    heads = (">#", "layer", ">events a sample", ">events a neuron and step", ">silent neurons")
    return table("What each layer sends", (*heads, ">mean |payload|", ">negative"), rows)


def _layer(layer: Layer, recording: Recording) -> Html:
    """Return the two figures of one layer."""
    events = float(recording.events.sum())
    heading = f"{layer.number} {layer.title}: {events:,.0f} events a sample"
    return element(
        "div",
        element("h3", heading, title=layer.name),
        _raster(layer, recording),
        _rates(layer, recording),
    )


def _raster(layer: Layer, recording: Recording) -> Html:
    wide = recording.steps_a_column
    drawing = raster(
        f"Raster: {len(recording.shown)} of {layer.neurons:,} neurons, {recording.steps} steps",
        recording.positive,
        recording.negative,
        wide,
    )
    rows = [
        (int(neuron), _sent(positive.tolist(), negative.tolist()))
        for neuron, positive, negative in zip(
            recording.shown, recording.positive, recording.negative, strict=True
        )
    ]
    column = "payloads, step by step" if wide == 1 else f"payloads of {wide} steps each"
    behind = table("Neurons in the raster", (">neuron", column), rows)
    title = f"{len(recording.shown)} of {layer.neurons:,} neurons"
    return figure(title, drawing, [behind, _payloads(recording)], class_="chart small")


def _sent(positive: list[int], negative: list[int]) -> str:
    """Return payloads in a line; where both signs occur in a column they stand together."""
    return " ".join(
        f"+{p}{MINUS}{n}" if p and n else f"{MINUS}{n}" if n else str(p)
        for p, n in zip(positive, negative, strict=True)
    )


def _rates(layer: Layer, recording: Recording) -> Html:
    edges, counts = recording.edges.tolist(), recording.rates.tolist()
    drawing = histogram(
        f"Histogram of the rates of {layer.neurons:,} neurons",
        *(edges, counts),
        x="events a step",
        y="neurons",
    )
    rows = [
        (f"{number(low)} to {number(high)}", data(float(count), f"{count:,}"))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    behind = table("Neurons by their mean rate", ("events a step", ">neurons"), rows)
    title = f"Rates; {percent(recording.silent)} silent"
    return figure(title, drawing, behind, class_="chart small")


def _payloads(recording: Recording) -> Content:
    """Return which payloads occur, where there is more than one."""
    if len(recording.payloads) < 2:
        return None
    total = sum(recording.payloads.values())
    rows = [
        (number(payload), data(count, f"{count:,.1f}"), data(count / total, percent(count / total)))
        for payload, count in sorted(recording.payloads.items())
    ]
    return table("Events by payload", (">payload", ">events a sample", ">share"), rows)
