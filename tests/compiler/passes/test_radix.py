"""Radix-encoded networks: exactly what one event a value says, in as many steps as digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.codes import make_code
from snnc.compiler.options import Options
from snnc.compiler.passes.to_radix import ToRadix
from snnc.compiler.pipeline import conversion, run_passes, signed_bounds, trained_full_scale
from snnc.ir import (
    IF,
    AveragePool,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    RadixIF,
    Staircase,
)
from snnc.ir.bounds import is_quantized
from snnc.ir.reference import evaluate, run
from tests.ann_graphs import AnnBuilder
from tests.conversions import chain_ann, convert, residual_ann, samples

POOLS = (AveragePool, MaxPool)


def undone(graph: Graph) -> Graph:
    """Return the network of before ``ToRadix``: one event a value, all in one step."""
    nodes = []
    for node in graph:
        if isinstance(node, RadixIF):
            node = IF(
                name=node.name,
                inputs=node.inputs,
                threshold=node.threshold,
                bias=node.bias,
                initial=node.initial,
                max_positive=node.base**node.digits - 1,
            )
        elif isinstance(node, Encoder):
            node = replace(node, once=False)
        elif isinstance(node, Integrator):
            node = replace(node, decoding="mean")
        nodes.append(node)
    return Graph(nodes, graph.outputs)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    base=st.sampled_from([2, 3, 4]),
    digits=st.integers(1, 4),
    pool=st.sampled_from(POOLS),
)
def test_digits_say_exactly_what_one_event_said(
    seed: int, base: int, digits: int, pool: type[AveragePool | MaxPool]
) -> None:
    """Outputs and every population, with residual branches and both kinds of pools."""
    graph = residual_ann(seed, pool=pool)
    x = samples(graph, seed)
    radix = convert(graph, x, code="radix", radix=base, timesteps=digits)
    assert is_quantized(radix)
    whole = undone(radix)
    once = NumpyBackend().lower(whole, 1).run({"x": x}, record=True)
    program = NumpyBackend().lower(radix, digits)
    serial = program.run({"x": x}, record=True)
    np.testing.assert_array_equal(serial.decoded["y"][:, -1], once.decoded["y"][:, 0])
    assert once.spikes.keys() == serial.spikes.keys()
    for name, trains in serial.spikes.items():
        np.testing.assert_array_equal(
            trains.sum(axis=1, dtype=np.int64), once.spikes[name][:, 0], name
        )
    depth = 4 + (pool is AveragePool)  # an average before a linear map is a population
    assert program.depth_latency == (depth - 1) * (digits - 1)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), base=st.integers(2, 4))
def test_a_layer_speaks_in_its_window_only(seed: int, base: int) -> None:
    """Each digit times its weight; a layer begins with the last digit of those before it."""
    graph = residual_ann(seed)
    x = samples(graph, seed)
    radix = convert(graph, x, code="radix", radix=base, timesteps=3)
    trains = run(radix, {"x": x}, 3).spikes
    starts = [node.start for node in radix.of_type(RadixIF)]
    assert starts == [1, 3, 5, 7, 9]  # no branch shortens the wait of the join
    for node in radix.of_type(RadixIF):
        sent = trains[node.name]
        assert sent.any()
        for t in range(1, len(sent) + 1):
            place = t - node.start
            if not 0 <= place < 3:
                assert not sent[t - 1].any()
                continue
            weight = base ** (2 - place)
            assert set(np.unique(sent[t - 1])) <= {weight * digit for digit in range(base)}


def test_a_signed_value_is_a_pair_of_radix_populations() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.linear(net.input(6), 4), 5))  # too small to be composed
    x = samples(graph, 0, 16)
    radix = convert(graph, x, code="radix", timesteps=8, weight_bits=None)
    assert len(radix.of_type(RadixIF)) == 2
    got = NumpyBackend().lower(radix, 8).run({"x": x}).decoded["y"][:, -1]
    expected = evaluate(graph, {"x": x})["linear2"]
    np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())


def test_a_radix_network_is_a_quantised_one() -> None:
    """With 2**T levels the rounding of each value is all that is left, so it shrinks as fast."""
    graph = chain_ann(3)
    x = samples(graph, 3, 64)
    expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
    errors = []
    for digits in (4, 8, 12):
        radix = convert(graph, x, code="radix", timesteps=digits, weight_bits=None)
        got = NumpyBackend().lower(radix, digits).run({"x": x}).decoded["y"][:, -1]
        errors.append(np.abs(got - expected).max())
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


def test_a_network_of_staircases_is_said_exactly() -> None:
    """2**T - 1 levels are T binary digits: the spiking network is the quantised ANN itself."""
    rng = np.random.default_rng(0)
    net = AnnBuilder(rng)
    here = net.input(6)
    for _ in range(3):
        weight, bias = rng.integers(-16, 17, (6, 6)) / 8, rng.integers(-32, 33, 6) / 64
        here = net.add(Linear, here, weight=weight, bias=bias)
        here = net.add(Staircase, here, step=np.full(1, 0.25), low=0, high=7, offset=0.5)
    graph = net.graph(net.add(Linear, here, weight=np.eye(6)))
    x = rng.integers(-16, 17, (200, 6)) / 8
    code = make_code("radix", timesteps=3)
    full_scale = trained_full_scale(graph)
    assert {float(value[0]) for value in full_scale.values()} == {1.75}
    options = Options(code="radix", timesteps=3, weight_bits=None)
    passes = conversion(options, code, full_scale, signed_bounds(graph), {}, lambda note: None)
    decoded = run(run_passes(graph, passes), {"x": x}, 3).outputs["y"][-1]
    np.testing.assert_array_equal(decoded, evaluate(graph, {"x": x})[graph.outputs["y"]])


def test_passes_are_only_for_what_they_know() -> None:
    """``ToRadix`` turns every population of unsigned events into one with digits."""
    spiking = convert(chain_ann(0), samples(chain_ann(0), 0), code="radix", timesteps=2)
    assert not spiking.of_type(IF)
    assert [node.name for node in ToRadix(2, 2)(undone(spiking)).of_type(RadixIF)] == [
        node.name for node in spiking.of_type(RadixIF)
    ]
