"""A fixed part of what ``examples.benchmarks.coverage`` measures: every file gets an answer."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import snnc

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.coverage.answer import answer
from examples.benchmarks.coverage.cases import Case, node_cases, stored_cases
from examples.benchmarks.coverage.light import graphs, with_weights
from examples.benchmarks.coverage.one import networks_of
from examples.benchmarks.coverage.page import as_markdown

ANSWERS = ("match", "host", "refused")
DIFFERENT = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad",  # its outputs have four digits
    "test_resize_downsample_scales_cubic_align_corners",  # ONNX Runtime computes it otherwise
    "test_resize_downsample_scales_linear_align_corners",  # likewise
}
NODES = """
    add add_bcast averagepool_2d_default averagepool_2d_pads basic_conv_with_padding
    batchnorm_example clip clip_default_max concat_2d_axis_1 depthtospace_example
    flatten_axis1 gemm_default_no_bias globalaveragepool globalmaxpool maxpool_2d_dilations mul
    relu reshape_reordered_last_dims sub_bcast unsqueeze_axis_1
"""
"""Node tests of operators that are taken."""


@pytest.fixture(scope="module")
def nodes() -> dict[str, Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the expected outputs as it loads
        return {case.name: case for case in node_cases()}


@pytest.mark.slow  # onnx computes all its node tests, to give any
@pytest.mark.parametrize("name", NODES.split())
def test_node_tests(nodes: dict[str, Case], tmp_path: Path, name: str) -> None:
    case = nodes.get(f"test_{name}")
    if case is None:
        pytest.skip("the installed onnx has no such test")
    found = answer(case, tmp_path)
    assert found.status == "match", found.reasons


@pytest.mark.slow
def test_every_node_test_gets_an_answer(nodes: dict[str, Case], tmp_path: Path) -> None:
    found = [answer(case, tmp_path) for case in nodes.values()]
    wrong = {entry.name for entry in found if entry.status not in ANSWERS}
    assert wrong <= DIFFERENT
    assert all(entry.reasons for entry in found if entry.status in ("host", "refused"))
    answered = sum(entry.status in ("match", "host") for entry in found)
    assert answered >= 0.9 * len(found)


@pytest.mark.parametrize("kind", ["pytorch-converted", "pytorch-operator"])
def test_stored_models(tmp_path: Path, kind: str) -> None:
    cases = stored_cases(kind)
    if not cases:
        pytest.skip("the installed onnx has no such tests")
    found = [answer(case, tmp_path) for case in cases]
    assert [entry for entry in found if entry.status not in ANSWERS] == []
    assert sum(entry.status in ("match", "host") for entry in found) >= 0.9 * len(found)
    assert sum(entry.status == "match" for entry in found) >= 0.6 * len(found)


@pytest.mark.parametrize(
    "name", ["squeezenet", "shufflenet", pytest.param("resnet50", marks=pytest.mark.slow)]
)
def test_well_known_networks(tmp_path: Path, name: str) -> None:
    paths = [path for path in graphs() if path.stem == f"light_{name}"]
    if not paths:
        pytest.skip("the installed onnx has no such graph")
    path = with_weights(paths[0], tmp_path / "model.onnx")
    x = np.random.default_rng(0).uniform(size=(1, 3, 224, 224)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a cut
        network = snnc.compile(path, calibration=x, timesteps=1, include_ann=False)
    assert sum(len(each.graph.outputs) for each in networks_of(network)) >= 1


def linear(sizes: list[int | str]) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, sizes)
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def case(model: onnx.ModelProto, wanted: float) -> Case:
    x = np.ones((2, 3), np.float32)
    return Case("test_relu", "node", "Relu", model, (x,), (wanted * x,))


@pytest.mark.parametrize(("wanted", "status"), [(1.0, "match"), (1.1, "mismatch")])
def test_outputs_are_compared(tmp_path: Path, wanted: float, status: str) -> None:
    assert answer(case(linear([2, 3]), wanted), tmp_path).status == status


def test_a_crash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr("examples.benchmarks.coverage.answer.load", broken)
    found = answer(case(linear([2, 3]), 1.0), tmp_path)
    assert found.status == "crash"
    assert "KeyError" in found.reasons[0]


def test_a_hang_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr("examples.benchmarks.coverage.answer.load", endless)
    monkeypatch.setattr("examples.benchmarks.coverage.answer.LIMIT", 1)
    assert answer(case(linear([2, 3]), 1.0), tmp_path).status == "hang"


def test_a_host_node_is_told_from_a_match(tmp_path: Path) -> None:
    model = linear([2, 3])
    model.graph.node[0].op_type = "Exp"
    x = np.ones((2, 3), np.float32)
    found = answer(Case("test_exp", "node", "Exp", model, (x,), (np.exp(x),)), tmp_path)
    assert (found.status, bool(found.reasons)) == ("host", True)
    wrong = answer(Case("test_exp", "node", "Exp", model, (x,), (x,)), tmp_path)
    assert wrong.status == "refused"


def test_the_page_needs_no_results() -> None:
    assert as_markdown([], [], []).startswith("# Coverage")
