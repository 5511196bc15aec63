"""RNN, GRU and LSTM: what ONNX Runtime computes; quantised afterwards, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Previous
from snnc.ir.errors import ConversionError, OptionError
from snnc.ir.reference import evaluate
from tests.compiler.onnx_import.conftest import assert_close, original

Save = Callable[[ModelProto], Path]

WIDTH, HIDDEN = 4, 5
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
X = np.random.default_rng(2).normal(size=(12, 6, WIDTH)).astype(np.float32)


LAST = "q = Squeeze(all{}, one)  t = Transpose<perm=[1, 0, 2]>(q)  l = Gather<axis=1>(t, end)"
BEFORE = "d = Shape<start=0, end=1>(x)  z = Concat<axis=0>(one, d, wide)  h0 = Expand(c, z)"


def info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def layered(
    kind: str,
    *,
    layers: int = 1,
    state: Literal["", "h0"] = "",
    after: str = LAST,
    **attributes: Any,
) -> ModelProto:
    """Return recurrent layers with random weights, and a linear one that reads what they end with.

    Args:
        kind: The operator.
        layers: Number of layers.
        state: The state before the first element, "" for none.
        after: What makes ``l`` of the outputs of the last layer.
        attributes: Of every layer.
    """
    rng = np.random.default_rng(len(kind) + layers)
    arrays: dict[str, Array] = {
        "one": np.array([1]),
        "end": np.array(-1),
        "zero": np.array([0]),
        "m": rng.normal(size=(HIDDEN, 3)),
    }
    nodes = [helper.make_node("Transpose", ["x"], ["all0"], perm=[1, 0, 2])]
    rows, width = GATES[kind] * HIDDEN, WIDTH
    for index in range(1, layers + 1):
        if index > 1:
            nodes.append(helper.make_node("Squeeze", [f"all{index - 1}", "one"], [f"in{index}"]))
        shapes = {"W": (rows, width), "R": (rows, HIDDEN), "B": (2 * rows,)}
        arrays |= {f"{n}{index}": rng.normal(size=(1, *s)) * 0.6 for n, s in shapes.items()}
        inputs = [f"{name}{index}" for name in shapes] + ["", state]
        outputs = [f"all{index}", f"last{index}"]
        nodes.append(
            helper.make_node(
                kind,
                [f"in{index}" if index > 1 else "all0", *inputs],
                outputs,
                f"layer{index}",
                hidden_size=HIDDEN,
                **attributes,
            )
        )
        width = HIDDEN
    text = f"{after.format(layers)}  y = MatMul(l, m)"
    nodes += onnx.parser.parse_graph(f"g (float[N] n) => (float[N] o) {{ {text} }}").node
    if state:
        before = onnx.parser.parse_graph(f"g (float[N] n) => (float[N] o) {{ {BEFORE} }}").node
        nodes = [*before, *nodes]
        arrays |= {"wide": np.array([HIDDEN]), "c": rng.normal(size=(1, 1, HIDDEN))}
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", "N", 6, WIDTH)],
        [info("y", "N", 3)],
        [
            numpy_helper.from_array(a.astype(np.float32) if a.dtype.kind == "f" else a, name)
            for name, a in arrays.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


MODELS: dict[str, Callable[[], ModelProto]] = {
    "rnn": lambda: layered("RNN"),
    "rnn, relu": lambda: layered("RNN", activations=["Relu"]),
    "gru": lambda: layered("GRU"),
    "gru, linear before reset": lambda: layered("GRU", linear_before_reset=1),
    "lstm": lambda: layered("LSTM"),
    "two layers": lambda: layered("LSTM", layers=2),
    "last state": lambda: layered("GRU", after="l = Squeeze(last{}, zero)"),
    "only direction of the last state": lambda: layered("RNN", after="l = Gather(last{}, end)"),
    "begins elsewhere": lambda: layered("GRU", state="h0"),
}


@pytest.fixture(params=list(MODELS.values()), ids=list(MODELS))
def model(request: pytest.FixtureRequest) -> ModelProto:
    found: ModelProto = request.param()
    return found


def test_it_computes_what_the_file_does(model: ModelProto, save: Save) -> None:
    graph = load(save(model)).graph
    simple = run_passes(graph, SIMPLIFY)
    wanted = original(model, {"x": X})["y"]
    assert_close(evaluate(graph, {"x": X})[graph.outputs["y"]], wanted)
    assert_close(evaluate(simple, {"x": X})[simple.outputs["y"]], wanted)
    assert_close(AnnSession(simple).run({"x": X})["y"], wanted)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_it_is_quantised_around_every_gate(kind: str, save: Save) -> None:
    model = layered(kind)
    found = snnc.compile(str(save(model)), code="exact", approximate=True, calibration=X)
    assert len(found.graph.of_type(Previous)) == (2 if kind == "LSTM" else 1)
    wanted = original(model, {"x": X})["y"]
    assert np.abs(np.asarray(found.run(X).outputs) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_ranges_are_those_of_all_elements(save: Save) -> None:
    """The state is largest in the middle of a sequence."""
    model = layered("RNN", activations=["Relu"])
    x = np.array(X)
    x[:, 3:] = 0
    x[:, :3] *= 20
    found = snnc.compile(str(save(model)), code="exact", approximate=True, calibration=x)
    wanted = original(model, {"x": x})["y"]
    scale = np.abs(original(model, {"x": x[:, :3].repeat(2, axis=1)})["y"]).max()
    assert np.abs(np.asarray(found.run(x).outputs) - wanted).max() < 0.05 * scale


def test_without_quantisers_it_is_refused_by_name(save: Save) -> None:
    path = str(save(layered("GRU")))
    with pytest.raises(ConversionError, match=r"all1\.z: its values are not quantised"):
        snnc.compile(path, code="exact", calibration=X)
    with pytest.raises(ConversionError, match=r"all1\.z: computes sigmoid, which code 'rate'"):
        snnc.compile(path, code="rate", calibration=X)
    with pytest.raises(OptionError, match="does not look into recurrent layers") as refused:
        snnc.compile(path, code="exact", quantize=8, calibration=X)
    assert "--approximate" in str(refused.value.hint)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "backward": ({"direction": "reverse"}, "goes backward"),
    "clip": ({"clip": 1.0}, "attribute clip is not supported"),
    "another function": ({"activations": ["Softsign"]}, "has the functions Softsign"),
    "layout": ({"layout": 1}, "axes in another order"),
    "all at once": ({"after": "l = Flatten(all{})"}, "with its axis of directions"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_be_wrong_is_refused(change: dict[str, Any], reason: str, save: Save) -> None:
    found = examine(save(layered("RNN", **change))).unsupported
    assert reason in " ".join(entry.reason for entry in found)
    assert all(entry.hint for entry in found)
