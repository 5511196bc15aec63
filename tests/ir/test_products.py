"""Products of quantised values: telescoping on spikes, bounds, storage, counts of events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.backends import get_backend
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.event_counts import total_activity
from snnc.compiler.passes.to_exact import ToExact
from snnc.ir import (
    Array,
    Dequantize,
    Graph,
    Input,
    Linear,
    Node,
    Product,
    Quantize,
    Requantize,
    Signal,
    TensorType,
    latency,
)
from snnc.ir.bounds import accumulated_bounds, current_bounds
from snnc.ir.depth import depths
from snnc.ir.errors import DesignRuleError, ShapeError
from snnc.ir.reference import evaluate, run, step
from snnc.ir.settling import is_exact, settling_bound
from snnc.ir.storage import from_document, to_document

X = np.random.default_rng(8).integers(-12, 13, (6, 3)).astype(float)


def requantize(name: str, source: str, theta: int, low: int, high: int) -> Requantize:
    return Requantize(
        name=name,
        inputs=(source,),
        multiplier=np.ones((1, 1), np.int64),
        bias=np.zeros(1, np.int64),
        threshold=np.array([theta]),
        low=low,
        high=high,
    )


def network(square: bool = False) -> Graph:
    """Return two layers whose product is the drive of a third and, twice, an output."""
    rng = np.random.default_rng(9)
    nodes: list[Node] = [
        Input(name="x", type=TensorType((3,))),
        Quantize(name="q", inputs=("x",), scale=1.0, low=-8, high=7),
        Linear(name="a", inputs=("q",), weight=rng.integers(-9, 10, (4, 3))),
        Linear(name="b", inputs=("q",), weight=rng.integers(-9, 10, (4, 3))),
        requantize("f", "a", 16, -7, 8),
        requantize("g", "b", 9, -3, 15),
        Product(name="fg", inputs=("f", "f" if square else "g")),
        requantize("h", "fg", 9, -8, 7),
        Product(name="gh", inputs=("g", "h")),
        Dequantize(name="y", inputs=("gh",), bias=np.arange(4), scale=np.full(1, 0.5)),
    ]
    return Graph(nodes, {"y": "y"})


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("setting", [{"cap": 1}, {"cap": 4}, {"cap": 15}, {"base": 2}], ids=str)
def test_spikes_equal_the_integers(square: bool, setting: dict[str, int]) -> None:
    """In the reference and in the simulator, payload by payload."""
    quantised = network(square)
    expected = evaluate(quantised, {"x": X})
    assert len(np.unique(expected["h"])) > 5
    spiking = ToExact(**setting)(quantised)
    assert is_exact(spiking)
    bound = settling_bound(spiking)
    steps = max(1, bound - latency(spiking))
    trace = run(spiking, {"x": X}, steps)
    np.testing.assert_array_equal(trace.outputs["y"][-1], expected["y"])
    result = NumpyBackend().lower(spiking, steps).run({"x": X}, record=True)
    for name in ("f", "g", "h"):
        np.testing.assert_array_equal(result.spikes[name].swapaxes(0, 1), trace.spikes[name])
        np.testing.assert_array_equal(trace.spikes[name].sum(axis=0), expected[name])
    np.testing.assert_array_equal(result.decoded["y"][:, -1], expected["y"].astype(np.float32))
    assert result.settled is not None
    assert np.all(result.settled <= bound)


payloads = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12)


@given(payloads)
def test_currents_always_sum_to_the_product_of_the_sums(events: list[tuple[int, int]]) -> None:
    node = Product(name="p", inputs=("x", "y"))
    state: dict[str, Array] = {}
    total = np.zeros((1, 1), np.int64)
    for t, pair in enumerate(events, start=1):
        total = total + step(node, [np.array([[value]]) for value in pair], state, t)
        x, y = np.sum(events[:t], axis=0)
        assert total == x * y


def test_an_event_is_one_operation_at_each_product() -> None:
    spiking = ToExact(1)(network())
    steps = settling_bound(spiking)
    result = NumpyBackend().lower(spiking, steps).run({"x": X}, record=True)
    events = {name: np.count_nonzero(sent, axis=2) for name, sent in result.spikes.items()}
    for name, factors in (("fg", "fg"), ("gh", "gh")):
        wanted = events[factors[0]] + events[factors[1]]
        np.testing.assert_array_equal(result.activity[name].synops, wanted)
    total = total_activity(spiking, result.activity)
    np.testing.assert_array_equal(total.synops, events["f"] + 2 * events["g"] + events["h"])


def test_bounds() -> None:
    spiking = ToExact(1)(network())
    ends = accumulated_bounds(spiking, "fg")
    assert [int(end.item()) for end in ends] == [-7 * 15, 8 * 15]
    assert [int(end.item()) for end in current_bounds(spiking, "fg")] == [-15 * 15, 15 * 15]
    assert depths(spiking)["fg"] == depths(spiking)["f"] + 1


def test_it_is_stored() -> None:
    spiking = ToExact(15)(network())
    again = from_document(*to_document(spiking))
    first, second = (run(graph, {"x": X}, 4).outputs["y"] for graph in (spiking, again))
    np.testing.assert_array_equal(first, second)


SMALL = TensorType((3,), Signal.INTEGER, (0, 7))


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ((SMALL, TensorType((4,), Signal.INTEGER, (0, 7))), "cannot multiply"),
        ((SMALL, TensorType((3,))), "cannot multiply"),
        ((SMALL, TensorType((3,), Signal.INTEGER)), "multiplies quantised values"),
        ((SMALL, TensorType((3,), Signal.CURRENT)), "needs real, integer or spikes"),
        ((SMALL,), "reads 1 edges"),
    ],
)
def test_what_cannot_be_multiplied(factors: tuple[TensorType, ...], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        Product(name="p", inputs=("x", "y")[: len(factors)]).infer(*factors)


def test_the_types_of_products() -> None:
    node, spikes = Product(name="p", inputs=("x", "y")), TensorType((3,), Signal.SPIKES, (-1, 1))
    assert node.infer(SMALL, SMALL) == TensorType((3,), Signal.INTEGER)
    assert node.infer(spikes, spikes) == TensorType((3,), Signal.CURRENT)


def test_a_target_without_products_refuses_by_name() -> None:
    with pytest.raises(DesignRuleError, match="fg: Product cannot run on target lava"):
        get_backend("lava").lower(ToExact(1)(network()), 4)
