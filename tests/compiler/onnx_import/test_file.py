"""Files that are missing, broken, hostile, or no ONNX at all."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from snnc.compiler.onnx_import import file as onnx_file
from snnc.compiler.onnx_import import load
from snnc.ir.errors import ModelError, Problem, SnncError

from .conftest import build_model

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]

CONTENTS = {
    "empty": b"",
    "text": b"this is not a model\n" * 10,
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4,
    "pickle": pickle.dumps({"state_dict": [1.0, 2.0]}),
    "zip": b"PK\x03\x04" + bytes(100),
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_files_that_are_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx: ") as error:
        load(path)
    assert error.value.hint


@pytest.mark.parametrize("name", ["missing.onnx", ".", "nothing/model.onnx", "null\0byte"])
def test_paths_that_are_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError) as error:
        load(tmp_path / name)
    assert error.value.hint


def test_truncated(build: Build, save: Save) -> None:
    path = save(build("y = Conv(x, w)", w=np.ones((4, 2, 3, 3))))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError):
        load(path)


def test_too_large(build: Build, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 10)
    with pytest.raises(ModelError, match="larger than 2 GB"):
        load(save(build("y = Relu(x)")))


def test_opsets(build: Build, save: Save) -> None:
    with pytest.raises(ModelError, match="opset 6, the oldest that can be read is 7"):
        load(save(build("y = Relu(x)", opset=6)))
    model = build("y = Relu(x)")
    model.opset_import[0].version = 1000
    with pytest.raises(ModelError, match="opset 1000, the installed onnx"):
        load(save(model))
    del model.opset_import[0]
    with pytest.raises(ModelError, match="which opset"):
        load(save(model))


INPUTS = {
    "symbolic": ("float[N,2,H,W] x", "axis 2 is symbolic \\('H'\\)"),
    "unnamed": ("float[N,?] x", "symbolic \\(without a name\\)"),
    "zero": ("float[N,0,3] x", "axis 1 has size 0"),
    "no batch": ("float[0,3] x", "axis 0 has size 0"),
    "scalar": ("float x", "has 0 axes"),
    "vector": ("float[N] x", "has 1 axes"),
    "no shape": ("float[] x", "no shape|'shape' of 'type'|has 0 axes"),
    "double": ("double[N,3] x", "holds double"),
    "half": ("float16[N,3] x", "holds float16"),
    "truths": ("bool[N,3] x", "holds bool"),
    "wide": ("int64[N,3] x", "holds int64"),
    "sequence": ("seq(float[N,3]) x", "not a tensor"),
}


@pytest.mark.parametrize(("inputs", "message"), INPUTS.values(), ids=INPUTS.keys())
def test_inputs(build: Build, save: Save, inputs: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        load(save(build("y = Identity(x)", inputs, outputs="float[N,1] y")))
    assert error.value.hint


def test_all_unusable_inputs_are_listed(build: Build, save: Save) -> None:
    inputs = "float[N,A] x, int64[N,1] i, float[N,4] good"
    with pytest.raises(ModelError) as error:
        load(save(build("a = Gather(x, i) y = Add(a, good)", inputs, "float[N,4] y")))
    assert len(error.value.problems) == 2


def test_inputs_that_nothing_needs_do_not_matter(build: Build, save: Save) -> None:
    imported = load(save(build("y = Relu(x)", "float[N,4] x, int64[K] unused")))
    assert list(imported.graph.nodes) == ["x", "y"]


def test_inputs_of_different_batch_sizes(build: Build, save: Save) -> None:
    with pytest.raises(ModelError, match="batch size \\('x': 2, 'z': any\\)"):
        load(save(build("y = Add(x, z)", "float[2,4] x, float[N,4] z")))


@pytest.mark.parametrize("nodes", ["y = Identity(w)", "y = Constant<value_float=1.0>()"])
def test_outputs_without_an_input(build: Build, save: Save, nodes: str) -> None:
    with pytest.raises(ModelError, match="no output depends on an input"):
        load(save(build(nodes, w=np.ones(3))))


def test_one_constant_output(build: Build, save: Save) -> None:
    model = build("y = Relu(x) z = Neg(w)", outputs="float[] y, float[] z", w=np.ones(3))
    with pytest.raises(ModelError, match="output 'z' does not depend on an input"):
        load(save(model))


def test_initializers_may_be_listed_as_inputs(build: Build, save: Save) -> None:
    model = build("y = MatMul(x, w)", "float[N,3] x, float[3,2] w", w=np.ones((3, 2)))
    model.ir_version = 3
    assert list(load(save(model)).graph.nodes) == ["x", "y"]


def test_two_tensors_of_one_name(build: Build, save: Save) -> None:
    model = build("y = Relu(x) z = Relu(x)")
    model.graph.node[1].output[0] = "y"
    with pytest.raises(ModelError, match="not valid ONNX"):
        load(save(model))


def test_damaged_weights(build: Build, save: Save) -> None:
    model = build("y = MatMul(x, w)", "float[N,3] x", w=np.ones((3, 2)))
    model.graph.initializer[0].raw_data = b"123"
    with pytest.raises(ModelError):
        load(save(model))


def test_sparse_weights(build: Build, save: Save) -> None:
    model = build("y = Relu(x)")
    model.graph.sparse_initializer.add().dims.append(3)
    with pytest.raises(ModelError, match="sparse"):
        load(save(model))


def test_any_names_are_kept(build: Build, save: Save) -> None:
    model = build("a = Relu(x) y = Neg(a)", "float[N,3] x")
    first, last = model.graph.node
    first.output[0] = last.input[0] = "/model/layer.0/Relu\nwird grün ✓"
    names = list(load(save(model)).graph.nodes)
    assert names == ["x", "/model/layer.0/Relu\nwird grün ✓", "y"]


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    text = """
        <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[N,3] x) => (float[N,3] y) { y = local.f(x) }
        <opset_import: ["" : 17], domain: "local"> f (a) => (b) { c = Neg(a) b = Relu(c) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    assert load(tmp_path / "m.onnx").operators == {"Neg": 1, "Relu": 1}


def test_hash_is_that_of_the_file(build: Build, save: Save) -> None:
    path = save(build("y = Relu(x)"))
    assert load(path).sha256 == sha256(path.read_bytes()).hexdigest()


# External data


def with_external_data(folder: Path, location: str, weight: bytes | None = None) -> Path:
    model = build_model("y = MatMul(x, w)", "float[N,3] x", w=np.ones((3, 2)))
    tensor = model.graph.initializer[0]
    (folder / "w.bin").write_bytes(tensor.raw_data if weight is None else weight)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("colour", "unknown keys are ignored")):
        tensor.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    imported = load(with_external_data(tmp_path, "w.bin"))
    content = (tmp_path / "m.onnx").read_bytes() + (tmp_path / "w.bin").read_bytes()
    assert imported.sha256 == sha256(content).hexdigest()


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "a/../../w.bin", "link", "w\0"])
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(24))
    (folder / "link").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ModelError, match="not in the model's folder"):
        load(with_external_data(folder, location))


@pytest.mark.parametrize("location", ["nothing.bin", ""])
def test_external_data_that_are_missing(tmp_path: Path, location: str) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load(with_external_data(tmp_path, location))


def test_external_data_of_the_wrong_size(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load(with_external_data(tmp_path, "w.bin", weight=b"short"))


def test_external_data_of_a_constant_node_are_checked_too(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.ones(3, np.float32))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../w.bin")
    model = build_model("y = Add(x, c)", "float[N,3] x", c=np.ones(3))
    del model.graph.initializer[:]
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not in the model's folder"):
        load(tmp_path / "m.onnx")


# Damage


NETWORK = """
    c = Conv<pads=[1,1,1,1]>(x, w)  r = Relu(c)  p = MaxPool<kernel_shape=[2,2]>(r)
    s = Shape(p)  n = Gather(s, zero)  n1 = Unsqueeze(n, axis)  t = Concat<axis=0>(n1, rest)
    f = Reshape(p, t)  g = Gemm<transB=1>(f, v)  y = Softmax(g)
"""
VALID = build_model(
    NETWORK,
    "float[N,1,4,4] x",
    w=np.ones((2, 1, 3, 3)),
    v=np.ones((3, 18)),
    zero=np.array(0),
    axis=np.array([0]),
    rest=np.array([-1]),
).SerializeToString()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.differing_executors])
@given(
    end=st.none() | st.integers(0, len(VALID)),
    changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6),
)
def test_damage_never_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, end: int | None, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(VALID)
    for position, value in changes:
        content[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content[:end])
    problems: tuple[Problem, ...] = ()
    try:
        load(path)
    except SnncError as error:
        problems = error.problems
    assert all(problem.message and problem.hint for problem in problems)
