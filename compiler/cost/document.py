"""An estimate as one JSON object, and as rows of a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from math import fsum
from typing import TYPE_CHECKING, Any

from .counts import COUNTS, Layer
from .hardware import total
from .presets import borrowed
from .verdict import dominant, over_models, sensitivity, verdict

if TYPE_CHECKING:
    from .estimate import Estimate

NO_ANN = "no ANN runs on this hardware, so none is costed on it"

NO_SOURCE = "no source ANN: the network was trained as a spiking one"

RIVALS = ("twin", "ann_int8", "ann")

Row = tuple[str, str, str, str, float | str, str]
"""Network, node, kind, quantity, value, unit."""

HEADS = ("network", "node", "kind", "quantity", "value", "unit")


def document(found: Estimate) -> dict[str, Any]:
    """Return an estimate as a JSON object; counts and joules are for one sample."""
    most = dominant(found)
    return {
        "hardware": found.hardware.name,
        "title": found.hardware.title,
        "basis": found.hardware.basis,
        "samples": found.samples,
        "snn": _network(found, "snn"),
        **{name: _network(found, name) if found.has_ann else None for name in RIVALS},
        "no_ann": None if found.has_ann else NO_SOURCE,
        **({"ann_changed_by": found.ann_changed_by} if found.ann_changed_by else {}),
        "layers": [_layer(found, "snn", layer) for layer in found.snn],
        "twin_layers": _twin_layers(found),
        "budget": _budget(found),
        "break_even": found.activity.to_json(),
        "latency": found.latency.to_json(),
        "encoder": _encoder(found),
        "traffic": _traffic(found),
        "sensitivity": sensitivity(over_models(found)),
        "dominant": most and asdict(most),
        "verdict": verdict(found),
        "neurobench": found.neurobench and found.neurobench.to_json(),
        "constants": [asdict(constant) for constant in found.constants],
    }


def _network(found: Estimate, name: str) -> dict[str, Any]:
    costed = found.networks[name]
    shown = {
        "title": costed.title,
        "energy_joules": found.joules(name),
        "energy_joules_bracket": _bracket(found, name),
        "mac": costed.arithmetic.mac,
        "add": costed.arithmetic.add,
        "terms": found.terms(name),
        **{count: found.total(name, count) for count in COUNTS},
    }
    if name == "snn":
        shown["latency_steps"] = found.latency.latency_steps
        shown["static_joules"] = found.static_joules(name)
    if name == "twin":
        shown["activation_bits"] = found.twin_bits
    return shown


def _twin_layers(found: Estimate) -> list[dict[str, Any]] | None:
    if not found.has_ann:
        return None
    return [_layer(found, "twin", layer) for layer in found.layers("twin")]


def _bracket(found: Estimate, name: str) -> dict[str, Any] | None:
    bracket = found.hardware.bracket
    if bracket is None:
        return None
    if name != "snn":
        return {"low": None, "high": None, "basis": NO_ANN}
    constants = {term.constant: borrowed(term) for term in (*bracket.low, *bracket.high)}
    return {
        **(found.bracket or {}),
        "basis": bracket.basis,
        "constants": [{**asdict(value), "of": name} for name, value in constants.items()],
    }


def _layer(found: Estimate, network: str, layer: Layer) -> dict[str, Any]:
    parts = found.parts(network, layer)
    known = network_is_costed(found, network)
    shown: dict[str, Any] = {
        "node": layer.node,
        "kind": layer.kind,
        **asdict(layer.counts),
        "energy_joules": total(parts.values()) if known else None,
        "terms": parts,
    }
    if network == "snn" and layer.node in found.budgets:
        budget = found.budgets[layer.node]
        shown |= {
            "weight_bits": budget.weight_bits,
            "spike_bits": budget.spike_bits,
            "firing_rate": budget.firing_rate,
            "dense_macs": budget.macs,
            "bit_budget": budget.bit_budget,
            "s_ace": budget.s_ace,
            "ns_ace": budget.ns_ace,
        }
    return shown


def network_is_costed(found: Estimate, network: str) -> bool:
    """Whether the hardware says anything about the energy of a network."""
    return bool(found.hardware.terms) and found.networks[network].network in found.hardware.runs


def _budget(found: Estimate) -> dict[str, float]:
    """Return the sums over synapses; the Bit Budget is the mean over their dense MACs."""
    s_ace = fsum(budget.s_ace for budget in found.budgets.values())
    macs = fsum(budget.macs for budget in found.budgets.values())
    return {
        "bit_budget": s_ace / macs if macs else 0.0,
        "s_ace": s_ace,
        "ns_ace": fsum(budget.ns_ace for budget in found.budgets.values()),
        "dense_macs": macs,
    }


def _encoder(found: Estimate) -> dict[str, float]:
    """Return what the input costs: encoding it, and the MACs of the layers that read it."""
    encoders = [layer for layer in found.snn if layer.kind == "Encoder"]
    reading = [
        layer
        for layer in found.snn
        if layer.kind in ("Conv", "Linear") and layer.counts.macs and not layer.counts.synops
    ]
    macs = fsum(layer.counts.macs for layer in reading)
    repeated = max((found.budgets[layer.node].timesteps for layer in reading), default=1)
    steps = 1 if found.stepwise else repeated
    return {
        "quantisations": fsum(layer.counts.macs for layer in encoders),
        "events": fsum(layer.counts.output_writes for layer in encoders),
        "macs": macs,
        "macs_if_cached": macs / steps,
    }


def _traffic(found: Estimate) -> dict[str, Any]:
    placement = found.placement
    sums = {name: found.total("snn", name) for name in ("messages", "hops_x", "hops_y")}
    if placement is None:
        basis = "no placement: every layer on one core, which every event in front of it reaches"
        return {"chip": None, "basis": basis, **sums}
    return {
        "chip": placement.fit.chip.name,
        "basis": placement.fit.basis,
        **sums,
        "cores": len(placement.fit.cores),
        "chips": placement.fit.chips,
        "tiles": placement.tiles,
        "fits": placement.fit.fits,
        "violations": [problem.message for problem in placement.fit.problems],
    }


def rows(found: Estimate) -> Iterator[Row]:
    """Yield every figure of an estimate as one row: what a spreadsheet wants."""
    for name in found.networks:
        for layer in found.layers(name):
            place = (name, layer.node, layer.kind)
            for count, value in asdict(layer.counts).items():
                yield (*place, count, value, "a sample")
            for term, joules in found.parts(name, layer).items():
                yield (*place, f"energy: {term}", _number(joules), "J a sample")
        for term, joules in found.terms(name).items():
            yield name, "", "", f"energy: {term}", _number(joules), "J a sample"
        yield name, "", "", "energy", _number(found.joules(name)), "J a sample"
    if not found.has_ann:
        yield from ((name, "", "", "energy", "", NO_SOURCE) for name in RIVALS)
    yield from _measures(found)
    for constant in found.constants:
        source = f"{constant.unit}; {constant.status}; {constant.technology}; {constant.source}"
        yield "", "", "constant", constant.name, constant.value, source


def _measures(found: Estimate) -> Iterator[Row]:
    for end, joules in (found.bracket or {}).items():
        yield "snn", "", "", f"bracket of the energy: {end}", joules, "J a sample"
    for node, budget in found.budgets.items():
        place = ("snn", node, "")
        yield *place, "bit_budget", float(budget.bit_budget), "bit^2 steps"
        yield *place, "s_ace", budget.s_ace, "bit^2 steps"
        yield *place, "ns_ace", budget.ns_ace, "bit^2 steps"


def _number(joules: float | None) -> float | str:
    return "" if joules is None else joules
