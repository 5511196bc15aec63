"""Trains ResNet-20 on CIFAR-10 and exports it to ONNX.

From the repository root, about an hour on two CPU cores::

    python -m examples.train.resnet20 --output resnet20.onnx

The network is the one of He et al. (2016) with a 1x1 convolution wherever a shortcut changes the
shape. The model normalises its input itself: feed pixels / 255. How it trains: `recipe`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.train.recipe import Recipe, command

MEAN = (0.4914, 0.4822, 0.4465)  # of the training images, per channel
DEVIATION = (0.2470, 0.2435, 0.2616)


class Normalise(nn.Module):
    """Turns pixels in [0, 1] into numbers of mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut around them."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        result: Tensor = self.relu2(inner + self.shortcut(x))
        return result


class ResNet20(nn.Sequential):
    """A stem, three stages of three blocks with 16, 32 and 64 channels, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.stage1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.stage2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.stage3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


if __name__ == "__main__":
    command(
        "Train ResNet-20 on CIFAR-10 and export it to ONNX.",
        ResNet20,
        "cifar10",
        "resnet20.onnx",
        Recipe(epochs=40, rate=0.2),
    )
