"""Average pools whose windows are dilated or reach over the border."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from snnc.compiler.onnx_import import examine, load
from snnc.ir import AveragePool
from snnc.ir.reference import evaluate
from tests.compiler.onnx_import.conftest import Build, Save, assert_close, original

RNG = np.random.default_rng(9)
SHAPES = {2: (3, 2, 7, 9), 3: (3, 2, 5, 6, 7), 1: (3, 2, 11)}
POOLS = {
    "dilated": (2, "kernel_shape=[2,3],dilations=[2,1]"),
    "dilated, padded": (2, "kernel_shape=[2,3],dilations=[2,2],pads=[1,1,1,1],strides=[2,1]"),
    "dilated, counted": (
        2,
        "kernel_shape=[2,2],dilations=[2,2],pads=[1,0,1,1],count_include_pad=1,strides=[1,2]",
    ),
    "over the border": (
        2,
        "kernel_shape=[2,2],strides=[2,2],ceil_mode=1,count_include_pad=1",
    ),
    "over the border, padded": (
        2,
        "kernel_shape=[3,3],strides=[3,2],pads=[1,1,0,1],ceil_mode=1,count_include_pad=1",
    ),
    "line": (1, "kernel_shape=[3],dilations=[2],pads=[1,2]"),
    "volume": (3, "kernel_shape=[2,2,3],dilations=[2,1,2],pads=[1,0,1,0,1,1]"),
    "volume over the border": (
        3,
        "kernel_shape=[2,2,2],strides=[2,3,2],ceil_mode=1,count_include_pad=1",
    ),
}


@pytest.mark.parametrize(("rank", "attributes"), POOLS.values(), ids=POOLS)
def test_the_means(rank: int, attributes: str, build: Build, save: Save) -> None:
    """As the reference of onnx and ONNX Runtime have them."""
    shape = SHAPES[rank]
    text = f"float[N,{','.join(map(str, shape[1:]))}] x"
    model = build(f"y = AveragePool<{attributes}>(x)", text, opset=19)
    graph = load(save(model)).graph
    x = RNG.normal(size=shape).astype(np.float32)
    found = evaluate(graph, {"x": x})[graph.outputs["y"]]
    assert not graph.of_type(AveragePool)
    assert_close(found, original(model, {"x": x})["y"])
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert_close(found, np.asarray(wanted))


def test_windows_in_the_padding_alone_are_refused(build: Build, save: Save) -> None:
    attributes = "kernel_shape=[2,2],dilations=[1,2],pads=[2,0,0,0]"
    (entry,) = examine(save(build(f"y = AveragePool<{attributes}>(x)", opset=19))).unsupported
    assert entry.reason == "has windows that see nothing"


def test_too_many_means_are_refused(build: Build, save: Save) -> None:
    attributes = "kernel_shape=[1,2],dilations=[1,2],pads=[0,9000000,0,9000000]"
    (entry,) = examine(save(build(f"y = AveragePool<{attributes}>(x)", opset=19))).unsupported
    assert "means of 9 places" in entry.reason
