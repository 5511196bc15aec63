"""Trains a small convolutional network on Fashion-MNIST and exports it to ONNX.

From the repository root, ten minutes or so on two CPU cores::

    python -m examples.train.fashion --output examples/models/fashion.onnx

Four 3x3 convolutions with batch normalisation (folded in the file) and average pooling, then two
linear layers. Feed pixels / 255. How it trains: `recipe`.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from examples.train.recipe import Recipe, command


def fashion() -> nn.Sequential:
    """Builds the network; layer names become node names."""
    layers: list[tuple[str, nn.Module]] = []
    previous = 1
    for number, channels in enumerate((24, 24, 48, 48), 1):
        layers += [
            (f"conv{number}", nn.Conv2d(previous, channels, 3, padding=1, bias=False)),
            (f"norm{number}", nn.BatchNorm2d(channels)),
            (f"relu{number}", nn.ReLU()),
        ]
        previous = channels
        if number % 2 == 0:
            layers.append((f"pool{number // 2}", nn.AvgPool2d(2)))
    layers += [
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(7 * 7 * previous, 96)),
        ("relu5", nn.ReLU()),
        ("fc2", nn.Linear(96, 10)),
    ]
    return nn.Sequential(OrderedDict(layers))


if __name__ == "__main__":
    command(
        "Train a small convolutional network on Fashion-MNIST and export it to ONNX.",
        fashion,
        "fashion-mnist",
        "fashion.onnx",
        Recipe(epochs=10, rate=0.05, shift=2),
    )
