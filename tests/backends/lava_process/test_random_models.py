"""Random ONNX files through importer and compiler: Lava and the simulator agree in every number.

Hundreds more, and Lava's own connection models: ``examples/benchmarks/lava_equality.py``.
"""

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.lava_process import LavaBackend
from snnc.ir import IF
from snnc.ir.neurons import SATURATION
from tests.command_line import write_model

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]

SEEDS = (4, 16, 100, 106, 112, 116, 124, 1008, 1015, 1029)
"""Of every code, of up to 56 operators; five have two inputs, four have two outputs, and three more
groups than Lava's convolution counts."""


FAST = (100, 106, 112, 124)
"""Every code once, two inputs, two outputs and 200 groups; CI runs the others too."""


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=() if seed in FAST else pytest.mark.slow) for seed in SEEDS],
)
def test_lava_equals_the_simulator(seed: int) -> None:
    name = "examples.benchmarks.lava_equality"
    equality = pytest.importorskip(name, reason="runs in a checkout only")
    network = equality.compiled(seed)
    x = equality.random_inputs(equality.model_of(seed), seed, 2)
    assert list(equality.differences(network, x, fast=True)) == []
    assert list(equality.simulator_differences(network.graph, network.timesteps, x)) == []


def test_a_compiled_network_that_saturates_says_so(tmp_path: Path) -> None:
    """Rate coding sends one spike a step, so drive far above the threshold piles up."""
    rng = np.random.default_rng(3)
    both_signs = np.repeat([[1.0], [-1.0]], 400, axis=1)
    path = write_model(
        tmp_path / "model.onnx",
        "a = Gemm<transB = 1>(x, w) b = Relu(a) y = Gemm<transB = 1>(b, v)",
        "(float[N,400] x) => (float[N,3] y)",
        {"w": both_signs, "v": rng.normal(size=(3, 2))},
    )
    x = np.repeat(rng.uniform(-1, 1, (40, 1)), 400, axis=1).astype(np.float32)
    network = snnc.compile(
        path,
        target="lava",
        calibration=x,
        code="rate",
        timesteps=256,
        thresholds="percentile",
        percentile=20,
        correction="none",
    )
    (node,) = network.graph.of_type(IF)
    assert node.clamp == SATURATION
    notes = network.report["approximations"]
    assert any(note.startswith(f"{node.name}: its membrane can reach") for note in notes)
    result = network.run(x[:4], record=True)
    expected = snnc.backends.get_backend("numpy").lower(network.graph, 256).run({"x": x[:4]})
    np.testing.assert_array_equal(result.decoded["y"], expected.decoded["y"])
