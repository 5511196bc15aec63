"""Goes on training a ResNet-20 from its ONNX file, with another activation, and exports it.

From the repository root, ten minutes or so each on two CPU cores::

    python -m examples.train.finetune relu --model resnet20.onnx --output better.onnx
    python -m examples.train.finetune qcfs --output examples/models/resnet20-qcfs8.onnx
    python -m examples.train.finetune clipped --output examples/models/resnet20-clipped.onnx
    python -m examples.train.finetune rnl --output examples/models/resnet20-rnl.onnx

``relu`` only trains on. ``qcfs`` quantises each activation to 8 levels with a trained range,
``clipped`` cuts all activations at one number, ``rnl`` makes them rates (`activations`).

In the file the batch normalisations are folded into the convolutions. Each convolution gets one
again which begins as the identity: its deviation and mean are those of the sums that it divides and
shifts. So the network computes what the file computes and can be trained as it once was.

The recipe is fixed: all 50,000 training images, a fixed number of epochs, the running mean of the
weights after the last one. There is no hold-out: the network in the file has seen every training
image. The test set is looked at once, at the end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from examples.train.activations import QCFS, RateNorm, ThresholdReLU
from examples.train.classifier import export
from examples.train.rate_inference import shrink_thresholds
from examples.train.recipe import Recipe, prepare, report, tensors, train
from examples.train.resnet20 import ResNet20

CALIBRATION = 500  # images


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One way to go on.

    Attributes:
        activation: Makes the activation of a layer from what ReLU gets there, and of all layers.
        recipe: How to train with it.
    """

    activation: Callable[[Tensor, list[Tensor]], nn.Module]
    recipe: Recipe


def percentile(share: float, z: Tensor) -> float:
    """The value that a share of ReLU's outputs does not exceed."""
    return float(torch.quantile(z.relu().flatten(), share))


def common_bound(layers: list[Tensor]) -> float:
    """One bound for all layers: the mean of their 99.9 % percentiles, rounded up to an integer."""
    return float(math.ceil(sum(percentile(0.999, z) for z in layers) / len(layers)))


STAGES = {
    "relu": Stage(
        activation=lambda z, layers: nn.ReLU(),
        recipe=Recipe(epochs=10, rate=0.03, averaging=0.998),
    ),
    "qcfs": Stage(
        activation=lambda z, layers: QCFS(percentile(0.99, z), levels=8),
        recipe=Recipe(epochs=8, rate=0.03, averaging=0.998),
    ),
    "clipped": Stage(
        activation=lambda z, layers: ThresholdReLU(common_bound(layers)),
        recipe=Recipe(epochs=6, rate=0.03, averaging=0.998),
    ),
    "rnl": Stage(
        activation=lambda z, layers: RateNorm(float(z.max())),
        recipe=Recipe(epochs=4, rate=0.03, averaging=0.998),
    ),
}


def read(path: Path) -> ResNet20:
    """A ResNet-20 with the weights of an ONNX file and normalisations that change nothing."""
    graph = onnx.load(path).graph
    values = {item.name: torch.tensor(numpy_helper.to_array(item)) for item in graph.initializer}
    sources = [node.input for node in graph.node if node.op_type == "Conv"]
    model = ResNet20()
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for source, convolution, norm in zip(sources, convolutions, norms, strict=True):
            convolution.weight.copy_(values[source[1]])
            norm.bias.copy_(values[source[2]])
            norm.running_var = torch.full_like(norm.bias, 1 - norm.eps)
        model.fc.weight.copy_(values["fc.weight"])
        model.fc.bias.copy_(values["fc.bias"])
    return model.eval()


def inputs_of(model: nn.Module, kind: type[nn.Module], x: Tensor) -> dict[str, Tensor]:
    """What the modules of one kind get, by their names."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.__setitem__(name, inputs[0])
        )
        for name, module in model.named_modules()
        if isinstance(module, kind)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return seen


def normalise(model: nn.Module, x: Tensor) -> None:
    """Gives batch normalisations the statistics of what they get; what comes out stays the same."""
    for name, z in inputs_of(model, nn.BatchNorm2d, x).items():
        norm = model.get_submodule(name)
        assert isinstance(norm, nn.BatchNorm2d)
        norm.running_var, norm.running_mean = torch.var_mean(z, (0, 2, 3))
        with torch.no_grad():
            norm.weight.copy_((norm.running_var + norm.eps).sqrt())
            norm.bias.add_(norm.running_mean)


def activate(model: nn.Module, stage: Stage, x: Tensor) -> None:
    """Puts the activation of a stage where ReLUs are."""
    z = inputs_of(model, nn.ReLU, x)
    for name in z:
        model.set_submodule(name, stage.activation(z[name], list(z.values())))


def freeze_rates(model: nn.Module) -> None:
    """Makes the thresholds of rate norm layers constants."""
    for name, module in list(model.named_modules()):
        if isinstance(module, RateNorm):
            model.set_submodule(name, module.frozen())


def main() -> None:
    """Trains, exports and reports."""
    parser = argparse.ArgumentParser(description="Fine-tune ResNet-20 with another activation.")
    parser.add_argument("activation", choices=STAGES)
    parser.add_argument("--model", type=Path, default=Path("examples/models/resnet20.onnx"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="1 on a machine with other work")
    parser.add_argument("--steps", type=int, help="only try the machinery: steps of training")
    parser.add_argument("--checkpoint", type=Path, help="save the state here after each epoch")
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    args = parser.parse_args()

    prepare(args.threads, args.seed)
    stage = STAGES[args.activation]
    x, y = tensors("cifar10", "train")
    model: nn.Module = read(args.model)
    normalise(model, x[:CALIBRATION])
    activate(model, stage, x[:CALIBRATION])
    recipe = replace(stage.recipe, checkpoint=args.checkpoint, resume=args.resume)
    if args.steps:
        x, y = x[: args.steps * recipe.batch], y[: args.steps * recipe.batch]
        recipe = replace(recipe, epochs=1)
    model = train(model, x, y, recipe)
    if args.activation == "rnl":
        shrink_thresholds(model, x, y)
        freeze_rates(model)
    if args.steps:
        export(model, (3, 32, 32), args.output)
    else:
        report(model, "cifar10", args.output)


if __name__ == "__main__":
    main()
