"""Attacks on operators that move, resize, split and reduce: see ``hostile_models``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from tests.hostile_models import HUGE, ONES, constant, image, model, nan, node

NAN, INF = float("nan"), float("inf")


def whole(*numbers: int) -> Any:
    """Return a list of integers."""
    return np.array(numbers, np.int64)


def text(*words: str) -> TensorProto:
    """Return a list of texts."""
    data = [word.encode() for word in words]
    return TensorProto(name="c0", data_type=TensorProto.STRING, dims=[len(data)], string_data=data)


def reads(
    operator: str, *inputs: Any, shape: tuple[int, ...] = (4,), **attributes: Any
) -> ModelProto:
    """Return a model of one operator whose further inputs are constant; None leaves one out."""
    opset = attributes.pop("opset", 17)
    names = ["" if value is None else f"c{index}" for index, value in enumerate(inputs)]
    given = {name: value for name, value in zip(names, inputs, strict=True) if name}
    return model([node(operator, ["x", *names], ["y"], **attributes)], shape, opset=opset, **given)


def vanished() -> ModelProto:
    """Return a model that slices what a Pad took away and more: onnx aborts at its shapes."""
    less = node("Pad", ["x", "pads"], ["a"])
    slices = node("Slice", ["a", "begin", "end", "axis", "step"], ["y"])
    lists = {"begin": whole(9), "end": whole(-9), "axis": whole(1), "step": whole(-1)}
    return model([less, slices], pads=whole(0, -9, 0, 0), **lists)


def many(operator: str, *before: str, number: int = 1, count: int = 2**27) -> ModelProto:
    """Return a model of an operator that reads a list of far too many numbers."""
    value = helper.make_tensor("v", TensorProto.INT64, [1], [number])
    listed = node("ConstantOfShape", ["n"], ["c"], value=value)
    return model([listed, node(operator, ["x", *before, "c"], ["y"])], n=whole(count))


def spread(operator: str, shape: tuple[int, ...], *weight: int, **attributes: Any) -> ModelProto:
    """Return a model that reads a weight of zeros, of which the file has the shape only."""
    zeros = node("ConstantOfShape", ["n"], ["w"])
    return model([zeros, node(operator, ["x", "w"], ["y"], **attributes)], shape, n=whole(*weight))


def shared(count: int) -> ModelProto:
    """Return a model whose nodes all read one large weight."""
    names = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    nodes = [node("MatMul", [names[i], "w"], [names[i + 1]]) for i in range(count)]
    zeros = node("ConstantOfShape", ["n"], ["w"])
    return model([zeros, *nodes], (2**13,), n=whole(2**13, 2**13))


def doubled(name: str, count: int) -> list[NodeProto]:
    """Return nodes each of which joins a value with itself."""
    names = [name, *(f"v{index}" for index in range(count))]
    return [node("Concat", [names[i]] * 2, [names[i + 1]], axis=1) for i in range(count)]


def volume(*weight: int, shape: tuple[int, ...] = (1, 4, 4, 4), **attributes: Any) -> ModelProto:
    """Return a model of a three-dimensional convolution."""
    return reads("Conv", np.ones(weight, np.float32), shape=shape, **attributes)


def resized(*factors: float, shape: tuple[int, ...] = (2, 8, 8), **attributes: Any) -> ModelProto:
    return reads("Resize", None, np.array([1, *factors], np.float32), shape=shape, **attributes)


def sized(*sizes: int, shape: tuple[int, ...] = (2, 8, 8), **attributes: Any) -> ModelProto:
    return reads("Resize", None, None, whole(1, *sizes), shape=shape, **attributes)


CUBE = (1, 1, 3, 3, 3)
LARGE = (1, 2**13, 2**13)
MOVES: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "Split into 2^40": (
        lambda: reads("Split", axis=1, num_outputs=HUGE, opset=18),
        "num_outputs=1099511627776, but it has 1",
    ),
    "Split into 0": (lambda: reads("Split", axis=1, num_outputs=0, opset=18), "num_outputs=0"),
    "Tile 2^40 times": (lambda: reads("Tile", whole(1, HUGE)), "makes 4398046511104 values"),
    "Tile of many numbers": (lambda: many("Tile"), "lists 134217728 integers"),
    "Expand to 2^40": (lambda: reads("Expand", whole(1, HUGE), shape=(1,)), "makes 1099511627776"),
    "Expand to many axes": (lambda: many("Expand"), "lists 134217728 integers"),
    "Reshape to many axes": (lambda: many("Reshape"), "lists 134217728 integers"),
    "Reshape to NaN": (lambda: reads("Reshape", nan(np.ones(2))), "not a list of integers"),
    "Reshape to text": (
        lambda: reads("Reshape", text("a", "b")),
        "holds text",
    ),
    "Pad by 2^40": (lambda: reads("Pad", whole(0, HUGE, 0, 0)), "makes 1099511627780 values"),
    "Pad by 2^63": (lambda: reads("Pad", whole(0, -(2**63), 0, 2**63 - 1)), "values of each"),
    "Pad of many numbers": (lambda: many("Pad"), "lists 134217728 integers"),
    "Pad with NaN": (
        lambda: reads("Pad", whole(0, 1, 0, 1), np.array(NAN, np.float32)),
        "NaN or infinity",
    ),
    "Slice of step 0": (
        lambda: reads("Slice", whole(0), whole(9), whole(1), whole(0)),
        "bounds that do not belong together",
    ),
    "Slice of less than nothing": (vanished, "pads 4 places by -9"),
    "Slice of axis 2^62": (lambda: reads("Slice", whole(0), whole(9), whole(2**62)), "axis=4611"),
    "Gather out of range": (lambda: reads("Gather", whole(2**62), axis=1), "4 values do not have"),
    "Gather beyond int64": (
        lambda: reads("Gather", np.array([2**63 + 1], np.uint64), axis=1),
        "4 values do not have",
    ),
    "Unsqueeze of many axes": (lambda: many("Unsqueeze", count=2**20), "lists 1048576 integers"),
    "Unsqueeze to 101 axes": (lambda: reads("Unsqueeze", np.arange(1, 101)), "has 101 axes"),
    "an input of 30 axes": (lambda: reads("Relu", shape=(1,) * 29), "has 30 axes, more than 24"),
    "ReduceSum twice": (lambda: reads("ReduceSum", whole(1, 1)), "axes .1, 1. of 2"),
    "ReduceSum of axis 2^62": (
        lambda: reads("ReduceSum", whole(2**62)),
        "axes .4611",
    ),
    "Resize to 2^40": (lambda: sized(2, HUGE, 8), "enlarges"),
    "Resize of a large image": (
        lambda: sized(1, 2**31, 2**10, shape=LARGE),
        "2199023255552",
    ),
    "Resize, linear, of a long line": (
        lambda: sized(1, 1, 2**14, shape=(1, 1, 2**13), mode="linear"),
        "mixes 8192 places to 16384",
    ),
    "Resize by NaN": (lambda: resized(1, NAN, 1), "enlarges by"),
    "Resize by infinity": (lambda: resized(1, INF, 1), "enlarges by"),
    "Resize by 0": (lambda: resized(1, 0, 1), "enlarges by"),
    "Resize by almost 0": (lambda: resized(1, 1e-45, 1), "resizes to"),
    "Resize by many": (lambda: many("Resize", ""), "factors"),
    "ConvTranspose, huge stride": (
        lambda: image("ConvTranspose", ONES, strides=[HUGE, 1]),
        "values of each sample",
    ),
    "ConvTranspose, huge dilation": (
        lambda: image("ConvTranspose", ONES, dilations=[HUGE, 1]),
        "values of each sample",
    ),
    "ConvTranspose, all cut off": (
        lambda: image("ConvTranspose", ONES, pads=[12] * 4),
        "cuts off all it computes",
    ),
    "ConvTranspose, huge output": (
        lambda: image("ConvTranspose", ONES, output_shape=[HUGE] * 2),
        "numbers for one sample",
    ),
    "3-D, deep kernel": (
        lambda: spread("Conv", (1, 1, 1, 1), 1, 1, 2**20, 1, 1, pads=[2**25, 0, 0, 0, 0, 0]),
        "frames of 1",
    ),
    "3-D, huge padding": (lambda: volume(*CUBE, pads=[HUGE] * 6), "frames of 4"),
    "3-D, too many weights": (
        lambda: spread("Conv", (64, 64, 8, 8), 64, 64, 3, 3, 3),
        "2-D convolution of 146276352 weights",
    ),
    "3-D, huge dilation": (lambda: volume(*CUBE, dilations=[2**62] * 3), "2-D convolution of -"),
    "3-D, stride 0": (lambda: volume(*CUBE, strides=[0] * 3), "no window of three axes"),
    "3-D pool, huge window": (
        lambda: reads("MaxPool", kernel_shape=[HUGE] * 3, shape=(1, 4, 4, 4)),
        "does not fit into 4",
    ),
    "3-D pool, huge padding": (
        lambda: reads("MaxPool", kernel_shape=[2] * 3, pads=[HUGE] * 6, shape=(1, 4, 4, 4)),
        "holds whole windows",
    ),
    "one weight for 40 layers": (lambda: shared(40), "many times the numbers of the file"),
    "Elu, NaN": (lambda: reads("Elu", alpha=NAN), "alpha=nan is not finite"),
    "Celu, infinity": (lambda: reads("Celu", alpha=INF), "NaN or infinity"),
    "Selu, NaN": (lambda: reads("Selu", gamma=NAN), "NaN or infinity"),
    "PRelu, NaN": (lambda: reads("PRelu", nan(np.ones(4))), "NaN or infinity"),
    "DepthToSpace, 2^62": (lambda: image("DepthToSpace", blocksize=2**62), "blocksize=4611686"),
    "SpaceToDepth, 2^62": (lambda: image("SpaceToDepth", blocksize=2**62), "blocksize=4611686"),
    "Pow, NaN": (lambda: reads("Pow", np.array(NAN, np.float32)), "has an exponent"),
    "Pow, text": (
        lambda: reads("Pow", text("two")),
        "holds text",
    ),
    "Where, outer product": (
        lambda: model(
            [node("Where", ["c", "x", "d"], ["y"])],
            c=np.ones((2**14, 1, 1), bool),
            d=np.ones((1, 2**14, 4), np.float32),
        ),
        "makes .4,. larger",
    ),
    "Where of constants, outer product": (
        lambda: constant(
            node("Where", ["t", "u", "v"], ["c"]),
            t=np.ones((2**14, 1), bool),
            u=np.ones((1, 2**14), np.float32),
            v=np.ones((1, 2**14), np.float32),
        ),
        "elements",
    ),
    "Max with an outer product": (
        lambda: spread("Max", (1,), 1, 2**27),
        "makes 134217728 values of each sample",
    ),
    "QLinearConcat of nothing": (
        lambda: model(
            [
                node("QuantizeLinear", ["x", "s", "z"], ["q"]),
                node("QLinearConcat", ["s", "z"], ["c"], domain="com.microsoft", axis=1),
                node("Concat", ["c", "q"], ["y"], axis=1),
            ],
            s=np.array(1, np.float32),
            z=np.array(0, np.uint8),
        ),
        "joins nothing",
    ),
    "Concat of itself": (
        lambda: model(
            [
                node(
                    "Concat", [f"v{i}" if i else "x"] * 2, [f"v{i + 1}" if i < 59 else "y"], axis=1
                )
                for i in range(60)
            ]
        ),
        "numbers for one sample",
    ),
}
"""For each attack what makes the model, and what the error must say."""
