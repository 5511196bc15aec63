"""The nine well-known networks that the onnx package brings without weights, with random ones.

Their weights are what a ``ConstantOfShape`` gives: here each is replaced by normal numbers that
keep the size of what they are applied to, so that activations neither vanish nor overflow.
"""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

from snnc.ir import Array


def graphs() -> list[Path]:
    """Return the files, sorted by name."""
    return sorted((Path(loader.DATA_DIR) / "light").glob("*.onnx"))


def with_weights(path: Path, target: Path, seed: int = 0) -> Path:
    """Write a network with random weights; return where."""
    model = onnx.load(path)
    rng = np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    variances = {n.input[4] for n in model.graph.node if n.op_type == "BatchNormalization"}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = tuple(int(size) for size in shapes[node.input[0]])
        values = _weights(shape, node.output[0] in variances, rng)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.ir_version = max(model.ir_version, 4)  # initializers need not be inputs
    onnx.save(model, target)
    return target


def _weights(shape: tuple[int, ...], variance: bool, rng: np.random.Generator) -> Array:
    if variance:
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if len(shape) < 2:
        return (1 + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    values = rng.standard_normal(shape, np.float32)
    values *= np.float32((2 / prod(shape[1:])) ** 0.5)
    return values


if __name__ == "__main__":
    with_weights(Path(sys.argv[1]), Path(sys.argv[2]))
