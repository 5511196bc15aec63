"""Files of many nodes: work that grows with their number, not with its square."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest

import snnc
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Conv, Linear
from snnc.ir.errors import UnsupportedOperatorError

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.large_models import mixer, parameters, resnet50, vit


def saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count how often a type is inferred: once a node in every graph that is built."""
    seen = [0]
    with monkeypatch.context() as patch:
        for kind in (Conv, Linear):
            original = kind.infer

            def infer(self: object, *types: object, original: object = original) -> object:
                seen[0] += 1
                return original(self, *types)  # type: ignore[operator]

            patch.setattr(kind, "infer", infer)
        yield seen


def test_twice_as_many_blocks_are_twice_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = []
    for blocks in (8, 32):
        path = saved(resnet50(((blocks, 4),), image=32), tmp_path / f"{blocks}.onnx")
        with counted(monkeypatch) as seen:
            snnc.compile(path, timesteps=1, calibration=None)
        work.append(seen[0])
    assert work[1] < 5 * work[0]


@pytest.mark.parametrize(
    "model", [resnet50(((1, 4), (2, 8)), image=64), mixer(width=12, depth=2, image=32)]
)
def test_normalisations_fold_and_outputs_stay(model: onnx.ModelProto, tmp_path: Path) -> None:
    from snnc.backends.onnx_runtime import AnnSession

    path = saved(model, tmp_path / "model.onnx")
    graph = run_passes(load(path).graph, SIMPLIFY)
    size = model.graph.input[0].type.tensor_type.shape.dim[3].dim_value
    x = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
    (wanted,) = AnnSession(path.read_bytes()).run({"image": x}).values()
    (got,) = AnnSession(graph).run({"image": x}).values()
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())
    kinds = [type(node).__name__ for node in graph]
    assert kinds.count("Affine") <= 1  # the one between a sum and a ReLU has nowhere to go


def test_a_transformer_is_refused_with_every_reason(tmp_path: Path) -> None:
    path = saved(vit(width=24, depth=2, heads=2), tmp_path / "vit.onnx")
    with pytest.raises(UnsupportedOperatorError) as error:
        load(path)
    found = examine(path).unsupported
    assert len(error.value.problems) == len(found)
    refused = {(entry.operator, entry.reason) for entry in found}
    assert ("LayerNormalization", "is not supported") in refused
    assert ("Softmax", "is not supported") in refused
    assert ("MatMul", "multiplies two activations") in refused
    assert sum(entry.operator == "Softmax" for entry in found) == 2


@pytest.mark.parametrize("kind", ["raw", "typed"])
def test_a_large_weight_of_the_wrong_size_is_a_damaged_file(kind: str, tmp_path: Path) -> None:
    """The checker of onnx does not see large weights."""
    model = resnet50(((1, 16),), image=32)
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    assert parameters(model) > 4096
    if kind == "raw":
        weight.raw_data = weight.raw_data[:-4]
    else:
        values = np.frombuffer(weight.raw_data, np.float32)
        weight.ClearField("raw_data")
        weight.float_data.extend(values[:-1].tolist())
    with pytest.raises(snnc.SnncError, match=r"cannot be read|is not valid"):
        load(saved(model, tmp_path / "damaged.onnx"))
