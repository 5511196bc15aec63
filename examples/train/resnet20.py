"""Trains ResNet-20 on CIFAR-10 and exports it to ONNX.

From the repository root, about an hour on two CPU cores::

    python -m examples.train.resnet20 --output examples/models/resnet20.onnx

The network is the one of He et al. (2016) with a 1x1 convolution wherever a shortcut changes the
shape. The model normalises its input itself: feed pixels / 255. The recipe is fixed: all 50,000
training images, a fixed number of epochs, the weights after the last one. Nothing is chosen on the
test set, which is looked at once, at the end. To try another recipe use ``--holdout 5000``: it
trains on the rest, reports the accuracy on the images held out, and neither exports nor touches the
test set. With ``--checkpoint FILE`` the state is saved after each epoch; ``--resume FILE`` goes on
from there.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.datasets import load
from examples.train.classifier import accuracy, export, onnx_accuracy

SHIFT = 4  # pixels, the augmentation
WARM_UP = 0.2  # share of the training in which the learning rate rises
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


def augmented(images: Tensor) -> Tensor:
    """Moves each image by up to `SHIFT` pixels each way, filling with zeros, and mirrors half."""
    height, width = images.shape[2:]
    windows = functional.pad(images, (SHIFT,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * SHIFT + 1, (2, len(images)))
    moved = windows[torch.arange(len(images)), :, down, right]
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, moved, moved.flip(3))


def train(model: nn.Module, x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """Trains in place with SGD; the learning rate rises and falls linearly, once.

    Forward passes are computed in bfloat16, the weights and their updates in 32 bits.
    """
    optimizer = torch.optim.SGD(
        model.parameters(), momentum=0.9, nesterov=True, weight_decay=args.weight_decay
    )
    first = 1
    if args.resume:
        state = torch.load(args.resume)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        first = state["epoch"] + 1
    model.train()
    for epoch in range(first, args.epochs + 1):
        start, loss_sum, correct = time.perf_counter(), 0.0, 0
        batches = torch.split(torch.randperm(len(x)), args.batch)
        for number, batch in enumerate(batches):
            done = (epoch - 1 + number / len(batches)) / args.epochs
            for group in optimizer.param_groups:
                group["lr"] = args.rate * min(done / WARM_UP, (1 - done) / (1 - WARM_UP))
            images = augmented(x[batch]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(images)
            loss = functional.cross_entropy(logits.float(), y[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            correct += int((logits.argmax(1) == y[batch]).sum())
        print(
            f"epoch {epoch:2}/{args.epochs}  loss {loss_sum / len(x):.4f}  "
            f"training accuracy {correct / len(x):.2%}  {time.perf_counter() - start:.1f} s",
            flush=True,
        )
        if args.checkpoint:
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "random": torch.get_rng_state(),
                "epoch": epoch,
            }
            save(state, args.checkpoint)


def save(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint such that a crash meanwhile leaves the one before."""
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def main() -> None:
    """Trains, exports and reports."""
    parser = argparse.ArgumentParser(description="Train ResNet-20 on CIFAR-10, export it to ONNX.")
    parser.add_argument("--output", type=Path, default=Path("resnet20.onnx"))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.2, help="highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--holdout", type=int, default=0, help="images kept back for tuning")
    parser.add_argument("--checkpoint", type=Path, help="save the state here after each epoch")
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    x, y = (torch.from_numpy(array) for array in load("cifar10", "train"))
    kept = len(x) - args.holdout
    model = ResNet20()
    train(model, x[:kept], y[:kept], args)
    if args.holdout:
        print(f"accuracy on the {args.holdout} held out: {accuracy(model, x[kept:], y[kept:]):.2%}")
        return

    proto = export(model, (3, 32, 32), args.output)
    x, y = (torch.from_numpy(array) for array in load("cifar10", "test"))
    print(f"{args.output}: {', '.join(node.op_type for node in proto.graph.node)}")
    print(f"test accuracy {onnx_accuracy(args.output, x, y):.2%} in ONNX Runtime")


if __name__ == "__main__":
    main()
