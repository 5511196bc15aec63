"""What is made of the counts: sums, rivals, the range over models, brackets, time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.chips import get_chip
from snnc.compiler.cost import PRESETS, estimate, get_hardware
from snnc.compiler.cost.counts import COUNTS
from snnc.compiler.cost.document import rows
from snnc.compiler.cost.latency import correct_steps
from snnc.compiler.cost.payloads import payload_bits
from snnc.compiler.onnx_import import load as load_model
from snnc.compiler.placement import fit
from snnc.ir import (
    IF,
    Encoder,
    Graph,
    Input,
    Linear,
    Population,
    RadixIF,
    TensorType,
)
from tests.command_line import write_model
from tests.compiler.cost.models import HOROWITZ, W1, W2, X, compiled


def test_everything_adds_up(tmp_path: Path) -> None:
    """The total is the sum over layers and terms, and over terms, and over layers."""
    network, ann = compiled(tmp_path, code="augmented", timesteps=3)
    for name in PRESETS:
        found = estimate(network, ann, {"x": X}, get_hardware(name))
        for which in found.networks:
            total = found.joules(which)
            parts = [found.parts(which, layer) for layer in found.layers(which)]
            if total is None:
                continue
            static = found.static_joules(which) or 0.0
            every = [part for layer in parts for part in layer.values()]
            assert None not in every
            assert fsum([*filter(None, every), static]) == pytest.approx(total, rel=1e-15)
            assert fsum(filter(None, found.terms(which).values())) == pytest.approx(total)


def test_the_document_holds_the_same_figures(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="augmented", timesteps=3)
    found = estimate(network, ann, {"x": X}, get_hardware("lemaire-2022"))
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    for name in ("snn", "ann", "ann_int8", "twin"):
        assert document[name]["energy_joules"] == found.joules(name) > 0  # type: ignore[operator]
        assert document[name]["terms"] == found.terms(name)
        assert set(COUNTS) <= document[name].keys()
    for layer in document["layers"]:
        assert fsum(layer["terms"].values()) == pytest.approx(layer["energy_joules"])
    total = fsum(layer["energy_joules"] for layer in document["layers"])
    assert total == pytest.approx(document["snn"]["energy_joules"])
    by_csv: dict[str, float] = {}
    for network_name, node, _, quantity, value, _ in rows(found):
        if network_name == "snn" and node and quantity.startswith("energy: "):
            by_csv[node] = by_csv.get(node, 0.0) + float(value)
    assert by_csv == {
        layer["node"]: pytest.approx(layer["energy_joules"]) for layer in document["layers"]
    }


def test_memory_dominates_and_says_so(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", timesteps=8)
    document = estimate(network, ann, {"x": X}, get_hardware("lemaire-2022")).to_json()
    terms = document["snn"]["terms"]
    assert document["dominant"]["term"] == max(terms, key=lambda name: terms[name])
    share = document["dominant"]["term_share"]
    assert share == pytest.approx(max(terms.values()) / document["snn"]["energy_joules"])
    assert document["dominant"]["term"] in document["verdict"]
    assert document["dominant"]["layer"] in document["verdict"]
    loses = [
        document["snn"]["energy_joules"] > document[n]["energy_joules"] for n in ("twin", "ann")
    ]
    assert ("takes more energy than" in document["verdict"]) == any(loses)
    assert ("takes less energy than" in document["verdict"]) == (not all(loses))


def test_the_range_over_models(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", timesteps=8)
    document = estimate(network, ann, {"x": X}, HOROWITZ).to_json()
    models = {model["hardware"]: model for model in document["sensitivity"]["models"]}
    assert set(models) == set(PRESETS)
    ratios = [m["snn_to_twin"] for m in models.values() if m["snn_to_twin"] is not None]
    assert document["sensitivity"]["snn_to_twin"] == {"low": min(ratios), "high": max(ratios)}
    for name, model in models.items():
        alone = estimate(network, ann, {"x": X}, get_hardware(name))
        if not alone.placement:  # else it is placed there, and not here
            assert model["snn"] == alone.joules("snn")
            assert model["twin"] == alone.joules("twin")
    assert models["loihi2"]["snn"] is None
    bracket = models["loihi2"]["bracket"]
    assert 0 < bracket["low"] < bracket["high"]
    assert all(model["bracket"] is None for name, model in models.items() if name != "loihi2")


def test_no_energy_but_a_bracket_for_loihi2(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="ternary", timesteps=3)
    found = estimate(network, ann, {"x": X}, get_hardware("loihi2"))
    document = found.to_json()
    nothing = [value for key, value in _walk(document) if key == "energy_joules"]
    assert len(nothing) > 10
    assert set(nothing) == {None}
    bracket = document["snn"]["energy_joules_bracket"]
    assert 0 < bracket["low"] < bracket["high"]
    assert "NOT A FIGURE OF LOIHI 2" in bracket["basis"]
    assert {constant["of"].split("/")[0] for constant in bracket["constants"]} == {
        "loihi1-davies2018",
        "loihi1-sanafe",
    }
    assert document["twin"]["energy_joules_bracket"]["low"] is None
    assert document["constants"] == []
    synapses, updates = (
        sum(getattr(layer.counts, count) for layer in found.snn if layer.kind != "Encoder")
        for count in ("weight_reads", "neuron_updates")
    )
    events, messages, x, y = (found.total("snn", n) for n in MOVED)
    low = 23.6 * synapses + 52 * updates + 1.7 * messages + 3.0 * x + 4.0 * y
    high = 35.5 * synapses + 81 * updates + 69.3 * events + 111 * messages + 3.0 * x + 4.2 * y
    assert bracket["low"] == pytest.approx(1e-12 * low)
    assert bracket["high"] == pytest.approx(1e-12 * high)


MOVED = ("events", "messages", "hops_x", "hops_y")


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _walk(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _walk(inner)


def test_a_placement_moves_events_between_cores(artifact: Path, data_file: Path) -> None:
    """What ``snnc fit`` says about traffic is what is priced here."""
    network, ann = snnc.load(artifact), load_model(artifact / "ann.onnx").graph
    with np.load(data_file) as file:
        x = file["x"][:8]
    found = estimate(network, ann, {"x": x}, get_hardware("loihi1-davies2018"))
    placed = fit(network.graph, get_chip("loihi1"), timesteps=4, samples={"x": x})
    hops = found.total("snn", "hops_x") + found.total("snn", "hops_y")
    assert hops == pytest.approx(placed.placed.event_hops * 4)
    assert found.total("snn", "messages") == pytest.approx(float(placed.traffic.events.sum()) * 4)
    assert found.terms("snn")["spikes within a tile"] == pytest.approx(
        1.7e-12 * found.total("snn", "messages")
    )
    seconds = found.step_seconds
    assert seconds is not None
    assert seconds > 113e-9
    steps = found.latency.hardware_steps
    assert steps > 4
    assert found.static_joules("snn") == pytest.approx(0.104 * seconds * steps)
    assert found.on(HOROWITZ).placement is None
    assert found.on(HOROWITZ).total("snn", "hops_x") == 0


def test_static_power_lasts_as_long_as_the_sample(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", timesteps=3)
    found = estimate(network, ann, {"x": X}, get_hardware("truenorth"))
    steps = 3 + 2  # two synapses one behind the other
    assert found.static_joules("snn") == pytest.approx(64.4e-3 * steps * 1e-3)
    synops = sum(layer.counts.weight_reads for layer in found.snn)
    assert found.joules("snn") == pytest.approx(64.4e-3 * steps * 1e-3 + 2.3e-12 * synops)
    document = found.to_json()["latency"]
    assert document["seconds"] == pytest.approx(5e-3)
    assert document["samples_per_second"] == pytest.approx(1000 / 3)


def test_budget_and_break_even_by_hand(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", timesteps=3)
    found = estimate(network, ann, {"x": X}, HOROWITZ)
    first, second = found.budgets.values()
    assert (first.timesteps, first.weight_bits, first.spike_bits, first.macs) == (3, 8, 8, 6)
    assert (second.timesteps, second.weight_bits, second.spike_bits, second.macs) == (3, 8, 1, 4)
    assert first.firing_rate == (2 + 3) / 6
    sent = network.program.run({"x": X}, record=True).spikes["r"]
    assert second.ns_ace == pytest.approx(4 * 3 * 8 * np.count_nonzero(sent) / sent.size)
    document = found.to_json()
    assert document["budget"]["s_ace"] == 6 * 3 * 8 * 8 + 4 * 3 * 8
    assert document["budget"]["bit_budget"] == document["budget"]["s_ace"] / 10
    activity = document["break_even"]
    assert activity["spike_rate"] == np.count_nonzero(sent) / sent.size
    crossed = (np.count_nonzero(sent, axis=(0, 1)) @ (1, 2)) / 2
    assert activity["spikes_per_synapse"] == crossed / 3  # of 4 weights one is 0
    assert len(activity["ranges"]) == 3
    assert all(each["source"] for each in activity["ranges"])


def test_when_answers_are_right() -> None:
    right = np.array([[0, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    found = correct_steps(right)
    assert (found.samples, found.ever, found.at_end) == (5, 0.8, 0.6)
    assert (found.first, found.first_median, found.first_95) == ((2 + 1 + 2 + 1) / 4, 1.5, 2)
    assert found.settled == pytest.approx((2 + 4 + 1) / 3)
    assert (found.settled_median, found.settled_95) == (2, 4)
    late = correct_steps(right, first_answer=4)
    assert (late.first, late.settled, late.ever) == (4, 4, 0.6)
    never = correct_steps(np.zeros((2, 3), bool))
    assert (never.first, never.settled, never.ever) == (None, None, 0)


def test_latency_of_layers_that_take_turns(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "deep.onnx",
        "h = Gemm <transB = 1> (x, w1) r = Relu (h) i = Gemm (r, w2) s = Relu (i) y = Gemm (s, w2)",
        "(float[N,3] x) => (float[N,2] y)",
        {"w1": W1, "w2": W2},
    )
    network, ann = snnc.compile(path, calibration=X, code="radix", timesteps=3), load_model(path)
    labels = np.array([0, 1])
    latency = estimate(network, ann.graph, {"x": X}, HOROWITZ, labels=labels).latency
    assert latency.layer_synchronous
    assert latency.layer_synchronous_factor == network.steps / 3 > 1
    assert latency.steps_between_samples == 3
    assert latency.correct
    assert latency.correct.first in (3, None)  # there is no answer before


def test_the_bits_of_an_event() -> None:
    """The alphabet with "no event" in it; a radix digit carries its worth in the step."""
    settings: list[tuple[dict[str, Any], int]] = [
        ({}, 1),
        ({"max_negative": 1}, 2),
        ({"max_positive": 4, "max_negative": 4}, 4),
        ({"max_positive": 8, "max_negative": 8, "select": "nearest"}, 4),
    ]
    for fields, bits in settings:
        assert payload_bits(_one_population(IF, **fields), "n") == bits
    assert payload_bits(_one_population(RadixIF, base=2, digits=8, start=1), "n") == 1
    assert payload_bits(_one_population(RadixIF, base=4, digits=3, start=1), "n") == 2
    assert payload_bits(_one_population(IF), "e") == 8


def _one_population(kind: type[Population], **fields: Any) -> Graph:
    one = np.ones(1, np.int64)
    nodes = [
        Input(name="x", type=TensorType((1,))),
        Encoder(name="e", inputs=("x",), scale=0.1),
        Linear(name="s", inputs=("e",), weight=np.ones((1, 1), np.int8)),
        kind(name="n", inputs=("s",), threshold=one, bias=one, initial=one, **fields),
    ]
    return Graph(nodes, {"y": "n"})
