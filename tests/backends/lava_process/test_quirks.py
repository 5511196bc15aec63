"""Where Lava's own connections do something unexpected, and what the backend does about it.

Each test shows the hazard on a stock process of lava-nc 0.10.0 that is used naively, so that it
fails should a Lava ever differ, and then that what this backend builds is not subject to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.lava_process import LavaBackend
from snnc.backends.lava_process.plan import ConvPlan, SparsePlan
from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Node,
    Reshape,
    reference,
)
from snnc.ir.errors import DesignRuleError, ExecutionError
from snnc.ir.neurons import SATURATION
from snnc.ir.types import TensorType
from tests.backends.lava_process.stock import (
    conv,
    delivered,
    dense,
    dense_plan,
    ours,
    sparse,
    sparse_plan,
)

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]

# -- weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True], ids=["stock", "fast"])
def test_weights_of_mixed_sign_lose_their_lowest_bit(fast: bool) -> None:
    weight, payload = [[-128, 127, 1], [-1, 3, 0]], np.array([1, -2, 3], np.int32)
    wanted = np.array(weight) @ payload
    for stock in (dense, sparse):
        cut = delivered(stock(weight), payload)
        np.testing.assert_array_equal(cut, np.array([[-128, 126, 0], [-2, 2, 0]]) @ payload)
        assert (cut != wanted).all()
    np.testing.assert_array_equal(delivered(ours(dense_plan(weight)), payload, fast=fast), wanted)
    np.testing.assert_array_equal(delivered(ours(sparse_plan(weight)), payload, fast=fast), wanted)


def test_the_sign_mode_is_guessed_from_the_weights() -> None:
    """One negative weight changes what the positive ones are worth; -128 doubled is cut off."""
    payload = np.array([1, 3], np.int32)
    assert delivered(dense([[1, 127]]), payload) == [382]
    assert delivered(dense([[-1, 127]]), payload) == [376]
    assert delivered(dense([[-256, -256]], weight_exp=-1), payload) == [-510]
    for weight in ([[1, 127]], [[-1, 127]], [[-128, -128]], [[0, 0]]):
        np.testing.assert_array_equal(
            delivered(ours(dense_plan(weight)), payload), np.array(weight) @ payload
        )


def test_a_negative_exponent_rounds_the_sum_down() -> None:
    payload = np.array([1, 1], np.int32)
    assert delivered(dense([[1, 2]], weight_exp=-1), payload) == [1]
    assert delivered(ours(dense_plan([[1, 2]])), payload) == [3]  # doubled sums are even


def test_conv_ignores_exponents_and_the_width_of_weights() -> None:
    """So no synapse here has an exponent of its own: thresholds carry the scale of all."""
    weight, payload = np.full((1, 1, 1, 1), 5000), np.full((1, 1, 1), 3, np.int32)
    plain, shifted = (
        delivered(conv(weight, (1, 1, 1), weight_exp=exponent, num_weight_bits=8), payload)
        for exponent in (0, 3)
    )
    assert plain == shifted == 15000
    wide = Conv(name="c", inputs=("e",), weight=np.full((1, 1, 1, 1), 200))
    with pytest.raises(DesignRuleError, match="c: weights reach from 0 to 200"):
        LavaBackend().lower(single(wide, (1, 1, 1)), 1)


def test_conv_convolves_where_onnx_correlates() -> None:
    kernel = np.arange(1, 7).reshape(1, 1, 2, 3)
    x = np.zeros((1, 3, 4), np.int32)
    x[0, 1, 1] = 1
    lava = x.transpose(2, 1, 0)
    unflipped = delivered(conv(kernel.transpose(0, 3, 2, 1), (4, 3, 1)), lava)
    node = Conv(name="c", inputs=("e",), weight=kernel)
    wanted = reference.step(node, [x[None].astype(np.int64)], {}, 1)[0]
    assert not np.array_equal(unflipped.transpose(2, 1, 0), wanted)
    plan = LavaBackend().lower(single(node, (1, 3, 4)), 1).plan.processes[1]
    assert isinstance(plan, ConvPlan)
    np.testing.assert_array_equal(delivered(ours(plan), lava).transpose(2, 1, 0), wanted)


def test_all_synapses_of_a_neuron_share_one_exponent() -> None:
    """A Conv and a Sparse, which could shift, end at one neuron; weights differ in size."""
    rng = np.random.default_rng(2)
    small, large = rng.integers(-3, 4, (3, 2, 2, 2)), rng.integers(-127, 128, (3, 2, 2, 2))
    nodes: list[Node] = [
        *entry(2, 5, 4),
        Conv(name="a", inputs=("e",), weight=large),
        # Dilation leaves no way to make the padding equal: it becomes a matrix.
        Conv(name="b", inputs=("e",), weight=small, dilation=(2, 2), padding=(0, 0, 1, 1)),
        neurons("n", ("a", "b"), 3, threshold=900, max_positive=4, max_negative=4),
        Reshape(name="f", inputs=("n",), shape=(36,)),
        Linear(name="l", inputs=("f",), weight=rng.integers(-127, 128, (3, 36))),
        Integrator(name="y", inputs=("l",), bias=np.zeros(1, int), scale=np.ones(3)),
    ]
    graph = Graph(nodes, {"y": "y"})
    assert {type(p) for p in LavaBackend().lower(graph, 1).plan.processes} >= {ConvPlan, SparsePlan}
    assert_equal_to_the_reference(graph, {"x": rng.normal(0, 0.5, (3, 2, 5, 4))}, 4)


# -- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_without_message_bits_every_event_counts_as_one(kind: str) -> None:
    payload = np.array([-1, 4], np.int32)
    binary = {"num_message_bits": 0}
    if kind == "conv":
        image, weight = payload.reshape(1, 2, 1), np.full((1, 1, 2, 1), 6)
        assert delivered(conv(weight, (1, 2, 1), **binary), image) == 12
        plan = ConvPlan(
            name="c",
            wires=(),
            shape=(1, 1, 1),
            depth=1,
            weight=weight,
            input_shape=(1, 2, 1),
            stride=(1, 1),
            padding=(0, 0),
            dilation=(1, 1),
            groups=1,
        )
        assert delivered(ours(plan), image) == 18
    elif kind == "dense":
        assert delivered(dense([[6, 6]], **binary), payload) == 12
        assert delivered(ours(dense_plan([[6, 6]])), payload) == 18
    else:
        assert delivered(sparse([[6, 6]], **binary), payload) == 12
        assert delivered(ours(sparse_plan([[6, 6]])), payload) == 18


# -- groups ------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [127, 128, 200])
def test_more_than_127_groups(groups: int) -> None:
    rng = np.random.default_rng(groups)
    kernel = rng.integers(1, 128, (groups, 1, 1, 1))
    payload = np.ones((1, 1, groups), np.int32)
    stock = conv(kernel, (1, 1, groups), groups=groups)
    if groups == 127:
        np.testing.assert_array_equal(delivered(stock, payload).ravel(), kernel.ravel())
    elif groups == 128:
        assert not delivered(stock, payload).any()  # silently nothing
    else:
        with pytest.raises(ExecutionError):
            delivered(stock, payload)
    node = Conv(name="c", inputs=("e",), weight=kernel, groups=groups)
    graph = single(node, (groups, 2, 1))
    kinds = {type(process) for process in LavaBackend().lower(graph, 1).plan.processes}
    assert (ConvPlan if groups <= 127 else SparsePlan) in kinds
    assert_equal_to_the_reference(graph, {"x": rng.normal(0, 0.5, (1, groups, 2, 1))}, 1)


# -- overflow ----------------------------------------------------------------------------------


def test_conv_wraps_at_24_bits_and_dense_at_32() -> None:
    """Reached in Lava's models, refused at compile time."""
    payload = np.full((1, 1, 1), 2**17, np.int32)
    assert delivered(conv(np.full((1, 1, 1, 1), 64), (1, 1, 1)), payload) == -(2**23)
    assert delivered(dense([[64, 64]]), np.full(2, 2**24, np.int32)) == [-(2**31)]
    conv_node = Conv(name="c", inputs=("e",), weight=np.full((1, 1, 1, 1), 64))
    linear = Linear(name="c", inputs=("e",), weight=np.array([[64]]))
    for node, shape in ((conv_node, (1, 1, 1)), (linear, (1,))):
        fits, wraps = (with_input_bits(single(node, shape), bits) for bits in (18, 19))
        assert LavaBackend().lower(fits, 1)  # up to 8388544
        with pytest.raises(DesignRuleError, match="c: its current can reach 16777152"):
            LavaBackend().lower(wraps, 1)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "stock"])
def test_membranes_are_clamped_on_both_sides(fast: bool) -> None:
    """One neuron is driven below the least membrane and recovers, the other above the largest.

    The expected spikes are those of the neuron written down in Python's own integers.
    """
    drive = 127 * 100 * 500
    bias, weight = np.array([-5_000_000, 5_000_000]), np.array([[127], [-127]])
    late = neurons("late", ("k",), 1, threshold=10, max_positive=127)
    nodes: list[Node] = [
        *entry(1),
        Linear(name="k", inputs=("e",), weight=np.zeros((500, 1), int)),
        replace(late, bias=np.array([1000]), initial=np.array([-3000])),  # 100 from step 4 on
        Linear(name="l", inputs=("late",), weight=np.repeat(weight, 500, axis=1)),
        IF(
            name="n",
            inputs=("l",),
            threshold=np.array([1_000_000]),
            bias=bias,
            initial=np.array([0]),
            clamp=SATURATION,
        ),
        Linear(name="m", inputs=("n",), weight=np.eye(2, dtype=int)),
        Integrator(name="y", inputs=("m",), bias=np.zeros(1, int), scale=np.ones(2)),
    ]
    graph, timesteps = Graph(nodes, {"y": "y"}), 14
    x = {"x": np.zeros((1, 1))}
    currents = [0] * 3 + [drive] * (timesteps - 3)
    wanted = [clamped_spikes([sign * i for i in currents], -sign * 5_000_000) for sign in (1, -1)]
    free = [
        clamped_spikes([sign * i for i in currents], -sign * 5_000_000, 2**40) for sign in (1, -1)
    ]
    assert all(sum(one) and one != other for one, other in zip(wanted, free, strict=True))
    spikes = LavaBackend().lower(graph, timesteps).run(x, record=True, fast=fast).spikes["n"]
    np.testing.assert_array_equal(spikes[0].T, wanted)
    defined = reference.run(graph, x, timesteps).spikes["n"]
    np.testing.assert_array_equal(defined[:, 0].T, wanted)


def clamped_spikes(currents: list[int], bias: int, clamp: int = SATURATION) -> list[int]:
    """Return the binary spikes of a neuron with a threshold of a million."""
    v, spikes = 0, []
    for current in currents:
        v = max(-clamp, min(clamp, v + current + bias))
        spikes.append(1 if v >= 1_000_000 else 0)
        v -= spikes[-1] * 1_000_000
    return spikes


# -- graphs ------------------------------------------------------------------------------------


def entry(*shape: int) -> list[Node]:
    return [
        Input(name="x", type=TensorType(shape)),
        Encoder(name="e", inputs=("x",), scale=1 / 127),
    ]


def neurons(name: str, inputs: tuple[str, ...], rank: int, *, threshold: int, **options: Any) -> IF:
    one = np.ones((1,) * rank, np.int64)
    settings = {"bias": 0 * one, "initial": threshold // 2 * one, **options}
    return IF(name=name, inputs=inputs, threshold=threshold * one, **settings)


def single(synapse: Conv | Linear, shape: tuple[int, ...]) -> Graph:
    """Return one synapse between an encoder and a readout."""
    bias = np.zeros((1, 1, 1) if isinstance(synapse, Conv) else 1, int)
    end = Integrator(name="y", inputs=(synapse.name,), bias=bias, scale=np.ones(1))
    return Graph([*entry(*shape), synapse, end], {"y": "y"})


def with_input_bits(graph: Graph, bits: int) -> Graph:
    encoder = graph["e"]
    assert isinstance(encoder, Encoder)
    return graph.replace("e", replace(encoder, bits=bits))


def assert_equal_to_the_reference(graph: Graph, x: dict[str, Array], timesteps: int) -> None:
    """Run on Lava's own models and compare all outputs and payloads."""
    result = LavaBackend().lower(graph, timesteps).run(x, record=True, fast=False)
    expected = reference.run(graph, x, timesteps)
    decoded = expected.outputs["y"].swapaxes(0, 1).astype(np.float32)
    np.testing.assert_array_equal(result.decoded["y"], decoded)
    assert decoded.any()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(result.spikes[name], payloads.swapaxes(0, 1), name)
