"""What ``Gather`` computes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.ir import Gather, Graph, Input, Signal, TensorType
from snnc.ir.errors import ShapeError
from snnc.ir.reference import evaluate
from snnc.ir.storage import from_document, to_document

SHAPE = (2, 3, 4)


def gathered(axis: int, places: list[int]) -> Graph:
    node = Gather(name="y", inputs=("x",), axis=axis, places=np.array(places, np.int64))
    return Graph([Input(name="x", type=TensorType(SHAPE)), node], {"y": "y"})


@given(st.data())
def test_every_value_is_where_its_place_says(data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, 2))
    places = data.draw(st.lists(st.integers(-1, SHAPE[axis] - 1), min_size=1, max_size=6))
    graph = gathered(axis, places)
    graph = from_document(*to_document(graph))
    x = np.arange(48.0).reshape(2, *SHAPE) + 1
    y = evaluate(graph, {"x": x})["y"]
    for index, place in enumerate(places):
        wanted = x.take(place, 1 + axis) if place >= 0 else 0
        assert np.all(y.take(index, 1 + axis) == wanted)


def test_a_blank_place_sends_nothing() -> None:
    node = Gather(name="y", inputs=("x",), axis=0, places=np.array([0, -1]))
    type = node.infer(TensorType((1, 2), Signal.SPIKES, (1, 3)))
    assert (type.shape, type.payload) == ((2, 2), (0, 3))


@pytest.mark.parametrize(("axis", "places"), [(3, [0]), (0, [2]), (0, [-2]), (1, [])])
def test_refused(axis: int, places: list[int]) -> None:
    with pytest.raises(ShapeError):
        gathered(axis, places)
