"""Training with SGD on images: the loop, its settings and its command line, shared by recipes.

A recipe is fixed before it runs: all training images, a fixed number of epochs, the weights after
the last one. Nothing is chosen on the test set, which is looked at once, at the end. To try another
recipe use ``--holdout 5000``: it trains on the rest, reports the accuracy on the images held out,
and neither exports nor touches the test set. With ``--checkpoint FILE`` the state is saved after
each epoch; ``--resume FILE`` goes on from there.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.datasets import Split, load
from examples.train.classifier import accuracy, export, onnx_accuracy


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: Passes over the training images.
        rate: Highest learning rate; it rises from 0 and falls to 0 linearly, once.
        warm_up: Share of the training in which the rate rises.
        batch: Images a step.
        weight_decay: Of all parameters.
        shift: Pixels that an image is moved by at most, each way.
        mirror: Whether half the images are mirrored.
        averaging: Share of the weights' running mean that a step keeps; 0 keeps the last weights.
        checkpoint: Where the state goes after each epoch.
        resume: A checkpoint to go on from.
    """

    epochs: int
    rate: float
    warm_up: float = 0.2
    batch: int = 128
    weight_decay: float = 5e-4
    shift: int = 4
    mirror: bool = True
    averaging: float = 0.0
    checkpoint: Path | None = None
    resume: Path | None = None


def augmented(images: Tensor, shift: int, mirror: bool = True) -> Tensor:
    """Moves each image by up to `shift` pixels each way, filling with zeros, and mirrors half."""
    height, width = images.shape[2:]
    windows = functional.pad(images, (shift,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * shift + 1, (2, len(images)))
    moved = windows[torch.arange(len(images)), :, down, right]
    if not mirror:
        return moved
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, moved, moved.flip(3))


def train(model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> nn.Module:
    """Trains in place and returns the running mean of the network, which is the one to use.

    Forward passes are computed in bfloat16, the weights and their updates in 32 bits.
    """
    optimizer = torch.optim.SGD(
        model.parameters(), momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    mean = copy.deepcopy(model)
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "model": model,
        "optimizer": optimizer,
        "mean": mean,
    }
    first = 1
    if recipe.resume:
        state = torch.load(recipe.resume)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
        first = state["epoch"] + 1
    model.train()
    for epoch in range(first, recipe.epochs + 1):
        start, loss_sum, correct = time.perf_counter(), 0.0, 0
        batches = torch.split(torch.randperm(len(x)), recipe.batch)
        for number, batch in enumerate(batches):
            done = (epoch - 1 + number / len(batches)) / recipe.epochs
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * min(
                    done / recipe.warm_up, (1 - done) / (1 - recipe.warm_up)
                )
            images = augmented(x[batch], recipe.shift, recipe.mirror)
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(images)
            loss = functional.cross_entropy(logits.float(), y[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            approach(mean, model, 1 - recipe.averaging)
            loss_sum += loss.item() * len(batch)
            correct += int((logits.argmax(1) == y[batch]).sum())
        print(
            f"epoch {epoch:2}/{recipe.epochs}  loss {loss_sum / len(x):.4f}  "
            f"training accuracy {correct / len(x):.2%}  {time.perf_counter() - start:.1f} s",
            flush=True,
        )
        if recipe.checkpoint:
            state = {name: part.state_dict() for name, part in parts.items()}
            save(state | {"random": torch.get_rng_state(), "epoch": epoch}, recipe.checkpoint)
    return mean


def approach(mean: nn.Module, model: nn.Module, share: float) -> None:
    """Moves the numbers of one network a share of the way to those of another."""
    target = model.state_dict()
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.lerp_(target[name], share)


def save(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint such that a crash meanwhile leaves the one before."""
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def tensors(name: str, split: Split) -> tuple[Tensor, Tensor]:
    """Images and labels of a data set."""
    x, y = load(name, split)
    return torch.from_numpy(x), torch.from_numpy(y)


def prepare(threads: int, seed: int) -> None:
    """Makes a run repeatable."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


def report(model: nn.Module, data: str, path: Path) -> None:
    """Exports and says how well the file does on the test set."""
    x, y = tensors(data, "test")
    proto = export(model, (x.shape[1], x.shape[2], x.shape[3]), path)
    counts = Counter(node.op_type for node in proto.graph.node)
    print(f"{path}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    print(f"test accuracy {onnx_accuracy(path, x, y):.2%} in ONNX Runtime", flush=True)


def command(
    title: str, build: Callable[[], nn.Module], data: str, output: str, recipe: Recipe
) -> None:
    """Trains a network from scratch, exports and reports.

    Args:
        title: What the command does, for its help.
        build: Makes the network.
        data: Name of the data set.
        output: Name of the file unless the user gives one.
        recipe: What holds unless the user says otherwise.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--output", type=Path, default=Path(output))
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--batch", type=int, default=recipe.batch)
    parser.add_argument("--rate", type=float, default=recipe.rate, help="highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=recipe.weight_decay)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="1 on a machine with other work")
    parser.add_argument("--holdout", type=int, default=0, help="images kept back for tuning")
    parser.add_argument("--checkpoint", type=Path, help="save the state here after each epoch")
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    args = parser.parse_args()
    recipe = replace(
        recipe,
        epochs=args.epochs,
        batch=args.batch,
        rate=args.rate,
        weight_decay=args.weight_decay,
        checkpoint=args.checkpoint,
        resume=args.resume,
    )

    prepare(args.threads, args.seed)
    x, y = tensors(data, "train")
    kept = len(x) - args.holdout
    model = train(build(), x[:kept], y[:kept], recipe)
    if args.holdout:
        print(f"accuracy on the {args.holdout} held out: {accuracy(model, x[kept:], y[kept:]):.2%}")
        return
    report(model, data, args.output)
