"""Trains a VGG-style network with max pooling on CIFAR-10 and exports it to ONNX.

From the repository root, half an hour or so on two CPU cores::

    python -m examples.train.vgg --output vgg.onnx

Four stages of two 3x3 convolutions, each stage twice as wide as the one before and half as large,
after Simonyan and Zisserman (2015), with batch normalisation (folded in the file) and one linear
layer. The model normalises its input itself: feed pixels / 255. How it trains: `recipe`.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from examples.train.recipe import Recipe, command
from examples.train.resnet20 import Normalise

CHANNELS = (40, 80, 160, 320)


def vgg() -> nn.Sequential:
    """Builds the network; layer names become node names."""
    layers: list[tuple[str, nn.Module]] = [("normalise", Normalise())]
    previous = 3
    for stage, channels in enumerate(CHANNELS, 1):
        for number in (1, 2):
            name = f"{stage}_{number}"
            layers += [
                (f"conv{name}", nn.Conv2d(previous, channels, 3, padding=1, bias=False)),
                (f"norm{name}", nn.BatchNorm2d(channels)),
                (f"relu{name}", nn.ReLU()),
            ]
            previous = channels
        layers.append((f"pool{stage}", nn.MaxPool2d(2)))
    layers += [("flatten", nn.Flatten()), ("fc", nn.Linear(4 * previous, 10))]
    return nn.Sequential(OrderedDict(layers))


if __name__ == "__main__":
    command(
        "Train a VGG-style network on CIFAR-10 and export it to ONNX.",
        vgg,
        "cifar10",
        "vgg.onnx",
        Recipe(epochs=12, rate=0.1),
    )
