"""What is seen of an ANN's activations: the values on a grid, and the largest of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.backends.onnx_runtime import Activations
from snnc.ir import Affine, Clip, Graph, Input, TensorType
from snnc.ir.reference import evaluate

SIZES = {1: (23,), 2: (11, 14), 3: (5, 6, 7)}


def network(axes: int, **clip: Any) -> Graph:
    rng = np.random.default_rng(axes)
    own = (5, *[1] * axes)
    nodes = (
        Input(name="x", type=TensorType((5, *SIZES[axes]))),
        Affine(name="sum", inputs=("x",), scale=rng.normal(size=own), shift=rng.normal(size=own)),
        Clip(name="clip", inputs=("sum",), **clip),
        Affine(name="scaled", inputs=("clip",), scale=np.array(-2.0), shift=np.array(0.1)),
    )
    return Graph(nodes, {"y": "scaled", "clip": "clip"})


@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("low", [0.0, -0.5, -np.inf])
@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (4, 1), (7, 2), (4, 3)])
def test_parts_are_those_of_the_activations(
    axes: int, low: float, batch: int, workers: int
) -> None:
    graph = network(axes, low=low)
    strides = (3, 2, 2)[:axes]
    x = np.random.default_rng(7).normal(size=(7, 5, *SIZES[axes])).astype(np.float32)
    grids = {"sum": strides, "clip": strides, "scaled": (1,) * axes}
    activations = Activations(graph, grids, workers=workers)
    expected = evaluate(graph, {"x": x})
    on_grid = (slice(None), slice(None), *(slice(None, None, stride) for stride in strides))
    at = 0
    for seen, outputs in activations.stream({"x": x}, batch=batch):
        here = slice(at, at + len(outputs["y"]))
        for name in ("sum", "clip"):
            whole = expected[name][here]
            np.testing.assert_allclose(seen[name].values, whole[on_grid], rtol=1e-4, atol=1e-5)
            most = np.abs(whole).max(axis=tuple(range(2, 2 + axes)))
            assert seen[name].largest == pytest.approx(most, rel=1e-4)
        assert seen["scaled"].largest is None
        for name, output in (("scaled", seen["scaled"].values), *outputs.items()):
            node = graph.outputs.get(name, name)
            np.testing.assert_allclose(output, expected[node][here], rtol=1e-4, atol=1e-5)
        at = here.stop
    assert at == 7


def test_what_is_not_seen_takes_no_memory() -> None:
    graph = network(2)
    whole = Activations(graph, {"sum": (1, 1), "clip": (1, 1)}).sample_bytes
    assert whole == 4 * 5 * 11 * 14 * 3  # two outputs, and sum
    assert Activations(graph, {"sum": (4, 4)}).sample_bytes == 4 * 5 * (2 * 11 * 14 + 3 * 4 + 2)


def test_names_that_are_taken_do_no_harm() -> None:
    nodes = list(network(2))
    relu = Clip(name="clip.MaxPool", inputs=("scaled",))
    graph = Graph((*nodes, relu), {"clip.GlobalMaxPool": "clip.MaxPool"})
    x = np.ones((1, 5, 11, 14), np.float32)
    (found,) = Activations(graph, {"clip": (4, 4), "clip.MaxPool": (5, 5)}).stream(
        {"x": x}, batch=1
    )
    assert found[0]["clip"].values.shape == (1, 5, 3, 4)
    assert found[1]["clip.GlobalMaxPool"].shape == (1, 5, 11, 14)
