"""Goes on training a network with quantised weights and activations, and writes QDQ ONNX.

From the repository root, LeNet-5 some minutes and ResNet-20 about a quarter of an hour on two CPU
cores::

    python -m examples.train.qat lenet5 --bits 4 --output examples/models/lenet5-int4.onnx
    python -m examples.train.qat lenet5 --bits 2 --output examples/models/lenet5-int2.onnx
    python -m examples.train.qat resnet20 --bits 4 --output examples/models/resnet20-int4.onnx
    python -m examples.train.qat resnet20 --bits 2 --output examples/models/resnet20-int2.onnx

The float network is read from its ONNX file. Every value between two linear maps is quantised: the
image to its own 8 bits (a step is 1/255), each ReLU and each average to `bits` without sign. A
residual sum is quantised once, by the ReLU behind it; the shortcut reads the quantised output of
the block before. Weights have `bits` with sign, symmetric, a scale for each output channel; those
of the first and the last layer have 8, and so has the mean in front of ResNet's last layer. The
normalisation of ResNet's input is moved into its first convolution, which then meets black instead
of grey beyond the border. The logits are not quantised.

The recipe is fixed: all training images, a fixed number of epochs, the running mean of the weights
after the last one. The test set is looked at once, at the end.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from examples.train import finetune
from examples.train.classifier import accuracy, onnx_accuracy
from examples.train.lenet import lenet5
from examples.train.qdq import Writer
from examples.train.quantizers import QuantizedConv, QuantizedLinear, Quantizer, best_step
from examples.train.recipe import Recipe, prepare, tensors, train
from examples.train.resnet20 import DEVIATION, MEAN, Block

CALIBRATION = 500  # images
PIXEL = 1 / 255
EXTREME_BITS = 8
"""Bits of the first and the last layer's weights, and of the mean in front of the last."""


def read_lenet(path: Path) -> nn.Module:
    """The LeNet-5 of an ONNX file, with a place for the quantiser of its input."""
    model = lenet5("average")
    model.load_state_dict(
        {
            item.name: torch.tensor(numpy_helper.to_array(item))
            for item in onnx.load(path).graph.initializer
        }
    )
    layers = [("input", nn.Identity()), *model.named_children()]
    return nn.Sequential(OrderedDict(layers)).eval()


def read_resnet(path: Path) -> nn.Module:
    """The ResNet-20 of an ONNX file, its normalisation of pixels inside the first convolution."""
    model = finetune.read(path)
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    with torch.no_grad():
        model.conv.weight.div_(deviation.reshape(1, 3, 1, 1))
        model.norm.bias.sub_(torch.einsum("ochw,c->o", model.conv.weight, mean))
    layers = [("input", nn.Identity()), *list(model.named_children())[1:]]
    return nn.Sequential(OrderedDict(layers)).eval()


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network that can be trained on.

    Attributes:
        read: Reads the float network; its input passes a module ``input``.
        model: The file.
        data: Name of the data set.
        recipe: How to train.
    """

    read: Callable[[Path], nn.Module]
    model: Path
    data: str
    recipe: Recipe


TASKS = {
    "lenet5": Task(
        read=read_lenet,
        model=Path("compiler/demo/lenet5.onnx"),
        data="mnist",
        recipe=Recipe(epochs=10, rate=0.02, shift=2, mirror=False, averaging=0.998),
    ),
    "resnet20": Task(
        read=read_resnet,
        model=Path("examples/models/resnet20.onnx"),
        data="cifar10",
        recipe=Recipe(epochs=5, rate=0.03, averaging=0.998),
    ),
}


def quantize(model: nn.Module, bits: int, x: Tensor) -> None:
    """Puts quantisers into a float network; their steps fit what some images cause.

    Args:
        model: With a module ``input`` at its beginning.
        bits: Of weights and activations, but for the exceptions that the module names.
        x: Images.
    """
    z = finetune.inputs_of(model, nn.ReLU, x)
    pooled: dict[str, Tensor] = {}
    for kind in (nn.AvgPool2d, nn.AdaptiveAvgPool2d):
        for name, before in finetune.inputs_of(model, kind, x).items():
            pooled[name] = model.get_submodule(name)(before)
    layers = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]

    model.set_submodule("input", Quantizer(PIXEL, 0, 255, trained=False))
    for name, before in z.items():
        model.set_submodule(name, fitted(before.relu(), bits))
    for name, mean in pooled.items():
        pool = model.get_submodule(name)
        wide = EXTREME_BITS if isinstance(pool, nn.AdaptiveAvgPool2d) else bits
        quantized = OrderedDict(mean=pool, quantizer=fitted(mean, wide))
        model.set_submodule(name, nn.Sequential(quantized))
    for name in layers:
        layer = model.get_submodule(name)
        wide = EXTREME_BITS if name in (layers[0], layers[-1]) else bits
        if isinstance(layer, nn.Conv2d):
            model.set_submodule(name, QuantizedConv(layer, wide))
        elif isinstance(layer, nn.Linear):
            model.set_submodule(name, QuantizedLinear(layer, wide))


def fitted(x: Tensor, bits: int) -> Quantizer:
    """A quantiser without sign for numbers like these."""
    high = 2**bits - 1
    return Quantizer(float(best_step(x.reshape(1, -1), 0, high)), 0, high)


def write(model: nn.Module, path: Path, shape: tuple[int, ...]) -> None:
    """Writes a network as ONNX.

    Args:
        model: A network with quantisers.
        path: The file.
        shape: Of an image.
    """
    writer = Writer()
    emit(writer, "", model.eval(), "x")
    writer.write(path, shape)


def emit(writer: Writer, name: str, module: nn.Module, x: str) -> str:
    """Writes a module that reads `x`; returns the name of what it computes."""
    if isinstance(module, Block):
        inner = emit_chain(writer, name, module, x, "conv1", "norm1", "relu1", "conv2", "norm2")
        outer = emit(writer, f"{name}.shortcut", module.shortcut, x)
        total = writer.node("Add", f"{name}.sum", inner, outer)
        return emit(writer, f"{name}.relu2", module.relu2, total)
    if isinstance(module, nn.Sequential):
        return emit_chain(writer, name, module, x, *dict(module.named_children()))
    if isinstance(module, Quantizer):
        return writer.quantize(name, x, module)
    if isinstance(module, (QuantizedConv, QuantizedLinear)):
        return writer.weighted(name, x, module)
    if isinstance(module, nn.AvgPool2d):
        size = [module.kernel_size] * 2
        return writer.node("AveragePool", name, x, kernel_shape=size, strides=size)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return writer.node("GlobalAveragePool", name, x)
    if isinstance(module, nn.Flatten):
        return writer.flatten(name, x)
    assert isinstance(module, nn.Identity), module
    return x


def emit_chain(writer: Writer, name: str, parent: nn.Module, x: str, *children: str) -> str:
    """Writes modules one behind the other, a convolution with the normalisation behind it."""
    modules = [(child, parent.get_submodule(child)) for child in children]
    for (child, module), (_, follower) in zip(modules, [*modules[1:], ("", None)], strict=True):
        path = f"{name}.{child}".lstrip(".")
        if isinstance(module, QuantizedConv) and isinstance(follower, nn.BatchNorm2d):
            x = writer.weighted(path, x, module, follower)
        elif not isinstance(module, nn.BatchNorm2d):
            x = emit(writer, path, module, x)
    return x


def main() -> None:
    """Trains, exports and reports."""
    parser = argparse.ArgumentParser(description="Quantisation-aware training, exported as ONNX.")
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("--bits", type=int, choices=range(2, 9), default=4)
    parser.add_argument("--model", type=Path, help="the float network, an ONNX file")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="1 on a machine with other work")
    parser.add_argument("--steps", type=int, help="only try the machinery: steps of training")
    parser.add_argument("--checkpoint", type=Path, help="save the state here after each epoch")
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    args = parser.parse_args()

    prepare(args.threads, args.seed)
    task = TASKS[args.network]
    recipe = replace(
        task.recipe,
        epochs=args.epochs or task.recipe.epochs,
        rate=args.rate or task.recipe.rate,
        checkpoint=args.checkpoint,
        resume=args.resume,
    )
    x, y = tensors(task.data, "train")
    shape = tuple(x.shape[1:])
    model = task.read(args.model or task.model)
    finetune.normalise(model, x[:CALIBRATION])
    quantize(model, args.bits, x[:CALIBRATION])
    if args.steps:
        x, y = x[: args.steps * recipe.batch], y[: args.steps * recipe.batch]
        recipe = replace(recipe, epochs=1)
    model = train(model, x, y, recipe)
    write(model, args.output, shape)
    if args.steps:
        return
    x, y = tensors(task.data, "test")
    print(f"test accuracy {accuracy(model, x, y):.2%} in torch")
    print(f"test accuracy {onnx_accuracy(args.output, x, y):.2%} in ONNX Runtime", flush=True)


if __name__ == "__main__":
    main()
