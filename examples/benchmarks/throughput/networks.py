"""The networks that are timed, and their samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from examples.benchmarks.task import calibration_samples
from examples.datasets import load
from snnc.ir import Array

DATA = {"lenet5": "mnist", "mlp": "mnist", "resnet20": "cifar10", "vgg": "cifar10"}
MODELS = {
    "lenet5": Path("compiler/demo/lenet5.onnx"),
    "resnet20": Path("examples/models/resnet20.onnx"),
}

LAYERS, PIXELS, CLASSES = 4, 784, 10


@dataclass(frozen=True)
class TestNetwork:
    """A network and the samples it is timed on.

    Attributes:
        name: A key of ``DATA``.
        model: The ONNX file.
    """

    name: str
    model: Path

    __test__ = False  # pytest, this is no test

    @property
    def data(self) -> str:
        """Name of the data set."""
        return DATA[self.name]

    @property
    def trained(self) -> bool:
        """Whether its answers mean something."""
        return self.name != "mlp"

    @cached_property
    def sha256(self) -> str:
        """Of the ONNX file; empty where there is none."""
        if not self.model.is_file():
            return ""
        return hashlib.sha256(self.model.read_bytes()).hexdigest()

    def test_samples(self, count: int) -> tuple[Array, Array]:
        """Return the first test samples and their labels."""
        x, y = load(self.data, "test")
        return x[:count], y[:count]

    def calibration(self, count: int) -> Array:
        """Return training samples drawn with a fixed seed."""
        return calibration_samples(self.data)[:count]


def random_mlp(path: Path, width: int, seed: int = 0) -> Path:
    """Write an MLP of four hidden layers with random weights, unless it is there.

    Weights are drawn as He et al. (ICCV 2015) do, so that half of the activations are positive
    and their size stays the same from layer to layer.
    """
    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    sides = (PIXELS, *[width] * LAYERS, CLASSES)
    nodes, weights, here = [helper.make_node("Flatten", ["x"], ["flat"])], [], "flat"
    for layer, (inputs, outputs) in enumerate(pairwise(sides), 1):
        weight = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"weight{layer}"))
        last = layer == len(sides) - 1
        result = "logits" if last else f"sum{layer}"
        nodes.append(helper.make_node("Gemm", [here, f"weight{layer}"], [result]))
        if not last:
            here = f"relu{layer}"
            nodes.append(helper.make_node("Relu", [result], [here]))
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        for name, shape in (("x", (1, 28, 28)), ("logits", (CLASSES,)))
    ]
    graph = helper.make_graph(nodes, "mlp", edges[:1], edges[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
    return path
