"""Loops whose trips are known are written out as ONNX Runtime computes them; others are refused."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest

import snnc
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.onnx_import import loop as limits
from snnc.ir import Linear
from snnc.ir.errors import ModelError, UnsupportedOperatorError
from snnc.ir.reference import evaluate
from tests.compiler.onnx_import.conftest import Build, Check, Save, assert_close, original

RNG = np.random.default_rng(11)
X = "float[N,7,4] x"
WEIGHTS = {
    "w": RNG.normal(size=(4, 5)),
    "u": RNG.normal(size=(5, 5)) * 0.4,
    "v": RNG.normal(size=(9, 5)) * 0.4,
    "b": RNG.normal(size=5),
    "start": np.zeros((1, 5)),
    "ramp": np.arange(5.0)[None],
}
INTEGERS = {"seven": 7, "three": 3, "zero": 0, "one": 1, "wide": [5], "most": 2**62}
CONSTANTS = {
    **{name: np.array(value, np.int64) for name, value in INTEGERS.items()},
    "yes": np.array(True),
    "no": np.array(False),
    **WEIGHTS,
}

STATE = "float[N,5] h"
HEAD = "d = Shape<start=0, end=1>(x)  z = Concat<axis=0>(d, wide)  rest = ConstantOfShape(z)"
CELL = "e = Gather<axis=1>(x, i) a = MatMul(e, w) r = MatMul(h, u) s = Add(a, r) n = Relu(s)"


def loop(
    body: str = CELL,
    *,
    head: str = HEAD,
    trips: str = "seven",
    condition: str = "yes",
    states: tuple[str, ...] = ("rest",),
    inside: str = STATE,
    given: str = "n",
    shapes: str = "",
    outputs: str = "y",
    tail: str = "",
) -> str:
    """Return the text of a Loop whose body hands its condition on."""
    read = ", ".join((trips, condition, *states))
    signature = ", ".join(filter(None, ("int64 i", "bool c", inside)))
    real = f"float[{shapes}]" if shapes else "float"
    results = ", ".join(("bool go", *(f"{real} {name}" for name in given.split())))
    go = "" if " go =" in f" {body}" else "go = Identity(c)"
    return (
        f"{head} {outputs} = Loop({read}) <body = b ({signature}) => ({results}) "
        f"{{ {body} {go} }}> {tail}"
    )


LOOPS = {
    "cell": loop(),
    "length of the input": loop(
        head=f"{HEAD} s1 = Shape(x) length = Gather<axis=0>(s1, one)", trips="length"
    ),
    "state beside the input": loop(
        "e = Gather<axis=1>(x, i) j = Concat<axis=1>(e, h) s = MatMul(j, v) n = Tanh(s)"
    ),
    "state that is not zero": loop(head=f"{HEAD} begin = Add(rest, ramp)", states=("begin",)),
    "constant beside the input": loop(
        "e = Gather<axis=1>(x, i) j = Concat<axis=1>(h, e) s = MatMul(j, v) n = Relu(s)",
        head=f"{HEAD} begin = Add(rest, ramp)",
        states=("begin",),
    ),
    "no trip": loop(
        "s = MatMul(h, u) n = Relu(s)",
        head="f = ReduceMean<axes=[1], keepdims=0>(x) g = MatMul(f, w)",
        trips="zero",
        states=("g",),
        tail="",
    ),
    "condition that is false": loop(
        "s = MatMul(h, u) n = Relu(s)",
        head="f = ReduceMean<axes=[1], keepdims=0>(x) g = MatMul(f, w)",
        condition="no",
        states=("g",),
    ),
    "no number of trips": loop(f"{CELL} t = Add(i, one) go = Less(t, three)", trips=""),
    "until the condition": loop(f"{CELL} t = Add(i, one) go = Less(t, three)", trips="most"),
    "nothing but the number": loop(condition=""),
    "several states": loop(
        "e = Gather<axis=1>(x, i) a = MatMul(e, w) s = Add(a, g) n = Relu(s)",
        states=("rest", "rest"),
        inside="float[N,5] h, float[N,5] g",
        given="n h",
        outputs="p, q",
        tail="y = Add(p, q)",
    ),
    "what is written": loop(
        given="n s", shapes="N,5", outputs="last, all", tail="y = Transpose<perm=[1,2,0]>(all)"
    ),
    "one of what is written": loop(
        given="n s", outputs="last, all", tail="f = Gather<axis=0>(all, three) y = Relu(f)"
    ),
    "the number is written": loop(
        f"{CELL} f = Cast<to=1>(i)",
        given="n f",
        outputs="last, all",
        tail="f2 = ReduceSum(all) y = Mul(last, f2)",
    ),
    "loop in a loop": loop(
        "k = Loop(three, yes, h) <body = inner (int64 j, bool c2, float[N,5] h2) => "
        "(bool go2, float n2) { e = Gather<axis=1>(x, i) a = MatMul(e, w) r = MatMul(h2, u) "
        "s = Add(a, r) n2 = Relu(s) go2 = Identity(c2) }> n = Add(k, b)",
    ),
    "list": (
        "empty = SequenceEmpty<dtype=1>() "
        + loop(
            "e = Gather<axis=1>(x, i) a = MatMul(e, w) o = SequenceInsert(h, a)",
            head="",
            states=("empty",),
            inside="seq(float) h",
            outputs="filled",
            tail="y = ConcatFromSequence<axis=2, new_axis=1>(filled)",
        )
        .replace("float o", "seq(float) o")
        .replace("float n", "seq(float) o")
    ),
}


LISTS = {
    "parts": "q = SplitToSequence<axis=1>(x, parts) a = SequenceAt(q, one) y = Relu(a)",
    "even parts": "q = SplitToSequence<axis=1>(x, three) a = SequenceAt(q, last) y = Relu(a)",
    "each": "q = SplitToSequence<axis=1,keepdims=0>(x) a = SequenceAt(q, three) y = Relu(a)",
    "each as torch has it": "q = SplitToSequence<axis=1,keepdims=0>(x, one) "
    "y = ConcatFromSequence<axis=1>(q)",
    "joined": "q = SplitToSequence<axis=1>(x, parts) y = ConcatFromSequence<axis=1>(q)",
    "stacked": "a = Relu(x) q = SequenceConstruct(x, a) "
    "y = ConcatFromSequence<axis=2,new_axis=1>(q)",
    "put in between": "a = Relu(x) q = SequenceConstruct(x, a) t = Add(x, a) "
    "r = SequenceInsert(q, t, one) y = ConcatFromSequence<axis=-1>(r)",
    "length": "a = Relu(x) q = SequenceConstruct(x, a, a) n = SequenceLength(q) "
    "f = Cast<to=1>(n) y = Mul(x, f)",
}


@pytest.mark.parametrize("nodes", LISTS.values(), ids=LISTS)
def test_lists_of_tensors(nodes: str, build: Build, check: Check) -> None:
    more = {"parts": np.array([2, 5]), "last": np.array(-1)}
    check(build(nodes, X, **CONSTANTS, **more))


@pytest.mark.parametrize("nodes", LOOPS.values(), ids=LOOPS)
def test_a_loop_computes_what_onnx_runtime_does(nodes: str, build: Build, check: Check) -> None:
    check(build(nodes, X, **CONSTANTS))


def test_a_scan_of_the_trips_alone(save: Save, build: Build) -> None:
    """What trips write lies on an axis before that of the batch."""
    model = build(loop(given="n s", outputs="last, y"), X, **CONSTANTS)
    with pytest.raises(ModelError, match="whole sequence"):
        load(save(model))


def test_without_a_batch_axis_the_trips_are_the_first(save: Save, build: Build) -> None:
    head = "h0 = ReduceMean<axes=[0], keepdims=0>(x)  f = MatMul(h0, w)"
    body = "e = Gather<axis=0>(x, i) a = MatMul(e, w) r = MatMul(h, u) s = Add(a, r) n = Relu(s)"
    text = loop(body, head=head, states=("f",), inside="float[5] h", given="n s")
    model = build(text.replace("y = Loop", "last, y = Loop"), "float[7,4] x", **CONSTANTS)
    imported = load(save(model))
    x = RNG.normal(size=(3, 7, 4)).astype(np.float32)
    wanted = np.stack([original(model, {"x": sample})["y"] for sample in x])
    assert imported.unbatched
    assert_close(evaluate(imported.graph, {"x": x})[imported.graph.outputs["y"]], wanted)


def test_what_no_trip_changes_is_there_once(save: Save, build: Build) -> None:
    body = f"{CELL.replace('Gather<axis=1>(x, i)', 'Gather<axis=1>(x, three)')}"
    graph = load(save(build(loop(body), X, **CONSTANTS))).graph
    # The first product of the state is constant; that of the input is the same in all trips.
    assert len(graph.of_type(Linear)) == 1 + 6


REFUSED = {
    "condition of the input": (
        loop(f"{CELL} m = ReduceMax<axes=[1], keepdims=1>(n) go = Less(m, half)"),
        "go.0: operator Less: is not supported",
    ),
    "an operator": (
        loop("e = Gather<axis=1>(x, i) a = MatMul(e, w) s = Add(a, h) n = Sin(s)"),
        "n.0: operator Sin: is not supported",
    ),
    "trips": (loop("n = Identity(h)", trips="most"), "1000 nodes when it is written out"),
    "far end": (loop("n = Add(h, b) t = Add(i, one) go = Less(t, far)", trips=""), "1000 nodes"),
    "no end": (loop("n = Identity(h)", trips="", condition=""), "1000 nodes"),
    "trips of trips": (
        loop(
            "k = Loop(many, yes, h) <body = inner (int64 j, bool c2, float[N,5] h2) => "
            "(bool go2, float n2) { n2 = Add(h2, b) go2 = Identity(c2) }> n = Identity(k)",
            trips="many",
        ),
        "1000 nodes",
    ),
    "nothing written": (
        loop(given="n s", outputs="last, all", trips="zero", tail="y = Gather<axis=0>(all, zero)"),
        "makes no trip",
    ),
    "trips left in front": (
        loop(given="n s", shapes="N,5", outputs="p, all", tail="y = Transpose<perm=[0,2,1]>(all)"),
        "leaves the batch behind the trips",
    ),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED)
def test_other_loops_are_refused(
    nodes: str, reason: str, build: Build, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_NODES", 1000)  # the time it takes is proportional to it
    more = {"many": np.array(500, np.int64), "half": np.array(0.5), "far": np.array(10**6)}
    found = examine(save(build(nodes, X, **CONSTANTS, **more))).unsupported
    assert any(reason in entry.problem.message for entry in found), found


def test_the_longest_loop_is_refused_before_it_is_written_out(save: Save, build: Build) -> None:
    path = save(build(loop("n = Identity(h)", trips="most"), X, **CONSTANTS))
    began = time.process_time()
    (entry,) = examine(path).unsupported
    assert time.process_time() - began < 3
    assert f"{limits.MOST_NODES} nodes when it is written out" in entry.reason


def test_a_model_with_such_a_loop_spikes(save: Save, build: Build) -> None:
    tail = "y = MatMul(last, u)"
    path = save(build(loop(outputs="last", tail=tail), X, **CONSTANTS))
    x = RNG.normal(size=(64, 7, 4)).astype(np.float32)
    network = snnc.compile(path, calibration=x, timesteps=64)
    wanted = original(onnx.load(path), {"x": x})["y"]
    error = np.linalg.norm(network.run(x).outputs - wanted) / np.linalg.norm(wanted)
    assert error < 0.1


def test_the_host_is_told_what_its_loop_holds(save: Save, build: Build) -> None:
    body = "e = Gather<axis=1>(x, i) a = MatMul(e, w) s = Add(a, h) n = Sin(s)"
    tail = "q = MatMul(last, u) o = Relu(q) y = MatMul(o, u)"
    path = save(build(loop(body, outputs="last", tail=tail), X, **CONSTANTS))
    with pytest.raises(UnsupportedOperatorError, match=r"holds Sin n\.0, which is not supported"):
        snnc.compile(path, timesteps=2)
