"""What the training recipes share: accuracy in torch, the ONNX file, accuracy of that file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

BATCH = 500
"""Images classified at once."""


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of images that torch classifies correctly."""
    model.eval()
    with torch.no_grad():
        guesses = torch.cat([model(part).argmax(1) for part in torch.split(x, BATCH)])
    return float((guesses == y).double().mean())


def export(model: nn.Module, shape: tuple[int, int, int], path: Path) -> onnx.ModelProto:
    """Writes one self-contained ONNX file and returns what it holds.

    Args:
        model: A classifier.
        shape: Channels, height and width of an image.
        path: The file; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model.eval(),
        (torch.zeros(1, *shape),),
        str(path),
        input_names=["x"],
        output_names=["logits"],
        dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,  # the newer exporter needs onnxscript
    )
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def onnx_accuracy(path: Path, x: Tensor, y: Tensor) -> float:
    """The share of images that ONNX Runtime classifies correctly with the exported file."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits = [session.run(["logits"], {"x": part.numpy()})[0] for part in torch.split(x, BATCH)]
    return float(np.mean(np.concatenate(logits).argmax(1) == y.numpy()))
