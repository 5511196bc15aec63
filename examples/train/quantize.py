r"""Quantises a trained network to 8 bits after training, with ONNX Runtime's quantiser.

From the repository root, a minute each::

    python -m examples.train.quantize compiler/demo/lenet5.onnx --data mnist \
        --output examples/models/lenet5-int8.onnx
    python -m examples.train.quantize examples/models/resnet20.onnx --data cifar10 \
        --output examples/models/resnet20-int8.onnx

Static, QDQ: QuantizeLinear and DequantizeLinear stand around every operator. Activations are uint8
with zero points, weights int8 and symmetric with a scale for each output channel, biases int32. The
ranges are the smallest and largest values on 1,024 training images. The logits are not quantised.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from examples.datasets import load
from examples.train.classifier import onnx_accuracy
from examples.train.recipe import tensors

CALIBRATION = 1024  # images
BATCH = 128


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Gives the quantiser batches of images."""

    def __init__(self, x: NDArray[np.float32]) -> None:
        self.batches: Iterator[NDArray[np.float32]] = iter(np.array_split(x, len(x) // BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"x": batch}


def quantize(model: Path, x: NDArray[np.float32], output: Path) -> onnx.ModelProto:
    """Writes a network in 8 bits and returns what the file holds.

    Args:
        model: The float network, with input ``x`` and output ``logits``.
        x: Training images.
        output: The file; its folder is made.
    """
    last = onnx.load(model).graph.node[-1]
    output.parent.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)  # it advises a step of preparation that fuses nothing here
    quantize_static(
        model,
        output,
        Images(x),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"OpTypesToExcludeOutputQuantization": [last.op_type]},
    )
    proto = onnx.load(output)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def main() -> None:
    """Quantises and reports."""
    parser = argparse.ArgumentParser(description="Quantise a network to 8 bits after training.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", choices=["mnist", "fashion-mnist", "cifar10"], required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="draws the training images")
    args = parser.parse_args()

    x, _ = load(args.data, "train")
    chosen = np.random.default_rng(args.seed).permutation(len(x))[:CALIBRATION]
    proto = quantize(args.model, x[chosen], args.output)
    counts = Counter(node.op_type for node in proto.graph.node)
    print(f"{args.output}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    torch.set_num_threads(1)
    test, labels = tensors(args.data, "test")
    for name, path in (("float", args.model), ("int8", args.output)):
        print(f"test accuracy {onnx_accuracy(path, test, labels):.2%} ({name}), ONNX Runtime")


if __name__ == "__main__":
    main()
