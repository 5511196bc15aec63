"""Writes the digits that `snnc demo` and the examples run on, from MNIST.

From the repository root: ``python -m examples.train.demo_data``. The file holds the first 500 test
images ``x`` with their labels ``y``, and 256 images ``calibration`` drawn from the training set.
Images are bytes; the models take pixel / 255.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.datasets import load

DIGITS, CALIBRATION, SEED = 500, 256, 0


def pixels(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Undoes the division by 255, without loss."""
    original: NDArray[np.uint8] = np.rint(x * 255).astype(np.uint8)
    return original


def main() -> None:
    """Draws the digits and writes the file."""
    parser = argparse.ArgumentParser(description="Write the demo digits.")
    parser.add_argument("--output", type=Path, default=Path("compiler/demo/digits.npz"))
    args = parser.parse_args()

    x, y = load("mnist", "test")
    x_train, _ = load("mnist", "train")
    drawn = np.random.default_rng(SEED).choice(len(x_train), CALIBRATION, replace=False)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.output, x=pixels(x[:DIGITS]), y=y[:DIGITS], calibration=pixels(x_train[drawn])
    )
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
