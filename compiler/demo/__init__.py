"""The bundled model and digits of ``snnc demo``.

``lenet5.onnx`` is a LeNet-5 with average pooling, trained on MNIST by
``examples/train/lenet.py``; ``digits.npz`` holds MNIST digits (LeCun, Cortes, Burges): 500 of
the test set with labels, and 256 of the training set for calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...ir import Array

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Demo:
    """A trained model with data.

    Attributes:
        model: The ONNX file.
        test: Digits of the test set, ``(500, 1, 28, 28)``, float32, 0 to 1.
        labels: Their labels, ``(500,)``, int64.
        calibration: Digits of the training set, ``(256, 1, 28, 28)``, float32, 0 to 1.
    """

    model: Path
    test: Array
    labels: Array
    calibration: Array


def bundled() -> Demo:
    """Return the model and the digits that come with snnc."""
    with np.load(FOLDER / "digits.npz", allow_pickle=False) as file:
        return Demo(
            model=FOLDER / "lenet5.onnx",
            test=_to_unit(file["x"]),
            labels=file["y"],
            calibration=_to_unit(file["calibration"]),
        )


def _to_unit(pixels: Array) -> Array:
    """Return pixels of 8 bits as the model was trained on them: divided by 255."""
    return pixels.astype(np.float32) / np.float32(255)
