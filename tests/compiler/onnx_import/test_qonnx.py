"""The quantisers of QONNX, compared with their definition: ONNX Runtime does not know them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Conv, Staircase
from snnc.ir.reference import evaluate

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]

DOMAIN = "qonnx.custom_op.general."
RNG = np.random.default_rng(5)
X = (RNG.normal(size=(3, 2, 7, 9)) * 2).astype(np.float32)
PARAMETERS: dict[str, Any] = {
    "s": np.float32(0.25),
    "s2": np.array([0.25, 0.5], np.float32).reshape(1, 2, 1, 1),
    "zero": np.float32(0),
    "one": np.float32(1),
    "two": np.float32(2),
    "four": np.float32(4),
}


def values(save: Save, model: ModelProto) -> Array:
    """Return the output, which the reference and the export agree on, simplified or not."""
    graph = load(save(model)).graph
    found = evaluate(graph, {"x": X})[graph.outputs["y"]]
    simple = run_passes(graph, SIMPLIFY)
    for again in (
        evaluate(simple, {"x": X})[simple.outputs["y"]],
        AnnSession(simple).run({"x": X})["y"],
    ):
        assert np.allclose(again, found, rtol=0, atol=1e-5)
    return found


QUANT: dict[str, tuple[str, int, int]] = {
    "signed": ("<signed=1,narrow=0>(x, s, zero, four)", -8, 7),
    "narrow": ("<signed=1,narrow=1>(x, s, zero, four)", -7, 7),
    "unsigned": ("<signed=0,narrow=0>(x, s, zero, four)", 0, 15),
    "zero point": ("<signed=0,narrow=0>(x, s, two, four)", -2, 13),
    "two bits": ("<signed=1,narrow=1>(x, s, zero, two)", -1, 1),
}


@pytest.mark.parametrize(("arguments", "low", "high"), QUANT.values(), ids=QUANT.keys())
@pytest.mark.parametrize("operator", ["Quant", "IntQuant"])
def test_quant(
    build: Build, save: Save, operator: str, arguments: str, low: int, high: int
) -> None:
    model = build(f"y = {DOMAIN}{operator}{arguments}", **PARAMETERS)
    assert np.array_equal(values(save, model), 0.25 * np.clip(np.rint(X / 0.25), low, high))


def test_rounding_down(build: Build, save: Save) -> None:
    model = build(f'y = {DOMAIN}Quant<rounding_mode="FLOOR">(x, s, zero, four)', **PARAMETERS)
    assert np.array_equal(values(save, model), 0.25 * np.clip(np.floor(X / 0.25), -8, 7))


def test_a_scale_for_each_channel(build: Build, save: Save) -> None:
    model = build(f"y = {DOMAIN}Quant(x, s2, zero, four)", **PARAMETERS)
    scale = PARAMETERS["s2"]
    assert np.array_equal(values(save, model), scale * np.clip(np.rint(X / scale), -8, 7))


@pytest.mark.parametrize("operator", ["Quant<narrow=1>(w, s3, zero, four)", "BipolarQuant(w, s3)"])
def test_weights(build: Build, save: Save, operator: str) -> None:
    weight = RNG.normal(size=(3, 2, 3, 3))
    scale = np.array([0.1, 0.3, 0.2], np.float32).reshape(3, 1, 1, 1)
    model = build(f"v = {DOMAIN}{operator} y = Conv(x, v)", w=weight, s3=scale, **PARAMETERS)
    values(save, model)
    (conv,) = load(save(model)).graph.of_type(Conv)
    whole = np.clip(np.rint(weight.astype(np.float32) / scale), -7, 7)
    expected = np.where(weight >= 0, 1, -1) if "Bipolar" in operator else whole
    assert conv.weight_scale is not None
    assert np.array_equal(conv.weight_scale, scale.reshape(-1).astype(np.float64))
    assert np.array_equal(conv.weight / conv.weight_scale.reshape(3, 1, 1, 1), expected)


def test_two_levels(build: Build, save: Save) -> None:
    """Plus or minus the scale is a step from 0 to twice the scale, and a shift."""
    model = build(f"y = {DOMAIN}BipolarQuant(x, s)", **PARAMETERS)
    assert np.array_equal(values(save, model), np.where(X >= 0, 0.25, -0.25))


def test_a_function_before(build: Build, save: Save) -> None:
    model = build(f"t = Tanh(x) y = {DOMAIN}Quant(t, s, zero, four)", **PARAMETERS)
    values(save, model)
    (node,) = load(save(model)).graph.of_type(Staircase)
    assert node.function == "tanh"


REFUSED = {
    "rounding": ('Quant<rounding_mode="CEIL">(x, s, zero, four)', "rounding_mode=CEIL"),
    "zero point": ("Quant(x, s, s, four)", "zero point"),
    "bits": ("Quant(x, s, zero, s2)", "bit width"),
    "truncation": ("Trunc(x, s, zero, four, two)", "not supported"),
    "computed scale": ("Quant(x, x, zero, four)", "computed while the model runs"),
}


@pytest.mark.parametrize(("operator", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(build: Build, save: Save, operator: str, reason: str) -> None:
    (entry,) = examine(save(build(f"y = {DOMAIN}{operator}", **PARAMETERS))).unsupported
    assert reason in entry.reason
    assert entry.hint
    assert entry.operator.startswith(DOMAIN)


def test_a_file_that_does_not_name_the_domain(build: Build, save: Save) -> None:
    """Tools leave the domain out of the list of imported ones."""
    model = build(f"y = {DOMAIN}Quant(x, s, zero, four)", **PARAMETERS)
    kept = [entry for entry in model.opset_import if not entry.domain]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    assert load(save(model)).graph.of_type(Staircase)
