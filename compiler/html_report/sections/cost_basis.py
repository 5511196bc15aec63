"""What an estimate of cost stands on: other models, constants, and measures of activity.

All of it is shown where the estimate has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..charts.bars import Bar, stacked_bars
from ..charts.figure import figure
from ..markup import Content, Html, element
from ..quantities import NONE, data, joules, number, short
from ..tables import definitions, table

MEASURES = {
    "budget": "Bit Budget",
    "break_even": "Activity",
    "latency": "Latency",
    "encoder": "Encoder",
    "traffic": "Traffic",
}
"""Parts of an estimate that are a few numbers each."""

WORDS = {
    "s_ace": "S-ACE",
    "ns_ace": "NS-ACE",
    "dense_macs": "dense MACs",
    "spike_rate": "spikes a neuron and step",
    "timesteps": "T",
    "latency_steps": "steps until the answer",
    "first_answer": "first step with an answer",
    "steps_between_samples": "steps between samples, pipelined",
    "correct_samples": "samples with labels",
    "correct_ever": "right at some step",
    "correct_at_end": "right at the end",
    "correct_first": "first right at step, mean",
    "correct_first_median": "first right, median",
    "correct_first_95": "first right, 95 % by step",
    "correct_settled": "right from step on, mean",
    "correct_settled_median": "right from step on, median",
    "correct_settled_95": "right from step on, 95 % by step",
    "step_seconds": "seconds a step",
    "macs": "MACs",
    "macs_if_cached": "MACs, a constant input multiplied once",
}
"""What names of the estimate are called on the page; the others as they are."""


def cost_basis(found: Mapping[str, Any]) -> Content:
    """Return models, measures and constants."""
    return [_models(found), _ranges(found), list(_measures(found)), _constants(found)]


def _models(found: Mapping[str, Any]) -> Content:
    """Return the energies on every model, and how they compare."""
    sensitivity = found.get("sensitivity")
    models = sensitivity.get("models") if isinstance(sensitivity, Mapping) else None
    if not models:
        return None
    if found.get("no_ann"):
        return _models_alone(models)
    ratios = [model for model in models if model.get("snn_to_twin") is not None]
    rows = [
        (
            model["hardware"],
            *(
                data(model.get(name), joules(model.get(name)))
                for name in ("snn", "twin", "ann_int8", "ann")
            ),
            data(model.get("snn_to_twin")),
            "yes" if model.get("placed") else "no",
        )
        for model in models
    ]
    heads = ("model of energy", ">SNN", ">twin", ">INT8 ANN", ">FP32 ANN", ">SNN / twin", "placed")
    listed = table("The same counts on every model of energy", heads, rows)
    if not ratios:
        return listed
    drawing, _ = stacked_bars(
        "Energy over that of the quantised twin on each model; the table behind lists it",
        [Bar(m["hardware"], m["hardware"], {"ratio": float(m["snn_to_twin"])}) for m in ratios],
        {"ratio": 0},
        x="energy of the SNN over that of its twin",
        write=number,
        labels=184,
        level=1.0,
    )
    note = "Left of the dashed line, at 1, the spiking network takes less than its twin."
    return figure("The same network on every model of energy", drawing, listed, note=note)


def _models_alone(models: Sequence[Mapping[str, Any]]) -> Content:
    """Return the energies of a network that has no rivals."""
    rows = [(m["hardware"], data(m.get("snn"), joules(m.get("snn")))) for m in models]
    return table("The same counts on every model of energy", ("model of energy", ">SNN"), rows)


def _ranges(found: Mapping[str, Any]) -> Content:
    """Return published ranges of activity, and on which side of them the network is."""
    activity = found.get("break_even")
    ranges = activity.get("ranges") if isinstance(activity, Mapping) else None
    if not ranges:
        return None
    heads = list(dict.fromkeys(key for entry in ranges for key in entry))
    rows = [[_shown(entry.get(key)) for key in heads] for entry in ranges]
    return table("Published break-even ranges", [key.replace("_", " ") for key in heads], rows)


def _measures(found: Mapping[str, Any]) -> Iterator[Html]:
    for key, title in MEASURES.items():
        held = found.get(key)
        if isinstance(held, Mapping):
            yield element("h3", title)
            yield definitions(_pairs(held))


def _pairs(held: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Content]]:
    """Yield names and values, those inside too; lists are tables of their own."""
    for name, value in held.items():
        words = f"{before} {WORDS.get(name, name.replace('_', ' '))}".strip()
        if isinstance(value, Mapping):
            yield from _pairs(value, words)
        elif value is not None and not isinstance(value, (list, tuple)):
            yield words, _shown(value)


def _shown(value: object) -> Content:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return data(float(value), short(value))
    return str(value)


def _constants(found: Mapping[str, Any]) -> Content:
    constants: Sequence[Mapping[str, Any]] = found.get("constants") or ()
    if not constants:
        return None
    beside = [
        key
        for key in ("technology", "status", "source")
        if any(key in entry for entry in constants)
    ]
    rows = [
        (
            entry["name"],
            data(float(entry["value"])),
            entry["unit"],
            *(_shown(entry.get(key)) for key in beside),
        )
        for entry in constants
    ]
    return table("Constants, each with its source", ("name", ">value", "unit", *beside), rows)
