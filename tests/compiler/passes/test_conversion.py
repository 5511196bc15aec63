"""From an ANN to spikes: what the passes promise, on random networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.codes import Code, make_code
from snnc.compiler.options import Options
from snnc.compiler.passes.balance_thresholds import BalanceThresholds
from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.quantize import Quantize
from snnc.compiler.passes.quantize_input import QuantizeInput
from snnc.compiler.passes.to_spiking import ToSpiking
from snnc.compiler.pipeline import (
    SIMPLIFY,
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
)
from snnc.ir import (
    IF,
    Array,
    Clip,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    TensorType,
)
from snnc.ir.bounds import is_quantized, membrane_bound
from snnc.ir.errors import ConversionError
from snnc.ir.printer import to_text
from snnc.ir.reference import evaluate, run
from tests.ann_graphs import AnnBuilder, random_ann

CODES = ("rate", "ternary", "augmented")


def samples(graph: Graph, seed: int, count: int = 4) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *graph.types["x"].shape)).astype(np.float32)


def convert(graph: Graph, code: Code, x: Array, options: Options) -> Graph:
    """Convert with thresholds at the exact maximum over ``x``."""
    ann = run_passes(graph, SIMPLIFY)
    values = evaluate(ann, {"x": x})
    full_scale = {
        name: np.full(1, np.abs(values[name]).max() or 1.0)
        for name in represented_values(ann, code)
    }
    notes: list[str] = []
    passes = conversion(
        options, code, full_scale, signed_bounds(ann), {"x": float(np.abs(x).max())}, notes.append
    )
    return run_passes(ann, passes)


def error(graph: Graph, spiking: Graph, x: Array, timesteps: int) -> float:
    """Return the mean error of the outputs, relative to their mean magnitude."""
    expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
    got = NumpyBackend().lower(spiking, timesteps).run({"x": x}).decoded["y"][:, -1]
    return float(np.abs(got - expected).mean() / np.abs(expected).mean())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CODES))
def test_the_error_shrinks_with_the_time_steps(seed: int, name: str) -> None:
    """Real weights, thresholds at the maximum: only rounding and transients are left.

    Rounding falls as 1 / T and so do transients (methods, identity 0), so sixteen times the
    steps must leave far less than half the error.
    """
    graph = random_ann(seed)
    x = samples(graph, seed)
    errors = []
    for timesteps in (16, 256):
        options = Options(timesteps=timesteps, weight_bits=None)
        errors.append(error(graph, convert(graph, make_code(name), x, options), x, timesteps))
    assert errors[1] < 0.5 * errors[0] or errors[1] < 0.01
    assert errors[1] < 0.12


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CODES))
def test_normalization_changes_no_spike(seed: int, name: str) -> None:
    graph = run_passes(random_ann(seed), SIMPLIFY)
    x, code = samples(graph, seed), make_code(name)
    values = evaluate(graph, {"x": x})
    # Powers of two: dividing by them is exact, so even float spikes must be equal.
    full_scale = {
        key: 2.0 ** np.ceil(np.log2(np.full(1, np.abs(values[key]).max() or 1.0)))
        for key in represented_values(graph, code)
    }
    balanced = BalanceThresholds(full_scale, {}, 8)(ToSpiking(code)(graph))
    before, after = run(balanced, {"x": x}, 8), run(normalize(balanced), {"x": x}, 8)
    for key, trains in before.spikes.items():
        np.testing.assert_array_equal(after.spikes[key], trains, key)
    assert all(np.all(node.threshold == 1) for node in normalize(balanced).of_type(IF))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_balancing_changes_units_not_currents(seed: int) -> None:
    """Twice the full scale: the same events would deliver twice the current."""
    graph = ToSpiking(make_code("ternary"))(run_passes(random_ann(seed), SIMPLIFY))
    scale = {node.represents: np.full(1, 2.0) for node in graph.of_type(IF)}
    balanced = BalanceThresholds(scale, {}, 8)(graph)
    for node in balanced.of_type(IF):
        assert np.all(node.threshold == 2)
        assert np.all(node.initial == 1)
        assert np.all(node.unit == 2)
    sources = {node.name for node in graph.of_type(IF)} | {n.name for n in graph.of_type(MaxPool)}
    for synapse in graph.of_type(Conv) + graph.of_type(Linear):
        new = balanced[synapse.name]
        assert isinstance(new, (Conv, Linear))
        if synapse.inputs[0] in sources:
            np.testing.assert_allclose(new.weight, 2 * synapse.weight)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CODES))
def test_quantization_is_integer_and_close(seed: int, name: str) -> None:
    graph = random_ann(seed)
    x = samples(graph, seed)
    spiking = convert(graph, make_code(name), x, Options(timesteps=64))
    assert is_quantized(spiking)
    for node in spiking.of_type(Conv) + spiking.of_type(Linear):
        assert node.weight.dtype == np.int8
        assert np.abs(node.weight.astype(int)).max() <= 127
    assert error(graph, spiking, x, 64) < 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_membranes_stay_within_their_bound(seed: int) -> None:
    graph = random_ann(seed)
    x = samples(graph, seed)
    spiking = convert(graph, make_code("augmented"), x, Options(timesteps=8))
    trace = run(spiking, {"x": x}, 8)
    for node in spiking.of_type(Integrator):
        bound = membrane_bound(spiking, node, 8)
        key = next(k for k, v in spiking.outputs.items() if v == node.name)
        for t, decoded in enumerate(trace.outputs[key], start=1):
            assert np.all(np.abs(decoded * t / node.scale) <= bound * (1 + 1e-9))


def test_branches_of_very_different_scale_keep_their_bits() -> None:
    """A shortcut 50 times the other branch is split; the weak branch keeps six bits."""
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.conv(net.input(2, 6, 6), 4, padding=(1, 1, 1, 1)))
    weak = net.conv(first, 4, padding=(1, 1, 1, 1))
    strong = net.conv(first, 4, kernel=1, groups=4)
    graph = net.graph(net.linear(net.flat(net.relu(net.join(weak, strong))), 3))
    nodes = []
    for node in graph:
        if node.name == weak and isinstance(node, Conv):
            node = Conv(
                name=weak,
                inputs=node.inputs,
                weight=node.weight / np.abs(node.weight).max(axis=(1, 2, 3), keepdims=True) / 50,
                padding=node.padding,
            )
        elif node.name == strong and isinstance(node, Conv):
            node = Conv(name=strong, inputs=node.inputs, weight=np.ones_like(node.weight), groups=4)
        nodes.append(node)
    x = samples(graph, 0)
    spiking = convert(Graph(nodes, graph.outputs), make_code("augmented"), x, Options(timesteps=8))
    branches = {node.name: node for node in spiking.of_type(Conv)}
    assert branches[strong].copies == 16
    assert branches[weak].copies == 1
    assert np.abs(branches[weak].weight.astype(int)).max() >= 31
    unsplit = np.rint(127 / 50)
    assert unsplit < 4, "without copies two bits would be left"


def test_saturating_membranes_are_noted() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.relu(net.linear(net.input(800), 3)), 2))
    x = np.sign(samples(graph, 0))
    spiking = ToSpiking(make_code("rate"))(graph)
    notes: list[str] = []
    passes = (
        BalanceThresholds({n.represents: np.full(1, 1e-3) for n in spiking.of_type(IF)}, {}, 4096),
        QuantizeInput({"x": float(np.abs(x).max())}),
        normalize,
        Quantize(8, 4096, notes.append),
    )
    quantized = run_passes(spiking, passes)
    assert [node.clamp for node in quantized.of_type(IF)] == [2**23 - 1]
    assert any("saturates" in note for note in notes)


def test_no_code_is_an_alias_of_another() -> None:
    graph = random_ann(1)
    x = samples(graph, 1)
    trains = {}
    for name in CODES:
        spiking = convert(graph, make_code(name), x, Options(timesteps=8))
        found = run(spiking, {"x": x}, 8).spikes
        trains[name] = np.concatenate([v.ravel() for v in found.values()])
    assert set(np.unique(trains["rate"])) == {0, 1}
    assert set(np.unique(trains["ternary"])) == {-1, 0, 1}
    assert trains["augmented"].max() > 1
    assert trains["augmented"].min() < 0


@pytest.mark.parametrize("settings", [{"deadband": 1}, {"guard": False}, {"v_init": 0.0}])
def test_every_option_of_a_code_changes_spikes(settings: dict[str, Any]) -> None:
    graph = random_ann(1)
    x = samples(graph, 1)
    plain, changed = (
        run(convert(graph, make_code("ternary", **options), x, Options(timesteps=8)), {"x": x}, 8)
        for options in ({}, settings)
    )
    assert any(not np.array_equal(plain.spikes[n], changed.spikes[n]) for n in plain.spikes)


def test_rate_uses_a_pair_for_a_signed_value() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.linear(net.input(6), 4), 5))  # 30 < 24 + 20: not composed
    spiking = ToSpiking(make_code("rate"))(graph)
    assert len(spiking.of_type(IF)) == 2
    assert {node.represents for node in spiking.of_type(IF)} == {"linear1"}
    x = samples(graph, 0)
    options = Options(timesteps=512, weight_bits=None)
    assert error(graph, convert(graph, make_code("rate"), x, options), x, 512) < 0.02


def test_an_average_behind_a_relu_needs_no_negative_events() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    pool = net.pool(net.relu(net.conv(net.input(1, 6, 6), 2)))
    spiking = ToSpiking(make_code("rate"))(net.graph(net.linear(net.flat(pool), 3)))
    assert [node.name for node in spiking.of_type(IF)] == ["clip2", pool]


def test_every_reader_has_a_synapse_of_its_own() -> None:
    """One convolution feeds two activations: their thresholds differ, so must the weights."""
    net = AnnBuilder(np.random.default_rng(0))
    conv = net.conv(net.input(2, 5, 5), 3)
    both = net.join(net.relu(conv), net.relu(conv, high=1.0))
    spiking = ToSpiking(make_code("ternary"))(net.graph(net.linear(net.flat(both), 2)))
    for synapse in spiking.of_type(Conv) + spiking.of_type(Linear):
        assert len(spiking.users[synapse.name]) == 1


def test_what_a_code_cannot_say_is_listed_at_once() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.linear(net.input(4), 4), low=-1.0, high=1.0)
    second = net.relu(net.linear(first, 4), low=-0.5, high=2.0)
    graph = net.graph(net.linear(second, 2))
    with pytest.raises(ConversionError) as caught:
        ToSpiking(make_code("rate"))(graph)
    assert [p.message.split(":")[0] for p in caught.value.problems] == [first, second]
    assert all("--code ternary" in p.hint for p in caught.value.problems)
    ToSpiking(make_code("ternary"))(graph)


def test_a_signed_clip_bounds_the_units_sent() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    clip = net.relu(net.linear(net.input(4), 6), low=-0.5, high=2.0)
    graph = net.graph(net.linear(clip, 2))
    x = 5 * samples(graph, 0, 20)
    spiking = convert(graph, make_code("ternary"), x, Options(timesteps=64, weight_bits=None))
    (node,) = spiking.of_type(IF)
    assert (node.acc_min, node.acc_max) == (-16, 64)  # unit 2: -0.5 * 64 / 2 and 2 * 64 / 2
    sent = run(spiking, {"x": x}, 64).spikes[clip].sum(axis=0) * node.unit / 64
    value = evaluate(graph, {"x": x})[clip]
    assert np.abs(sent - value).max() <= 2 / 64 + 1e-9


def test_golden_text(golden: Callable[[str, str], None]) -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.conv(net.input(1, 6, 6), 2, padding=(1, 1, 1, 1)))
    joined = net.relu(net.join(net.conv(first, 2, padding=(1, 1, 1, 1)), first))
    graph = net.graph(net.linear(net.flat(net.pool(joined, MaxPool)), 3))
    x = samples(graph, 0)
    parts = [to_text(graph), to_text(ToSpiking(make_code("ternary"))(graph))]
    parts.append(to_text(convert(graph, make_code("ternary"), x, Options(timesteps=8))))
    golden("to_spiking.txt", "\n\n".join(parts))


def test_the_encoder_takes_its_scale_from_the_data() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.input(4), 2))
    spiking = ToSpiking(make_code("rate"))(graph)
    (encoder,) = QuantizeInput({"x": 3.0}, bits=4)(spiking).of_type(Encoder)
    assert (encoder.scale, encoder.limit) == (3.0 / 7, 7)


def quantized(graph: Graph, timesteps: int = 8, bits: int = 8) -> tuple[Graph, list[str]]:
    """Return a model with thresholds of 1 and inputs up to 1 in integers, and the notes."""
    notes: list[str] = []
    code = make_code("ternary")
    scale = {name: np.ones(1) for name in represented_values(graph, code)}
    options = Options(timesteps=timesteps, weight_bits=bits)
    passes = conversion(options, code, scale, {}, {"x": 1.0}, notes.append)
    return run_passes(graph, passes), notes


@pytest.mark.parametrize(
    ("gain", "bias"), [(0.0, 0.4), (1e-9, 0.4), (0.01, -2000.0), (1.0, 1e-4), (0.0, 0.0)]
)
def test_an_output_keeps_its_bias(gain: float, bias: float) -> None:
    """Where weights are small or absent the bias must neither round to 0 nor saturate."""
    weight = np.array([[1.0, -1.0], [gain, gain]])
    graph = Graph(
        [
            Input(name="x", type=TensorType((2,))),
            Linear(name="y", inputs=("x",), weight=weight, bias=np.array([0.1, bias])),
        ],
        {"y": "y"},
    )
    spiking, _ = quantized(graph)
    x = np.array([[0.5, 0.25]], np.float32)
    got = NumpyBackend().lower(spiking, 8).run({"x": x}).decoded["y"][0, -1]
    np.testing.assert_allclose(got, [0.35, 0.75 * gain + bias], rtol=0.01, atol=5e-3)


@pytest.mark.parametrize("bits", [4, 8])
def test_branches_of_equal_scale_are_not_split(bits: int) -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.linear(net.input(6), 6))
    joined = net.relu(net.join(net.linear(first, 6), net.linear(first, 6)))
    spiking, notes = quantized(net.graph(net.linear(joined, 2)), bits=bits)
    assert {node.copies for node in spiking.of_type(Linear)} <= {1, 2}
    assert not any("copies" in note and "6 bits" in note for note in notes if bits < 6)


def test_a_hopeless_branch_is_said_to_be_one() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.linear(net.input(6), 6))
    weak = net.linear(first, 6)
    graph = net.graph(net.linear(net.relu(net.join(weak, first)), 2))
    node = graph[weak]
    assert isinstance(node, Linear)
    faint = Linear(name=weak, inputs=node.inputs, weight=node.weight / 1e4, bias=node.bias)
    spiking, notes = quantized(graph.replace(weak, faint))
    assert max(node.copies for node in spiking.of_type(Linear)) == 64
    assert any("keeps fewer than 6 bits" in note for note in notes)


def test_deep_networks_convert() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.input(2)
    for _ in range(400):
        weight = np.eye(2)
        name = f"fc{len(net.nodes)}"
        net.nodes.append(Linear(name=name, inputs=(here,), weight=weight, bias=np.zeros(2)))
        here = f"relu{len(net.nodes)}"
        net.nodes.append(Clip(name=here, inputs=(name,)))
    graph = run_passes(net.graph(here), SIMPLIFY)
    assert len(ToSpiking(make_code("rate"))(graph).of_type(IF)) == 400


def test_a_clip_below_zero_is_refused() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.relu(net.linear(net.input(4), 3), low=-2.0, high=-1.0), 2))
    for code in CODES:
        with pytest.raises(ConversionError, match=r"upper bound -1\.0 not above 0"):
            ToSpiking(make_code(code))(graph)
