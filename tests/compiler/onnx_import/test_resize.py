"""Resize by cubic interpolation, with antialiasing, and of a part of the image."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from snnc.compiler.onnx_import import examine, load
from snnc.ir import Array
from snnc.ir.reference import evaluate
from tests.compiler.onnx_import.conftest import Build, Check, Save, assert_close

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
X = "float[3,2,7,9] x"
RNG = np.random.default_rng(3)


def sizes(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("to", [(14, 5), (3, 20), (8, 8)], ids=str)
@pytest.mark.parametrize("more", ["", ", exclude_outside=1", ", cubic_coeff_a=-0.5"])
def test_cubic(how: str, to: tuple[int, int], more: str, build: Build, check: Check) -> None:
    attributes = f'mode="cubic", coordinate_transformation_mode="{how}"{more}'
    check(build(f"y = Resize<{attributes}>(x, , , to)", X, opset=18, to=sizes(3, 2, *to)))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("to", [(3, 4), (14, 20), (4, 20), (1, 2)], ids=str)
@pytest.mark.parametrize("only", [0, 1])
def test_antialiased_as_the_reference_of_onnx(
    mode: str, how: str, to: tuple[int, int], only: int, build: Build, save: Save
) -> None:
    if how == "pytorch_half_pixel" and 1 in to:
        return  # the reference of onnx puts it elsewhere than its own text and ONNX Runtime
    attributes = f'mode="{mode}", antialias=1, coordinate_transformation_mode="{how}"'
    attributes += f", exclude_outside={only}"
    model = build(f"y = Resize<{attributes}>(x, , , to)", opset=18, to=sizes(1, 2, *to))
    graph = load(save(model)).graph
    x = RNG.normal(size=(1, 2, 7, 9)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert_close(evaluate(graph, {"x": x})[graph.outputs["y"]], np.asarray(wanted))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("to", [(3, 4), (14, 20), (4, 20)], ids=str)
def test_antialiased(mode: str, to: tuple[int, int], build: Build, check: Check) -> None:
    attributes = f'mode="{mode}", antialias=1'
    check(build(f"y = Resize<{attributes}>(x, , , to)", X, opset=18, to=sizes(3, 2, *to)))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("roi", [(0.2, 0.1, 0.7, 0.9), (-0.3, 0.4, 1.2, 0.8)], ids=str)
@pytest.mark.parametrize("value", [0.0, 2.5])
@pytest.mark.parametrize("to", [(5, 6), (1, 11)], ids=str)
def test_a_part_of_the_image(
    mode: str,
    roi: tuple[float, ...],
    value: float,
    to: tuple[int, int],
    build: Build,
    check: Check,
) -> None:
    attributes = f'mode="{mode}", coordinate_transformation_mode="tf_crop_and_resize"'
    attributes += f", extrapolation_value={value:f}"
    begin, end = roi[:2], roi[2:]
    weights = {"roi": np.array([0, 0, *begin, 1, 1, *end]), "to": sizes(3, 2, *to)}
    check(build(f"y = Resize<{attributes}>(x, roi, , to)", X, opset=18, **weights))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_lines_and_volumes(mode: str, build: Build, save: Save) -> None:
    """ONNX Runtime interpolates images only where it does so by cubic pieces."""
    for shape, to in (((1, 2, 9), (1, 2, 4)), ((1, 2, 4, 5, 6), (1, 2, 6, 3, 7))):
        text = f"float[{','.join(map(str, shape))}] x"
        model = build(f'y = Resize<mode="{mode}">(x, , , to)', text, opset=18, to=sizes(*to))
        graph = load(save(model)).graph
        x = RNG.normal(size=shape).astype(np.float32)
        (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
        assert_close(evaluate(graph, {"x": x})[graph.outputs["y"]], np.asarray(wanted))


REFUSED = {
    "too large": ('mode="cubic"', "float[N,1,1,60000] x", (1, 1, 1, 60001), "mixes 60000 places"),
    "no part": (
        'mode="linear", coordinate_transformation_mode="tf_crop_and_resize"',
        "float[N,2,7,9] x",
        (1, 2, 3, 3),
        "takes a part of 0 bounds",
    ),
}


@pytest.mark.parametrize(("attributes", "text", "to", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(
    attributes: str, text: str, to: tuple[int, ...], reason: str, build: Build, save: Save
) -> None:
    model = build(f"y = Resize<{attributes}>(x, , , to)", text, opset=18, to=sizes(*to))
    (entry,) = examine(save(model)).unsupported
    assert reason in entry.reason


def test_factors_that_are_not_the_quotient_of_the_sizes(build: Build, check: Check) -> None:
    """With ``align_corners`` the reference of onnx divides by the factor, ONNX Runtime does not."""
    attributes = 'mode="cubic", coordinate_transformation_mode="align_corners"'
    factors = np.array([1, 1, 0.8, 0.7])
    check(build(f"y = Resize<{attributes}>(x, , factors)", X, opset=18, factors=factors))
