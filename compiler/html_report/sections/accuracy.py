"""Accuracy after each step, and for how many operations."""

from __future__ import annotations

from ....ir.errors import Problem
from ...evaluate import NO_ANN, Evaluation, wilson
from ...explain import Explanation
from ..charts.figure import figure
from ..charts.lines import Line, line_chart
from ..findings import Findings
from ..markup import Html
from ..quantities import data, number, percent, short
from ..tables import table
from .section import Section, grid, missing, paragraph


def accuracy(findings: Findings) -> Section:
    """Return accuracy against T and SynOps; without labels, agreement with the ANN."""
    title = "Accuracy over time"
    if not isinstance(findings.evaluation, Problem):
        return Section("accuracy", title, _evaluated(findings.evaluation))
    note = missing("No accuracy", findings.evaluation)
    if isinstance(findings.explanation, Problem):
        return Section("accuracy", title, note)
    return Section("accuracy", title, [note, _compared(findings.explanation)])


def _evaluated(found: Evaluation) -> list[Html]:
    entries = found.snn
    bounds = [wilson(entry.accuracy, found.samples) for entry in entries]
    steps = [entry.timesteps for entry in entries]
    heights = [entry.accuracy for entry in entries]
    lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
    ann = tuple(
        Line(name, (), (accuracy,))
        for name, accuracy in (
            ("the ANN", found.ann_accuracy),
            ("the original ANN", found.original_accuracy),
        )
        if accuracy is not None
    )
    behind = _table(found)
    drawing, legend = line_chart(
        f"Accuracy rises to {percent(heights[-1])} after {steps[-1]} steps; {_ann(found)}",
        (Line("spiking network", steps, heights, lows, highs), *ann),
        x="time steps",
        y="accuracy",
        write=lambda share: percent(share, 0),
        write_x=number,
        steps=steps,
    )
    over_time = figure(
        "Accuracy against T",
        drawing,
        behind,
        legend=legend,
        note="The band is the 95 % interval of the count (Wilson).",
    )
    events = [entry.synops_per_sample for entry in entries]
    drawing, legend = line_chart(
        f"Accuracy against synaptic operations: {percent(heights[-1])} for {short(events[-1])}",
        (Line("spiking network", events, heights, lows, highs), *ann),
        x="synaptic operations a sample",
        y="accuracy",
        write=lambda share: percent(share, 0),
        write_x=short,
    )
    over_events = figure(
        "Accuracy against SynOps",
        drawing,
        behind,
        legend=legend,
        note="One operation is an event at one synapse; each point is a number of steps.",
    )
    text = (
        f"After T = {found.timesteps} steps {percent(entries[-1].accuracy, 2)} of "
        f"{found.samples:,} samples are right{_beside_the_ann(found)}. "
        "T is not latency: "
        f"the target adds {found.depth_latency} steps"
        f"{', and a layer waits for the one before' if found.layer_synchronous else ''}."
    )
    return [paragraph(text), grid(over_time, over_events)]


def _ann(found: Evaluation, digits: int = 1) -> str:
    """Return what the source model reaches, in words."""
    if found.ann_accuracy is None:
        return NO_ANN
    return f"the ANN has {percent(found.ann_accuracy, digits)}"


def _beside_the_ann(found: Evaluation) -> str:
    if found.ann_accuracy is None:
        return ""
    lost = found.ann_accuracy - found.snn[-1].accuracy
    points = f"{100 * abs(lost):.2f} points {'less' if lost > 0 else 'more'} than"
    changed = f", the model after {found.ann_changed_by}" if found.ann_changed_by else ""
    if found.original_accuracy is not None:
        changed += f"; the original model has {percent(found.original_accuracy, 2)}"
    return f", {points if lost else 'as'} the ANN ({percent(found.ann_accuracy, 2)}{changed})"


def _table(found: Evaluation) -> Html:
    rows = [
        (
            entry.timesteps,
            data(entry.accuracy, percent(entry.accuracy, 2)),
            "{} to {}".format(*(percent(edge) for edge in wilson(entry.accuracy, found.samples))),
            *(
                data(count, f"{count:,.0f}")
                for count in (
                    *(entry.spikes_per_sample, entry.payload_units_per_sample),
                    *(entry.synops_per_sample, entry.unit_synops_per_sample),
                )
            ),
        )
        for entry in found.snn
    ]
    heads = (">steps", ">accuracy", ">95 % interval", ">spikes", ">payload units", ">SynOps")
    return table(
        f"Mean of {found.samples:,} samples; {_ann(found, 2)}",
        (*heads, ">unit SynOps"),
        rows,
    )


def _compared(found: Explanation) -> Html:
    """Return how near the outputs come to the ANN's."""
    moments = found.over_time
    steps = [moment.timesteps for moment in moments]
    lines = [Line("error of the outputs", steps, [moment.output_error for moment in moments])]
    agreed = [moment.agreement for moment in moments if moment.agreement is not None]
    if len(agreed) == len(steps):
        lines.append(Line("answers that are the ANN's", steps, agreed))
    drawing, legend = line_chart(
        f"The outputs are {percent(moments[-1].output_error)} off after {steps[-1]} steps",
        lines,
        x="time steps",
        y="share",
        write=lambda share: percent(share, 0),
        write_x=number,
        steps=steps,
        bottom=0,
    )
    behind = table(
        f"{found.samples:,} samples",
        (">steps", ">error of the outputs", ">answers that are the ANN's"),
        [
            (
                moment.timesteps,
                data(moment.output_error, percent(moment.output_error)),
                data(
                    moment.agreement,
                    None if moment.agreement is None else percent(moment.agreement),
                ),
            )
            for moment in moments
        ],
    )
    note = "Root mean square of the error, over that of the ANN's outputs."
    return grid(figure("Outputs against T", drawing, behind, legend=legend, note=note))
