"""Trains LeNet-5 with ReLU on MNIST and exports it to ONNX.

From the repository root, a few minutes each on two CPU cores::

    python -m examples.train.lenet --pool average --output compiler/demo/lenet5.onnx
    python -m examples.train.lenet --pool max --output examples/models/lenet5-max.onnx

The recipe is fixed: all 60,000 training images, a fixed number of epochs, the weights after the
last one. Nothing is chosen on the test set, which is looked at once, at the end. To try another
recipe use ``--holdout 5000``: it trains on the rest, reports the accuracy on the images held out,
and neither exports nor touches the test set.
"""

from __future__ import annotations

import argparse
import time
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.datasets import load
from examples.train.classifier import accuracy, export, onnx_accuracy

SHIFT = 2  # pixels, the augmentation


def lenet5(pool: str) -> nn.Sequential:
    """Builds LeNet-5 with ReLU and `pool` ``average`` or ``max``; layer names become node names."""
    pooling = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}[pool]
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(1, 6, 5, padding=2)),
        ("relu1", nn.ReLU()),
        ("pool1", pooling(2)),
        ("conv2", nn.Conv2d(6, 16, 5)),
        ("relu2", nn.ReLU()),
        ("pool2", pooling(2)),
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(400, 120)),
        ("relu3", nn.ReLU()),
        ("fc2", nn.Linear(120, 84)),
        ("relu4", nn.ReLU()),
        ("fc3", nn.Linear(84, 10)),
    ]
    return nn.Sequential(OrderedDict(layers))


def shifted(images: Tensor) -> Tensor:
    """Moves each image by up to `SHIFT` pixels each way, at random, filling with zeros."""
    height, width = images.shape[2:]
    windows = functional.pad(images, (SHIFT,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * SHIFT + 1, (2, len(images)))
    return windows[torch.arange(len(images)), :, down, right]


def train(model: nn.Module, x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """Trains in place with AdamW and a one-cycle learning rate; prints one line an epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=args.weight_decay)
    batches = -(-len(x) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.rate, total_steps=args.epochs * batches
    )
    for epoch in range(1, args.epochs + 1):
        start, loss_sum, correct = time.perf_counter(), 0.0, 0
        for batch in torch.split(torch.randperm(len(x)), args.batch):
            logits = model(shifted(x[batch]))
            loss = functional.cross_entropy(logits, y[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(batch)
            correct += int((logits.argmax(1) == y[batch]).sum())
        print(
            f"epoch {epoch:2}/{args.epochs}  loss {loss_sum / len(x):.4f}  "
            f"training accuracy {correct / len(x):.2%}  {time.perf_counter() - start:.1f} s",
            flush=True,
        )


def main() -> None:
    """Trains, exports and reports."""
    parser = argparse.ArgumentParser(description="Train LeNet-5 on MNIST and export it to ONNX.")
    parser.add_argument("--pool", choices=["average", "max"], default="average")
    parser.add_argument("--output", type=Path, default=Path("lenet5.onnx"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--holdout", type=int, default=0, help="images kept back for tuning")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    x, y = (torch.from_numpy(array) for array in load("mnist", "train"))
    kept = len(x) - args.holdout
    model = lenet5(args.pool)
    train(model, x[:kept], y[:kept], args)
    if args.holdout:
        print(f"accuracy on the {args.holdout} held out: {accuracy(model, x[kept:], y[kept:]):.2%}")
        return

    proto = export(model, (1, 28, 28), args.output)
    x, y = (torch.from_numpy(array) for array in load("mnist", "test"))
    print(f"{args.output}: {', '.join(node.op_type for node in proto.graph.node)}")
    print(f"test accuracy {accuracy(model, x, y):.2%} in torch")
    print(f"test accuracy {onnx_accuracy(args.output, x, y):.2%} in ONNX Runtime")


if __name__ == "__main__":
    main()
