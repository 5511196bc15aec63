"""Recurrent networks: ``Scan`` computes what ONNX Runtime computes, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Input, Previous
from snnc.ir.errors import ModelError, UnsupportedOperatorError
from snnc.ir.reference import evaluate
from tests.compiler.onnx_import.conftest import assert_close, original

Save = Callable[[ModelProto], Path]

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 7, 4)).astype(np.float32)
WEIGHTS = {
    "w": RNG.normal(size=(4, 5)),
    "u": RNG.normal(size=(5, 5)) * 0.4,
    "v": RNG.normal(size=(5, 5)) * 0.4,
    "m": RNG.normal(size=(5, 2)),
    "b": RNG.normal(size=5),
    "one": np.ones(()),
    "half": np.full((), 0.5),
    "start": np.zeros((1, 5)),
    "ramp": np.arange(5.0)[None],
    "rows": np.arange(15.0).reshape(3, 5),
}
INTEGERS = {"wide": [5], "end": -1, "first": 0}


def info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def nodes(text: str) -> list[NodeProto]:
    """Return nodes given in ONNX's text form."""
    return list(
        onnx.parser.parse_graph(f"g (float[N] nothing) => (float[N] none) {{ {text} }}").node
    )


CELL = "a = MatMul(e, w)  r = MatMul(h, u)  s = Add(a, r)  c = Add(s, b)  n = Relu(c)"
REST = "d = Shape<start=0, end=1>(x)  z = Concat<axis=0>(d, wide)  rest = ConstantOfShape(z)"


def cell(text: str = CELL, outputs: tuple[str, ...] = ("n",)) -> GraphProto:
    """Return a body with state ``h`` and element ``e``."""
    results = [info(name, "N", 5) for name in outputs]
    return helper.make_graph(nodes(text), "cell", [info("h", "N", 5), info("e", "N", 4)], results)


def recurrent(
    body: GraphProto | None = None,
    *,
    before: str = REST,
    after: str = "y = MatMul(last, m)",
    inputs: tuple[str, ...] = ("rest", "x"),
    outputs: tuple[str, ...] = ("last",),
    shape: tuple[int | str, ...] = ("N", 7, 4),
    second: list[NodeProto] | None = None,
    **attributes: Any,
) -> ModelProto:
    """Return a model with a Scan between two groups of nodes."""
    axes: dict[str, Any] = {"scan_input_axes": [1]} | attributes
    scan = helper.make_node(
        "Scan",
        inputs,
        outputs,
        "loop",
        body=body or cell(),
        num_scan_inputs=1,
        **axes,
    )
    graph = helper.make_graph(
        [*nodes(before), scan, *(second or []), *nodes(after)],
        "g",
        [info("x", *shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            *(numpy_helper.from_array(w.astype(np.float32), name) for name, w in WEIGHTS.items()),
            *(numpy_helper.from_array(np.array(i), name) for name, i in INTEGERS.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.graph.output[0].type.tensor_type.shape.SetInParent()  # the checker wants some shape
    return model


def check(model: ModelProto, save: Save, x: Array = X) -> None:
    """The import, its simplified form and its export give what the file gives."""
    graph = load(save(model)).graph
    wanted = original(model, {"x": x})["y"]
    simple = run_passes(graph, SIMPLIFY)
    assert_close(evaluate(graph, {"x": x})[graph.outputs["y"]], wanted)
    assert_close(evaluate(simple, {"x": x})[simple.outputs["y"]], wanted)
    assert_close(AnnSession(simple).run({"x": x})["y"], wanted)


def test_a_state_is_carried(save: Save) -> None:
    check(recurrent(), save)


def test_the_graph_says_what_is_carried(save: Save) -> None:
    graph = load(save(recurrent())).graph
    assert graph.of_type(Input)[0].sequence == 7
    assert graph.types["x"].shape == (4,)
    assert graph.feedback == {"h": "n"}


def test_any_number_of_elements(save: Save) -> None:
    model = recurrent(shape=("N", "L", 4))
    assert load(save(model)).graph.of_type(Input)[0].sequence == 0
    check(model, save)
    check(model, save, X[:, :2])


def test_the_state_may_begin_anywhere(save: Save) -> None:
    """A constant state for one sample is that of all of them."""
    before = f"{REST}  begin = Add(rest, ramp)"
    check(recurrent(before=before, inputs=("begin", "x")), save)


def test_elements_before_the_batch_inside_the_file(save: Save) -> None:
    before = f"{REST}  t = Transpose<perm=[1, 0, 2]>(x)"
    check(recurrent(before=before, inputs=("rest", "t"), scan_input_axes=[0]), save)


def test_the_last_element_of_what_a_scan_writes(save: Save) -> None:
    body = cell(f"{CELL}  o = Add(n, a)", ("n", "o"))
    for index in ("end", "six"):
        model = recurrent(
            body,
            outputs=("last", "all"),
            after=f"l = Gather<axis=1>(all, {index})  y = MatMul(l, m)",
            scan_output_axes=[1],
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(6), "six"))
        check(model, save)


def test_two_layers_with_the_same_names_inside(save: Save) -> None:
    first = cell(f"{CELL}  o = MatMul(n, v)", ("n", "o"))
    text = "a = MatMul(e, v)  r = MatMul(h, u)  s = Add(a, r)  n = Relu(s)"
    again = helper.make_graph(
        nodes(text), "again", [info("h", "N", 5), info("e", "N", 5)], [info("n", "N", 5)]
    )
    second = helper.make_node("Scan", ["rest", "all"], ["deep"], body=again, num_scan_inputs=1)
    model = recurrent(
        first,
        outputs=("last", "all"),
        second=[second],
        after="y = MatMul(deep, m)",
        scan_output_axes=[0],
    )
    check(model, save)


def test_two_states(save: Save) -> None:
    text = "a = MatMul(e, w)  r = MatMul(h, u)  q = MatMul(k, v)  s = Sum(a, r, q)  n = Relu(s)"
    body = helper.make_graph(
        [*nodes(text), *nodes("old = Identity(h)")],
        "cell",
        [info("h", "N", 5), info("k", "N", 5), info("e", "N", 4)],
        [info("n", "N", 5), info("old", "N", 5)],
    )
    model = recurrent(body, inputs=("rest", "rest", "x"), outputs=("last", "other"))
    check(model, save)
    assert len(load(save(model)).graph.of_type(Previous)) == 2


def test_a_staircase_in_the_body(save: Save) -> None:
    """The state is a whole number of halves; SIMPLIFY gathers what is around the rounding."""
    text = (
        "a = MatMul(e, w)  r = MatMul(h, u)  s = Add(a, r)  t = Div(s, half)  f = Round(t)"
        "  l = Relu(f)  n = Mul(l, half)"
    )
    check(recurrent(cell(text)), save)


REFUSED = {
    "backward": ({"scan_input_directions": [1]}, "goes backward"),
    "time first": ({"scan_input_axes": [0]}, "scans axis 0"),
    "rows differ": ({"inputs": ("rows", "x")}, "differs from sample to sample"),
    "state from data": (
        {"before": "begin = Flatten(x)", "inputs": ("begin", "x")},
        "reads all elements of a sequence at once",
    ),
    "front": (
        {"before": f"{REST}  front = Relu(x)", "inputs": ("rest", "front")},
        "scans a value that is computed before it",
    ),
    "an element in the middle": (
        {
            "body": cell(f"{CELL}  o = Add(n, a)", ("n", "o")),
            "outputs": ("last", "all"),
            "after": "l = Gather<axis=1>(all, first)  y = MatMul(l, m)",
            "scan_output_axes": [1],
        },
        "takes apart a sequence",
    ),
    "one state more than the body has": (
        {"inputs": ("rest", "rest", "x"), "outputs": ("last", "more", "all")},
        "its body has other inputs or outputs",
    ),
    "a state without batch": (
        {"inputs": ("one", "x")},
        "its initial state has no batch axis",
    ),
    "constant state": ({"body": cell("a = MatMul(e, w)  n = Identity(ramp)")}, "does not depend"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_be_wrong_is_refused(change: dict[str, Any], reason: str, save: Save) -> None:
    path = save(recurrent(**change))
    found = examine(path).unsupported
    assert reason in " ".join(entry.reason for entry in found)
    assert all(entry.hint for entry in found)
    with pytest.raises(UnsupportedOperatorError):
        load(path)


def test_the_last_state_of_another_scan_is_no_value_of_each_element(save: Save) -> None:
    """ONNX hands the second body the state after all elements, at every element."""
    again = helper.make_graph(
        nodes("t = MatMul(k, u)  p = Add(t, last)  q = MatMul(f, w)  o = Add(p, q)"),
        "again",
        [info("k", "N", 5), info("f", "N", 4)],
        [info("o", "N", 5)],
    )
    second = helper.make_node(
        "Scan", ["rest", "x"], ["late"], body=again, num_scan_inputs=1, scan_input_axes=[1]
    )
    path = save(recurrent(second=[second], after="y = MatMul(late, m)"))
    assert "which another Scan computes" in examine(path).unsupported[0].reason


def test_a_whole_sequence_is_no_output(save: Save) -> None:
    body = cell(f"{CELL}  o = Add(n, a)", ("n", "o"))
    path = save(recurrent(body, outputs=("last", "y"), after="", scan_output_axes=[1]))
    with pytest.raises(ModelError, match="whole sequence"):
        load(path)


def test_an_operator_in_a_body_is_refused_by_name(save: Save) -> None:
    found = examine(save(recurrent(cell(CELL.replace("Relu", "Cos"))))).unsupported
    assert [entry.operator for entry in found] == ["Cos"]
