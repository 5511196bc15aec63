"""ONNX models that ask for too much, or are nonsense in a way that onnx does not notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

node = helper.make_node
HUGE = 2**40


def model(
    nodes: list[NodeProto],
    shape: tuple[int, ...] = (4,),
    functions: list[FunctionProto] | None = None,
    opset: int = 17,
    **constants: Any,
) -> ModelProto:
    """Return a model from input x to output y with initializers."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    output.type.tensor_type.shape.SetInParent()
    tensors = [
        c if isinstance(c, TensorProto) else numpy_helper.from_array(np.asarray(c), name)
        for name, c in constants.items()
    ]
    graph = helper.make_graph(nodes, "g", [value], [output], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("l", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=functions or [])
    made.ir_version = 8
    return made


def constant(*nodes: NodeProto, **constants: Any) -> ModelProto:
    """Return a model that adds a constant c, which nodes compute, to its input."""
    last = [node("Cast", ["c"], ["real"], to=1), node("ReduceMax", ["real"], ["m"], keepdims=0)]
    return model([*nodes, *last, node("Add", ["x", "m"], ["y"])], **constants)


def image(operator: str, weight: Any = None, **attributes: Any) -> ModelProto:
    """Return a model of one operator that reads an image of 2 x 8 x 8."""
    given = {} if weight is None else {"w": weight}
    return model([node(operator, ["x", *given], ["y"], **attributes)], (2, 8, 8), **given)


def calls(name: str, *callees: str) -> FunctionProto:
    """Return a function that calls others one after the other."""
    values = ["a", *(f"v{i}" for i in range(len(callees) - 1)), "b"]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("l", 1)]
    nodes = [
        node(callee, [values[i]], [values[i + 1]], domain="" if callee == "Relu" else "l")
        for i, callee in enumerate(callees)
    ]
    return helper.make_function("l", name, ["a"], ["b"], nodes, opsets)


def calling(*functions: FunctionProto) -> ModelProto:
    """Return a model that calls the first of some functions."""
    return model([node(functions[0].name, ["x"], ["y"], domain="l")], functions=list(functions))


def claiming(*dims: int, **fields: Any) -> TensorProto:
    """Return a tensor that says it is larger than it is."""
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, **fields)


def nested(depth: int) -> GraphProto:
    """Return a graph inside nodes inside graphs."""
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    inner = node("Relu", ["x"], ["o"])
    if depth:
        body = nested(depth - 1)
        inner = node("If", ["t"], ["o"], then_branch=body, else_branch=body)
    return helper.make_graph([inner], "inside", [], [output])


def concats(count: int) -> list[NodeProto]:
    """Return nodes each of which doubles a constant."""
    names = ["one", *(f"d{i}" for i in range(count - 1)), "c"]
    return [node("Concat", [names[i]] * 2, [names[i + 1]], axis=0) for i in range(count)]


ONES, WHOLE = np.ones((2, 2, 3, 3), np.float32), np.ones(1, np.int64)
BODY = helper.make_graph(
    [node("Add", ["s", "e"], ["s2"]), node("Identity", ["s2"], ["o"])],
    "body",
    [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "se"],
    [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("s2", "o")],
)


def nan(array: Any) -> Any:
    """Return an array with a NaN in it."""
    array = np.array(array, np.float32)
    array.flat[0] = np.nan
    return array


HOSTILE: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "recursive function": (lambda: calling(calls("f", "f")), "call themselves"),
    "mutual recursion": (lambda: calling(calls("f", "g"), calls("g", "f")), "call themselves"),
    "exponential functions": (
        lambda: calling(
            *(calls(f"f{i}", f"f{i + 1}", f"f{i + 1}") for i in range(40)), calls("f40", "Relu")
        ),
        "more than 100000 nodes",
    ),
    "exponential graphs": (
        lambda: model(
            [node("If", ["x"], ["y"], then_branch=nested(9), else_branch=nested(9))], t=True
        ),
        "If.*depends on data",
    ),
    "cycle": (
        lambda: model(
            [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Neg", ["b"], ["y"])]
        ),
        "topologically sorted",
    ),
    "loop of one": (lambda: model([node("Add", ["x", "y"], ["y"])]), "topologically sorted"),
    "ConstantOfShape": (
        lambda: constant(node("ConstantOfShape", ["s"], ["c"]), s=[HUGE]),
        "elements",
    ),
    "product overflow": (
        lambda: constant(node("ConstantOfShape", ["s"], ["c"]), s=[2**32, 2**32]),
        "18446744073709551616 elements",
    ),
    "Expand": (lambda: constant(node("Expand", ["o", "s"], ["c"]), o=WHOLE, s=[HUGE]), "elements"),
    "Tile": (lambda: constant(node("Tile", ["o", "s"], ["c"]), o=WHOLE, s=[HUGE]), "elements"),
    "Range": (
        lambda: constant(node("Range", ["z", "h", "o"], ["c"]), z=0, h=2**60, o=1),
        "elements",
    ),
    "Range of step 0": (lambda: constant(node("Range", ["z", "h", "z"], ["c"]), z=0, h=9), "c"),
    "Pad": (lambda: constant(node("Pad", ["o", "s"], ["c"]), o=WHOLE, s=[0, HUGE]), "elements"),
    "doubling": (lambda: constant(*concats(50), one=WHOLE), "elements"),
    "slow product": (
        lambda: constant(
            node("Expand", ["o", "s"], ["e"]),
            node("MatMul", ["e", "e"], ["c"]),
            o=WHOLE,
            s=[3000, 3000],
        ),
        "too long",
    ),
    "slow sums": (
        lambda: constant(
            node("ConstantOfShape", ["s"], ["e"]),
            *(node("ReduceSum", ["e"], [f"r{i}"]) for i in range(200)),
            node("Sum", [f"r{i}" for i in range(200)], ["c"]),
            s=[2**24],
        ),
        "elements|too long",
    ),
    "huge input": (lambda: model([node("Relu", ["x"], ["y"])], (2**62,) * 3), "one sample has"),
    "huge window": (
        lambda: image("MaxPool", kernel_shape=[2**31] * 2, pads=[2**30] * 4),
        "numbers",
    ),
    "huge padding": (lambda: image("Conv", ONES, pads=[HUGE] * 4), "numbers for one sample"),
    "huge padding and stride": (
        lambda: image("Conv", ONES, pads=[HUGE] * 4, strides=[HUGE] * 2),
        "numbers for one sample",
    ),
    "huge stride": (
        lambda: image("MaxPool", kernel_shape=[2, 2], strides=[2**63 - 1, 1]),
        "numbers",
    ),
    "huge dilation": (lambda: image("Conv", ONES, dilations=[2**62] * 2), "window"),
    "stride 0": (lambda: image("Conv", ONES, strides=[0, 0]), "strides"),
    "negative kernel": (lambda: image("MaxPool", kernel_shape=[-2, 2]), "kernel_shape"),
    "group 0": (lambda: image("Conv", ONES, group=0), "group=0"),
    "huge group": (lambda: image("Conv", ONES, group=2**62), "groups"),
    "kernel of size 0": (lambda: image("Conv", np.ones((2, 2, 0, 0), np.float32)), "weight"),
    "no output channels": (lambda: image("Conv", np.ones((0, 2, 3, 3), np.float32)), "weight"),
    "huge scale": (
        lambda: model(
            [node("Resize", ["x", "", "s"], ["y"])],
            (2, 8, 8),
            s=np.array([1, 1, 1e9, 1e9], np.float32),
        ),
        "enlarges|numbers",
    ),
    "reshape": (
        lambda: model([node("Reshape", ["x", "s"], ["y"])], s=[-1, 2**62, 2**62]),
        "Reshape",
    ),
    "size 0 inside": (lambda: model([node("Reshape", ["x", "s"], ["y"])], s=[-1, 0, 0]), "Reshape"),
    "claimed size": (
        lambda: model(
            [node("MatMul", ["x", "w"], ["y"])], w=claiming(HUGE, HUGE, raw_data=b"1234")
        ),
        "cannot be read",
    ),
    "claimed size without data": (
        lambda: model([node("MatMul", ["x", "w"], ["y"])], w=claiming(HUGE, HUGE)),
        "cannot be read",
    ),
    "negative size": (
        lambda: model([node("MatMul", ["x", "w"], ["y"])], w=claiming(-4, -4, raw_data=b"1234")),
        "Negative dimension",
    ),
    "a thousand axes": (
        lambda: model([node("Add", ["x", "w"], ["y"])], w=claiming(*[1] * 1000, float_data=[1])),
        "cannot be read",
    ),
    "NaN weight": (
        lambda: model([node("MatMul", ["x", "w"], ["y"], name="fc1")], w=nan(np.ones((4, 4)))),
        "^fc1: operator MatMul: its weight has NaN or infinity",
    ),
    "infinite bias": (
        lambda: model(
            [node("Add", ["x", "w"], ["y"], name="last")], w=np.full(4, np.inf, np.float32)
        ),
        "^last: operator Add: its shift has NaN or infinity",
    ),
    "value without data": (
        lambda: constant(
            node(
                "ConstantOfShape",
                ["s"],
                ["c"],
                value=TensorProto(data_type=TensorProto.FLOAT, dims=[1], raw_data=bytes(8)),
            ),
            s=[4],
        ),
        "its value cannot be read",
    ),
    "condition of another shape": (
        lambda: constant(
            node("Where", ["t", "u", "x"], ["c"]), t=np.array([True] * 4), u=np.ones((5, 3, 3))
        ),
        "does not fit",
    ),
    "NaN slope": (lambda: model([node("LeakyRelu", ["x"], ["y"], alpha=float("nan"))]), "has NaN"),
    "long name": (
        lambda: model([node("Relu", ["x"], ["n" * 70000]), node("Neg", ["n" * 70000], ["y"])]),
        "70000 characters",
    ),
    "duplicate weight": (
        lambda: model(
            [node("Add", ["x", "w"], ["y"])],
            **dict.fromkeys("uv", claiming(1, float_data=[1])),
        ),
        "not unique",
    ),
    "constant without a value": (
        lambda: model([node("Constant", [], ["c"]), node("Add", ["x", "c"], ["y"])]),
        "value",
    ),
    "Einsum that hangs onnx": (
        lambda: model([node("Einsum", ["x"], ["y"], equation="....")]),
        "equation",
    ),
    "huge Scan": (
        lambda: model(
            [node("Scan", ["i", "x"], ["f", "y"], body=BODY, num_scan_inputs=HUGE)],
            (3, 4),
            i=np.zeros(4, np.float32),
        ),
        "num_scan_inputs",
    ),
}
"""For each attack what makes the model, and what the error must say."""
