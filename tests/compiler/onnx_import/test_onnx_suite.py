"""The tests that the onnx package brings: each model converts exactly, or is refused cleanly.

A node test feeds all operands as inputs. To meet the handlers, each is tried as it is, and with
every operand but one made constant.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper, version_converter
from onnx.backend.test import loader

from snnc.compiler.onnx_import import ImportedModel, load
from snnc.ir import Array, Input
from snnc.ir.errors import ModelError, Problem
from snnc.ir.reference import evaluate

from .conftest import assert_close, read_out

DATA = Path(loader.DATA_DIR)


def arrays(values: Any) -> list[Array] | None:
    """Return the values of a test as arrays, or None where some are no tensors."""
    found = [numpy_helper.to_array(v) if isinstance(v, TensorProto) else v for v in values]
    return found if all(isinstance(v, np.ndarray | np.generic) for v in found) else None


def variants(model: ModelProto, inputs: list[Array] | None) -> Iterator[tuple[int, ModelProto]]:
    """Yield the model, and for each input the model with all other inputs constant."""
    yield -1, model
    if inputs is None or len(inputs) < 2:
        return
    for kept in range(len(inputs)):
        frozen = ModelProto()
        frozen.CopyFrom(model)
        del frozen.graph.input[:]
        for index, (value, array) in enumerate(zip(model.graph.input, inputs, strict=False)):
            if index == kept:
                frozen.graph.input.append(value)
            else:
                tensor = numpy_helper.from_array(np.asarray(array), value.name)
                frozen.graph.initializer.append(tensor)
        yield kept, frozen


def compare(imported: ImportedModel, model: ModelProto, inputs: list[Array], wanted: Any) -> None:
    names = [value.name for value in model.graph.input]
    given = dict(zip(names, inputs, strict=True))
    if imported.unbatched:  # all of it is one sample
        nodes = imported.graph.of_type(Input)
        given = {node.name: given[node.name].reshape(1, *node.type.shape) for node in nodes}
    values = evaluate(imported.graph, given)
    for output, expected in zip(model.graph.output, arrays(wanted) or [], strict=True):
        found = read_out(values[imported.graph.outputs[output.name]], output.name, imported.cut)
        argmax = any(c.operator == "ArgMax" and c.output == output.name for c in imported.cut)
        assert_close(
            found.reshape(expected.shape) if argmax or imported.unbatched else found, expected
        )


def attempt(path: Path) -> ImportedModel | None:
    """Import a model, or return None; any error but a ``ModelError`` fails the test."""
    problems: tuple[Problem, ...] = ()
    try:
        return load(path)
    except ModelError as error:
        problems = error.problems
    assert all(problem.message and problem.hint for problem in problems)
    return None


NOT_COMPARED = {
    "test_resize_downsample_scales_cubic_align_corners",  # ONNX Runtime computes it otherwise
    "test_resize_downsample_scales_linear_align_corners",  # likewise
    "test_averagepool_2d_ceil_last_window_starts_on_pad",  # its outputs have four digits
}


@pytest.mark.slow
def test_node_tests(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the expected outputs as it loads
        cases = loader.load_model_tests(kind="node")
    path, counts = tmp_path / "model.onnx", Counter[str]()
    for case in cases:
        assert case.model is not None
        assert case.data_sets
        given, wanted = case.data_sets[0]
        inputs = arrays(given)
        for kept, model in variants(case.model, inputs):
            onnx.save(model, path)
            imported = attempt(path)
            counts["refused" if imported is None else "converted"] += 1
            if imported is not None and inputs is not None and case.name not in NOT_COMPARED:
                compare(imported, model, inputs if kept < 0 else [inputs[kept]], wanted)
    assert counts["converted"] >= 300
    assert counts["refused"] >= 900


FOLDERS = [p.parent for kind in ("simple", "pytorch-*") for p in DATA.glob(f"{kind}/*/model.onnx")]


@pytest.mark.parametrize("folder", sorted(FOLDERS), ids=lambda folder: folder.name)
def test_stored_models(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    if model.opset_import[0].version < 7:
        with pytest.raises(ModelError, match="opset"):
            load(folder / "model.onnx")
        try:
            model = version_converter.convert_version(model, 13)
        except (RuntimeError, onnx.version_converter.ConvertError):
            return  # what onnx itself cannot read
    onnx.save(model, tmp_path / "model.onnx")
    imported = attempt(tmp_path / "model.onnx")
    stored = folder / "test_data_set_0"
    if imported is not None and (stored / "input_0.pb").exists():
        given, wanted = (
            [onnx.load_tensor(path) for path in sorted(stored.glob(f"{kind}_*.pb"))]
            for kind in ("input", "output")
        )
        names = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in names]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        compare(imported, model, arrays(given) or [], wanted)


CONVERTIBLE = {"densenet121", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19"}
"""The others normalize over channels."""


@pytest.mark.parametrize("path", sorted(DATA.glob("light/*.onnx")), ids=lambda path: path.stem)
def test_well_known_networks(path: Path) -> None:
    imported = attempt(path)
    assert (imported is not None) == (path.stem.removeprefix("light_") in CONVERTIBLE)
