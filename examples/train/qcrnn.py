"""Trains a quantised convolutional recurrent network on MNIST as a sequence, exports it to ONNX.

From the repository root, a quarter of an hour on one CPU core for the digits row by row::

    python -m examples.train.qcrnn --output examples/models/qcrnn-smnist.onnx

and for their pixels one by one in a fixed random order (784 elements, hours; use a GPU)::

    python -m examples.train.qcrnn --task psmnist --device cuda --output qcrnn-psmnist.onnx

Each element goes through a convolution, the state of the network is

    h[n] = quantised(W a[n] + U h[n - 1] + b),

and a linear layer reads the last state. Activations and state are quantised in training, with
steps that are learned (LSQ: Esser et al., ICLR 2020), weights to 8 bits; gradients pass through
every rounding. The file has QuantizeLinear and DequantizeLinear around the same numbers, the
recurrent part in the body of a Scan (``qcrnn_export``).

The recipe is fixed: all 60,000 training digits, a fixed number of epochs, the weights after the
last one. The test set is looked at once, at the end. ``--holdout 5000`` trains on the rest and
reports the accuracy on the digits held out, without export.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.datasets import load
from examples.train.classifier import accuracy, onnx_accuracy
from examples.train.lenet import shifted
from examples.train.qcrnn_export import Step, to_onnx

SIZE = 28
"""Height and width of a digit."""

LARGEST_WEIGHT = 127
"""Weights are whole multiples of a 127th of the largest one."""


@dataclass(frozen=True)
class Task:
    """How a digit becomes a sequence.

    Attributes:
        elements: Length of the sequence.
        width: Pixels of one element.
        kernel: Width of the convolution.
        stride: Its step.
        order: Which pixel comes when, ``(784,)``.
    """

    elements: int
    width: int
    kernel: int
    stride: int
    order: np.ndarray[Any, np.dtype[np.int64]]

    def sequences(self, images: Tensor) -> Tensor:
        """Return digits as ``(digits, elements, 1, 1, width)``."""
        pixels = images.flatten(1)[:, torch.from_numpy(self.order)]
        return pixels.reshape(len(images), self.elements, 1, 1, self.width)


ROWS = np.arange(SIZE * SIZE)
TASKS = {
    "smnist": Task(SIZE, SIZE, kernel=5, stride=2, order=ROWS),
    "psmnist": Task(SIZE * SIZE, 1, 1, 1, np.random.default_rng(0).permutation(SIZE * SIZE)),
}
"""Digits row by row, and pixel by pixel in an order drawn once."""


class Rounding(torch.autograd.Function):
    """Rounds to the nearest integer, ties to even; the gradient passes."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """Return the nearest integers."""
        return torch.round(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Return the gradient as it is."""
        return gradient


def nearest(x: Tensor) -> Tensor:
    """Return the nearest integers."""
    rounded: Tensor = Rounding.apply(x)  # type: ignore[no-untyped-call]
    return rounded


class Quantised(nn.Module):
    """An activation of few levels, ``step * clip(round(f(x) / step), low, high)``.

    ``relu`` has the levels 0 to ``2**bits - 1`` and a step that is learned; ``tanh`` has as many
    levels below 0 as above and the largest one is 1.
    """

    def __init__(self, bits: int, function: str) -> None:
        super().__init__()
        self.function = function
        signed = function == "tanh"
        self.low = 1 - 2 ** (bits - 1) if signed else 0
        self.high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        self.bits = bits
        self.step = nn.Parameter(torch.tensor(1 / self.high), requires_grad=not signed)

    def forward(self, x: Tensor) -> Tensor:
        """Return the quantised activation."""
        if self.function == "tanh":
            x = torch.tanh(x)
        slope = (x.shape[-1] * self.high) ** -0.5  # of the step's gradient, as LSQ
        step = self.step.detach() + slope * (self.step - self.step.detach())
        rounded: Tensor = nearest(torch.clamp(x / step, self.low, self.high)) * step
        return rounded


def weight_step(weight: Tensor) -> Tensor:
    """Return what a weight is a whole multiple of."""
    return weight.detach().abs().max() / LARGEST_WEIGHT


def rounded(weight: Tensor) -> Tensor:
    """Return a weight on its 8-bit grid."""
    step = weight_step(weight)
    on_grid: Tensor = nearest(weight / step) * step
    return on_grid


class Qcrnn(nn.Module):
    """A convolution of each element, a quantised recurrent layer, a linear layer."""

    def __init__(self, task: Task, channels: int, hidden: int, bits: int, state: str) -> None:
        super().__init__()
        self.task = task
        padding = task.kernel // 2
        wide = (task.width + 2 * padding - task.kernel) // task.stride + 1
        self.convolution = nn.Conv2d(1, channels, (1, task.kernel), (1, task.stride), (0, padding))
        self.inner = nn.Linear(channels * wide, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        self.head = nn.Linear(hidden, 10)
        self.seen = Quantised(bits, "relu")
        self.state = Quantised(bits, state)
        if state == "relu":  # keeps what it holds (Le, Jaitly, Hinton, arXiv 1504.00941)
            nn.init.eye_(self.recurrent.weight)
            nn.init.normal_(self.inner.weight, std=0.3 * (channels * wide) ** -0.5)
        else:
            nn.init.orthogonal_(self.recurrent.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores of sequences ``(batch, elements, 1, 1, width)``."""
        layer = self.convolution
        elements = x.shape[1]
        seen = functional.conv2d(
            x.flatten(0, 1), rounded(layer.weight), layer.bias, layer.stride, layer.padding
        )
        drive = functional.linear(
            self.seen(seen).flatten(1), rounded(self.inner.weight), self.inner.bias
        ).reshape(len(x), elements, -1)
        weight = rounded(self.recurrent.weight)
        h = torch.zeros(len(x), len(weight), device=x.device)
        for n in range(elements):
            h = self.state(drive[:, n] + functional.linear(h, weight))
        return functional.linear(h, rounded(self.head.weight), self.head.bias)

    def to_onnx(self) -> onnx.ModelProto:
        """Return the network as QDQ operators."""

        def integers(weight: Tensor) -> tuple[np.ndarray[Any, Any], float]:
            step = weight_step(weight).cpu()
            grid = torch.round(weight.detach().cpu() / step).to(torch.int8)
            return grid.numpy(), float(step)

        def floats(bias: Tensor | None) -> np.ndarray[Any, Any]:
            assert bias is not None
            return bias.detach().cpu().numpy()

        layer = self.convolution
        return to_onnx(
            elements=self.task.elements,
            width=self.task.width,
            stride=self.task.stride,
            weights={
                name: integers(part.weight)
                for name, part in self.named_children()
                if isinstance(part, (nn.Conv2d, nn.Linear))
            },
            biases={
                "convolution": floats(layer.bias),
                "inner": floats(self.inner.bias),
                "head": floats(self.head.bias),
            },
            seen=Step(self.seen.step.item(), self.seen.bits, "relu"),
            state=Step(self.state.step.item(), self.state.bits, self.state.function),
        )


def start_steps(model: Qcrnn, x: Tensor) -> None:
    """Let the learned steps begin where the levels just hold what the weights give."""
    for part in (model.seen, model.state):
        if part.step.requires_grad:
            part.step.data.fill_(1e-3)
    with torch.no_grad():
        layer = model.convolution
        seen = functional.relu(layer(x.flatten(0, 1)))
        model.seen.step.fill_(
            float(torch.quantile(seen[:500].flatten()[:1000000], 0.999)) / model.seen.high
        )
        if model.state.step.requires_grad:
            drive = model.inner(model.seen(seen).flatten(1)).unflatten(0, x.shape[:2])
            h = torch.zeros(len(x), drive.shape[-1], device=x.device)
            for n in range(x.shape[1]):
                h = functional.relu(drive[:, n] + model.recurrent(h))
            model.state.step.fill_(float(torch.quantile(h.flatten(), 0.99)) / model.state.high)


def train(model: Qcrnn, images: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """Trains in place with AdamW and a one-cycle learning rate; prints one line an epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=args.weight_decay)
    batches = -(-len(images) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.rate, total_steps=args.epochs * batches, pct_start=0.2
    )
    for epoch in range(1, args.epochs + 1):
        start, loss_sum, correct = time.perf_counter(), 0.0, 0
        for batch in torch.split(torch.randperm(len(images)), args.batch):
            x = model.task.sequences(shifted(images[batch])).to(args.device)
            y = labels[batch].to(args.device)
            scores = model(x)
            loss = functional.cross_entropy(scores, y)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(batch)
            correct += int((scores.argmax(1) == y).sum())
        print(
            f"epoch {epoch:2}/{args.epochs}  loss {loss_sum / len(images):.4f}  "
            f"training accuracy {correct / len(images):.2%}  {time.perf_counter() - start:.1f} s",
            flush=True,
        )


def main() -> None:
    """Trains, exports and reports."""
    parser = argparse.ArgumentParser(description="Train a quantised CRNN on sequential MNIST.")
    parser.add_argument("--task", choices=list(TASKS), default="smnist")
    parser.add_argument("--state", choices=["relu", "tanh"], default="tanh")
    parser.add_argument("--bits", type=int, default=4, help="of activations and state")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=160)
    parser.add_argument("--output", type=Path, default=Path("qcrnn.onnx"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--holdout", type=int, default=0, help="digits kept back for tuning")
    parser.add_argument("--images", type=int, default=60000, help="digits to train on")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    task = TASKS[args.task]
    images, labels = (torch.from_numpy(array) for array in load("mnist", "train"))
    kept = min(args.images, len(images) - args.holdout)
    model = Qcrnn(task, args.channels, args.hidden, args.bits, args.state).to(args.device)
    start_steps(model, task.sequences(images[:200]).to(args.device))
    train(model, images[:kept], labels[:kept], args)
    model = model.cpu()
    if args.holdout:
        x, y = task.sequences(images[-args.holdout :]), labels[-args.holdout :]
        print(f"accuracy on the {args.holdout} held out: {accuracy(model, x, y):.2%}")
        return

    args.output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model.to_onnx(), args.output)
    images, labels = (torch.from_numpy(array) for array in load("mnist", "test"))
    x = task.sequences(images)
    print(f"test accuracy {accuracy(model, x, labels):.2%} in torch")
    print(f"test accuracy {onnx_accuracy(args.output, x, labels):.2%} in ONNX Runtime")


if __name__ == "__main__":
    main()
