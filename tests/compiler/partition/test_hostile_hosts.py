"""Cut artifacts whose host model is another, with hashes made right: each is refused, and soon."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import FunctionProto, GraphProto, ModelProto, TensorProto, helper, numpy_helper, parser

from snnc import compile
from snnc.backends.onnx_runtime import AnnSession
from snnc.backends.resources import most_resident
from snnc.compiler import first_run
from snnc.compiler.partition import host_limits
from snnc.compiler.partition.build import CutWarning
from snnc.compiler.partition.host import HostPart
from snnc.compiler.partition.network import PartitionedNetwork
from snnc.compiler.partition.storage import load
from snnc.ir.errors import ArtifactError, ExecutionError, ModelError
from tests.compiler.partition import models

HOST = "regions/1-host/model.onnx"
SECONDS, MEMORY = 12.0, 400 << 20


def concats(count: int) -> str:
    """Return nodes each of which doubles a list of integers."""
    doubled = (f"a{i + 1} = Concat <axis = 0> (a{i}, a{i})" for i in range(count))
    first = "a0 = Constant <value = int64[4] {1, 2, 3, 4}> ()"
    return f"{first} {' '.join(doubled)} real = Cast <to = 1> (a{count}) {REAL}"


REAL = """
    largest = ReduceMax <keepdims = 0> (real) s = Add (p, largest)
"""
LOOP = """
    v = Loop (most, yes, p) <
        body = b (int64 i, bool c, float[N,4,4,4] a) => (bool d, float[N,4,4,4] e) {
            d = Identity (c) e = Relu (a)
        }
    > s = Identity (v)
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    with pytest.warns(CutWarning):
        network = compile(models.softmax_in_the_middle(folder), timesteps=2)
    return network.save(folder / "artifact")


def model(nodes: str, signature: str = "(float[N,4,4,4] p) => (float[N,4,4,4] s)") -> ModelProto:
    """Return a host model written as text; it reads ``p`` and gives ``s``, as the artifact's."""
    made = parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 18]> region {signature} {{ {nodes} }}'
    )
    made.producer_name = "snnc"
    values = {
        "huge": [2**40],
        "large": [2**33],
        "most": 2**62,
        "none": [],
        "zero": 0,
        "one": 1,
        "gap": 2**40,
    }
    made.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()
    )
    made.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return made


def weight(**fields: object) -> ModelProto:
    """Return a model with a weight that is written as the fields say."""
    made = model("s = Mul (p, w)")
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, **fields)  # type: ignore[arg-type]
    made.graph.initializer.append(tensor)
    return made


def stored(location: str) -> ModelProto:
    made = weight(dims=[4], data_location=TensorProto.EXTERNAL)
    made.graph.initializer[-1].external_data.add(key="location", value=location)
    return made


def stored_inside() -> ModelProto:
    """Return a model with external data in a sparse tensor of a graph inside a node."""
    made = model(LOOP)
    values = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    values.data_location = TensorProto.EXTERNAL
    values.external_data.add(key="location", value="/etc/passwd")
    body: GraphProto = made.graph.node[0].attribute[0].g
    body.sparse_initializer.add(dims=[4]).values.CopyFrom(values)
    return made


def with_function() -> ModelProto:
    made = model("s = l.f (p)")
    opsets = [helper.make_opsetid("", 18)]
    nodes = [helper.make_node("Relu", ["a"], ["b"])]
    function: FunctionProto = helper.make_function("l", "f", ["a"], ["b"], nodes, opsets)
    made.functions.append(function)
    made.opset_import.append(helper.make_opsetid("l", 1))
    return made


def with_training() -> ModelProto:
    made = model("s = Relu (p)")
    made.training_info.add().initialization.name = "begin"
    return made


def no_tensor() -> ModelProto:
    made = model("s = Relu (p)")
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, [4])
    made.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(element))
    return made


def many_nodes() -> ModelProto:
    made = model("s = Relu (p)")
    last = made.graph.node[0]
    made.graph.node.extend([last] * 100_000)
    return made


REFUSED: dict[str, tuple[Callable[[], ModelProto | bytes], str]] = {
    "absolute data": (lambda: stored("/etc/passwd"), "'w' is stored outside"),
    "data above": (lambda: stored("../../golden.npz"), "'w' is stored outside"),
    "data beside": (lambda: stored("w.bin"), "'w' is stored outside"),
    "data at an address": (lambda: stored("*/_ORT_MEM_ADDR_/*"), "'w' is stored outside"),
    "data inside a body": (stored_inside, "'w' is stored outside"),
    "function": (with_function, "has functions"),
    "training": (with_training, "has training_info"),
    "nothing": (lambda: b"", "is empty"),
    "no protobuf": (lambda: b"\xff" * 99, "not a readable ONNX model"),
    "cut off": (lambda: model("s = Relu (p)").SerializeToString()[:-40], "not a readable|not an"),
    "many nodes": (many_nodes, "more than 100000 nodes"),
    "cycle": (lambda: model("a = Relu (b) b = Relu (a) s = Add (p, b)"), "is not valid ONNX"),
    "hanging Einsum": (lambda: model('s = Einsum <equation = "...."> (p)'), "equation"),
    "no operator": (lambda: model("s = Explode (p)"), "is not valid ONNX"),
    "another input": (
        lambda: model("s = Relu (q)", "(float[N,4,4,4] q) => (float[N,4,4,4] s)"),
        "does not fit the inputs and outputs",
    ),
    "one more input": (
        lambda: model("s = Relu (p)", "(float[N,4,4,4] p, float[1] q) => (float[N,4,4,4] s)"),
        "does not fit the inputs and outputs",
    ),
    "one more output": (
        lambda: model(
            "s = Relu (p) q = Neg (p)", "(float[N,4,4,4] p) => (float[N,4,4,4] s, float[N,4,4,4] q)"
        ),
        "does not fit the inputs and outputs",
    ),
    "no tensor": (no_tensor, "does not fit the inputs and outputs"),
    "huge constant": (lambda: model(f"real = ConstantOfShape (huge) {REAL}"), "would have 1099"),
    "huge Expand": (
        lambda: model(f"n = Expand (one, huge) real = Cast <to = 1> (n) {REAL}"),
        "'n' would have 1099511627776 numbers",
    ),
    "huge Range": (
        lambda: model(f"n = Range (zero, gap, one) real = Cast <to = 1> (n) {REAL}"),
        "would have 1099511627776 numbers",
    ),
    "huge outer product": (
        lambda: model(
            """
            column = Constant <value = int64[2] {-1, 1}> ()
            thousand = Constant <value = int64[2] {1000, 1}> ()
            r = Reshape (p, column) o = Tile (r, thousand) a = Transpose (o)
            real = MatMul (o, a) largest = ReduceMax <keepdims = 0> (real) s = Add (p, largest)
            """
        ),
        "'real' would have 4096000000 numbers",
    ),
    "chain of Concat": (lambda: model(concats(40)), "numbers, more than"),
    "claimed weight": (lambda: weight(dims=[2**20, 2**20], raw_data=b"1234"), "would have 1099"),
}
"""For each attack what makes the host model, and what loading the artifact must say."""

NOT_OPENED: dict[str, tuple[str, str]] = {
    "operator of a library": ("s = evil.Explode (p)", "evil"),
    "loop of no number": (f"{LOOP.replace('most', 'none')}", "crashes"),
    "negative Slice": (
        "t = Constant <value = int64[8] {0, 0, 0, -9, 0, 0, 0, 0}> () q = Pad (p, t) "
        "b = Constant <value = int64[1] {0}> () e = Constant <value = int64[1] {9}> () "
        "x = Constant <value = int64[1] {3}> () "
        "s = Slice (q, b, e, x)",
        "crashes",
    ),
}
"""Models that ONNX Runtime does not open, and what it says, or is said of it."""


def hosting(artifact: Path, folder: Path, content: ModelProto | bytes) -> Path:
    """Return a copy of an artifact with another host model, and the hash of that."""
    shutil.copytree(artifact, folder)
    written = content if isinstance(content, bytes) else content.SerializeToString()
    (folder / HOST).write_bytes(written)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert HOST in manifest["files"]
    manifest["files"][HOST] = hashlib.sha256(written).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def run(network: PartitionedNetwork) -> None:
    network.run(np.ones((1, 1, 8, 8), np.float32))


def test_another_model_that_is_harmless_runs(artifact: Path, tmp_path: Path) -> None:
    run(load(hosting(artifact, tmp_path / "a", model("s = Relu (p)"))))


@pytest.mark.parametrize("attack", REFUSED)
def test_what_is_refused_when_it_is_loaded(artifact: Path, tmp_path: Path, attack: str) -> None:
    make, expected = REFUSED[attack]
    folder = hosting(artifact, tmp_path / "a", make())
    begin, before = time.process_time(), most_resident()
    with pytest.raises(ArtifactError, match=expected) as found:
        load(folder)
    assert all(problem.hint for problem in found.value.problems)
    assert time.process_time() - begin < SECONDS
    assert most_resident() - before < MEMORY


@pytest.mark.parametrize("attack", NOT_OPENED)
def test_what_is_refused_when_it_is_opened(artifact: Path, tmp_path: Path, attack: str) -> None:
    nodes, expected = NOT_OPENED[attack]
    made = model(nodes)
    made.opset_import.append(helper.make_opsetid("evil", 1))
    before = most_resident()
    with pytest.raises((ArtifactError, ModelError), match=expected) as found:
        run(load(hosting(artifact, tmp_path / "a", made)))
    assert all(problem.hint for problem in found.value.problems)
    assert most_resident() - before < MEMORY


def test_what_takes_too_long_to_open(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_run, "WORK_TO_OPEN", 1)
    before = most_resident()
    with pytest.raises(ModelError, match="too long for it"):  # ONNX Runtime computes the lists
        run(load(hosting(artifact, tmp_path / "a", model(concats(24)))))
    assert most_resident() - before < MEMORY


def test_sizes_that_depend_on_data_are_refused_when_they_are_known(
    artifact: Path, tmp_path: Path
) -> None:
    made = model(
        f"""
        a = ReduceMax (p) b = Reshape (a, one_axis) c = Cast <to = 7> (b) d = Mul (c, zero)
        n = Add (d, large) real = ConstantOfShape (n) {REAL}
        """
    )
    made.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one_axis"))
    network = load(hosting(artifact, tmp_path / "a", made))
    before = most_resident()
    with pytest.raises(ExecutionError, match="ConstantOfShape"):
        run(network)
    assert most_resident() - before < MEMORY


def test_another_shape_than_inference_knows_is_refused(artifact: Path, tmp_path: Path) -> None:
    made = model(
        """
        a = Sub (p, p) b = ReduceMax <keepdims = 0> (a) c = Cast <to = 7> (b) n = Add (c, other)
        s = Reshape (p, n)
        """
    )
    other = np.array([-1, 2, 8, 4], np.int64)
    made.graph.initializer.append(numpy_helper.from_array(other, "other"))
    with pytest.raises(ExecutionError, match=r"^s: host .* \(2, 8, 4\) .* numbers \(4, 4, 4\)"):
        run(load(hosting(artifact, tmp_path / "a", made)))


def test_a_loop_without_end_is_ended(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load(hosting(artifact, tmp_path / "a", model(LOOP)))
    monkeypatch.setattr(host_limits, "WORK_TO_LOOP", 1)
    with pytest.raises(ModelError, match="too long for it"):
        run(network)


def test_a_loop_that_ends_for_some_data_only(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = "m = ReduceMax <keepdims = 0> (p) n = Cast <to = 7> (m) o = Mul (n, gap)"
    made = model(f"{count} {LOOP.replace('most', 'o')}")
    part = load(hosting(artifact, tmp_path / "a", made)).parts[1]
    assert isinstance(part, HostPart)
    monkeypatch.setattr(host_limits, "SECONDS_OF_LOOP", 0.5)
    part.run({"p": np.zeros((1, 1, 4, 4, 4), np.float32)})
    with pytest.raises(ExecutionError, match="terminate"):
        part.run({"p": np.ones((1, 1, 4, 4, 4), np.float32)})


def test_a_model_that_looks_like_the_format_of_onnx_runtime_is_read_as_onnx() -> None:
    made = model("s = Relu (p)")
    made.producer_name = "ORTM"
    content = made.SerializeToString()
    assert re.match(rb"....ORTM", content, re.DOTALL)
    assert AnnSession(content).outputs == ("s",)


def test_a_model_without_graphs_inside_has_all_the_time_it_wants(artifact: Path) -> None:
    part = load(artifact).parts[1]
    assert isinstance(part, HostPart)
    assert part.seconds is None
    assert host_limits.seconds_for(model(LOOP).SerializeToString()) == 60.0
