"""Models that ask for too much end in an error, soon and without taking memory for it."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from snnc import compile
from snnc.compiler.onnx_import import load
from snnc.ir.errors import ModelError, SnncError
from tests.hostile_models import HOSTILE, calls, image, model, node
from tests.hostile_moves import MOVES

SECONDS = 5.0
"""Each is refused in a fraction of that; without a limit each takes minutes, or all memory."""


ATTACKS = HOSTILE | MOVES


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused(tmp_path: Path, attack: str) -> None:
    make, message = ATTACKS[attack]
    (tmp_path / "m.onnx").write_bytes(make().SerializeToString())
    begin = time.process_time()
    with pytest.raises(ModelError) as error:
        load(tmp_path / "m.onnx")
    assert time.process_time() - begin < SECONDS
    texts = [problem.message for problem in error.value.problems]
    assert any(re.search(message, text) for text in texts), texts
    assert not any("cannot be understood" in text for text in texts), texts
    assert max(map(len, texts)) < 5000  # and nobody is told a million numbers
    assert all(problem.hint for problem in error.value.problems)


def test_a_deep_graph_is_no_problem(tmp_path: Path) -> None:
    names = ["x", *(f"v{i}" for i in range(2999)), "y"]
    nodes = [node(("Relu", "Neg")[i % 2], [names[i]], [names[i + 1]]) for i in range(3000)]
    (tmp_path / "m.onnx").write_bytes(model(nodes).SerializeToString())
    assert len(load(tmp_path / "m.onnx").graph) == 3001


def test_whoever_needs_more_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(image("Relu").SerializeToString())
    with pytest.raises(ModelError, match="one sample has 128 numbers, more than 100") as error:
        compile(tmp_path / "m.onnx", max_elements=100)
    assert error.value.hint.endswith("--max-elements 128")
    compile(tmp_path / "m.onnx", max_elements=128)


@pytest.mark.parametrize("word", ["name1", "out1", "alpha"])
def test_a_name_that_is_no_text(tmp_path: Path, word: str) -> None:
    relu = node("Elu", ["x"], ["out1"], name="name1", alpha=1.0)
    content = model([relu, node("Neg", ["out1"], ["y"])]).SerializeToString()
    broken = content.replace(word.encode(), b"\xff" + word[1:].encode())
    (tmp_path / "m.onnx").write_bytes(broken)
    with pytest.raises(ModelError, match=r"is no text in UTF-8|not a readable ONNX"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize("word", ["trip1", "state1", "inner1", "given1"])
def test_a_name_in_a_graph_inside_a_node_that_is_no_text(tmp_path: Path, word: str) -> None:
    values = [
        helper.make_tensor_value_info("trip1", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("state1", TensorProto.FLOAT, ["N", 4]),
        helper.make_tensor_value_info("went", TensorProto.BOOL, []),
        helper.make_tensor_value_info("given1", TensorProto.FLOAT, ["N", 4]),
    ]
    nodes = [node("Relu", ["state1"], ["inner1"]), node("Neg", ["inner1"], ["given1"])]
    nodes.append(node("Identity", ["go"], ["went"]))
    body = helper.make_graph(nodes, "b", values[:3], values[3:])
    content = model([node("Loop", ["three", "", "x"], ["y"], body=body)], three=np.array(3))
    broken = content.SerializeToString().replace(word.encode(), b"\xff" + word[1:].encode())
    (tmp_path / "m.onnx").write_bytes(broken)
    with pytest.raises(ModelError, match=r"is no text in UTF-8|not a readable ONNX"):
        load(tmp_path / "m.onnx")


def external(location: str, **more: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_external_data_of_a_function_are_checked_too(tmp_path: Path) -> None:
    function = calls("f", "Relu")
    function.node.append(helper.make_node("Constant", [], ["c"], value=external("../w.bin")))
    made = model([node("f", ["x"], ["y"], domain="l")], functions=[function])
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="not in the model's folder"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "more",
    [
        {"length": "-1"},
        {"offset": "-16"},
        {"length": str(2**80)},
        {"offset": str(2**62)},
        {"length": "many"},
        {"length": "9" * 10000},
    ],
    ids=str,
)
def test_external_data_of_absurd_extent(tmp_path: Path, more: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    made = model([node("Add", ["x", "w"], ["y"])], w=external("w.bin", **more))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="external data cannot be loaded"):
        load(tmp_path / "m.onnx")


def test_many_tensors_in_one_large_file(tmp_path: Path) -> None:
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(1 << 30)  # sparse: it takes no space
    made = model([node("Add", ["x", "w0"], ["y"])])
    for index in range(3):
        made.graph.initializer.append(external("w.bin"))
        made.graph.initializer[-1].name = f"w{index}"
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="larger than 2 GB"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize("location", ["pipe", "."])
def test_external_data_in_no_plain_file(tmp_path: Path, location: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    made = model([node("Add", ["x", "w"], ["y"])], w=external(location))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="does not exist"):
        load(tmp_path / "m.onnx")


def test_a_pipe_or_a_device_is_no_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ModelError, match="is not a plain file"):
            load(path)


def test_every_truncation_ends_in_an_error(tmp_path: Path) -> None:
    made = model([node("MatMul", ["x", "w"], ["y"])], w=np.ones((4, 3), np.float32))
    whole = made.SerializeToString()
    for end in range(len(whole)):
        (tmp_path / "m.onnx").write_bytes(whole[:end])
        with suppress(SnncError):
            load(tmp_path / "m.onnx")
            # A prefix of a message may be a message: then onnx reads it as well.
            onnx.load_model_from_string(whole[:end])
