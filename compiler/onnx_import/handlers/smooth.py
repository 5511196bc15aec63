"""Smooth activation functions: curves, and products of them as exporters write them."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from ....ir import Add, Affine, Array, Clip, Curve, Node, Product
from ....ir.ops import Smooth, broadcasts_to
from ..operation import Operation
from ..values import Activation, Made, RefusalError
from .quantized import QUANTIZERS


def tanh(op: Operation) -> tuple[Node, ...] | Made:
    """Convert ``Tanh``; a quantiser behind it takes it over."""
    return Made(function="tanh") if _rounded(op) else _curve(op, "tanh")


def sigmoid(op: Operation) -> tuple[Node, ...] | Made:
    """Convert ``Sigmoid``; a quantiser behind it takes it over."""
    return Made(function="sigmoid") if _rounded(op) else _curve(op, "sigmoid")


def elu(op: Operation) -> tuple[Node, ...]:
    """Convert ``Elu``."""
    return _curve(op, "elu", op.number("alpha", 1.0))


def selu(op: Operation) -> tuple[Node, ...]:
    """Convert ``Selu``: ``gamma * elu(x)``."""
    alpha = op.number("alpha", 1.67326319217681884765625)
    gamma = op.number("gamma", 1.05070102214813232421875)
    inner = op.emit(_curve(op, "elu", alpha, op.part("elu")))
    return (_scaled(inner, gamma, op.output),)


def celu(op: Operation) -> tuple[Node, ...]:
    """Convert ``Celu``: ``alpha * elu(x / alpha)``."""
    alpha = op.number("alpha", 1.0)
    if not alpha:
        raise RefusalError("has alpha=0", "use Relu")
    small = op.emit((_scaled(op.activation(), 1 / alpha, op.part("divided")),))
    curve = Curve(name=op.part("elu"), inputs=(small.name,), function="elu")
    return (_scaled(op.emit((curve,)), alpha, op.output),)


def erf(op: Operation) -> tuple[Node, ...]:
    """Convert ``Erf``."""
    return _curve(op, "erf")


def softplus(op: Operation) -> tuple[Node, ...]:
    """Convert ``Softplus``."""
    return _curve(op, "softplus")


def softsign(op: Operation) -> tuple[Node, ...]:
    """Convert ``Softsign``."""
    return _curve(op, "softsign")


def gelu(op: Operation) -> tuple[Node, ...]:
    """Convert ``Gelu``: ``x / 2 * (1 + erf(x / sqrt(2)))``, or its approximation with tanh."""
    x = op.activation()
    how = op.text("approximate", "none")
    if how == "tanh":
        square = op.emit((_product(x, x, op.part("square")),))
        cubic = op.emit((_affine(square, 0.044715, 1.0, op.part("cubic")),))
        inner = op.emit((_product(x, cubic, op.part("inner")),))
        small = op.emit((_scaled(inner, sqrt(2 / pi), op.part("scaled")),))
        curve = Curve(name=op.part("tanh"), inputs=(small.name,), function="tanh")
    elif how == "none":
        small = op.emit((_scaled(x, 1 / sqrt(2), op.part("scaled")),))
        curve = Curve(name=op.part("erf"), inputs=(small.name,), function="erf")
    else:
        raise RefusalError(f"approximate={how}", "use none or tanh")
    gate = op.emit((_affine(op.emit((curve,)), 0.5, 0.5, op.part("gate")),))
    return (_product(x, gate, op.output),)


def swish(op: Operation) -> tuple[Node, ...]:
    """Convert ``Swish`` and ``QuickGelu``: ``x * sigmoid(alpha * x)``."""
    x = op.activation()
    alpha = op.number("alpha", 1.702 if op.type == "QuickGelu" else 1.0)
    small = x if alpha == 1 else op.emit((_scaled(x, alpha, op.part("scaled")),))
    curve = Curve(name=op.part("sigmoid"), inputs=(small.name,), function="sigmoid")
    return (_product(x, op.emit((curve,)), op.output),)


def mish(op: Operation) -> tuple[Node, ...]:
    """Convert ``Mish``: ``x * tanh(softplus(x))``."""
    x = op.activation()
    soft = op.emit(_curve(op, "softplus", 1.0, op.part("softplus")))
    curve = Curve(name=op.part("tanh"), inputs=(soft.name,), function="tanh")
    return (_product(x, op.emit((curve,)), op.output),)


def hard_sigmoid(op: Operation) -> tuple[Node, ...]:
    """Convert ``HardSigmoid``: ``clip(alpha * x + beta, 0, 1)``."""
    alpha, beta = op.number("alpha", 0.2), op.number("beta", 0.5)
    return _hard(op, alpha, beta, op.output)


def hard_swish(op: Operation) -> tuple[Node, ...]:
    """Convert ``HardSwish``: ``x * clip(x / 6 + 1 / 2, 0, 1)``."""
    gate = op.emit(_hard(op, 1 / 6, 0.5, op.part("gate")))
    return (_product(op.activation(), gate, op.output),)


def leaky_relu(op: Operation) -> tuple[Node, ...] | Made:
    """Convert ``LeakyRelu``; a quantiser behind it takes it over."""
    slope = op.number("alpha", 0.01)
    if _rounded(op):
        if not slope > 0:
            raise RefusalError(f"alpha={slope:g} does not increase", "train the network with Relu")
        return Made(function="leaky_relu", slope=slope)
    return leaky(op, np.full(1, slope))


def prelu(op: Operation) -> tuple[Node, ...]:
    """Convert ``PRelu`` with constant slopes."""
    source, slope = op.activation(), op.parameter(1)
    shape = source.type.shape
    if slope.ndim == 1 + len(shape) and slope.shape[0] == 1:
        slope = slope[0]
    if slope.size == 1:
        slope = slope.reshape(1)
    if slope.shape == shape[:1] and not broadcasts_to(slope.shape, shape):
        slope = slope.reshape(-1, *(1,) * (len(shape) - 1))  # one a channel, as until opset 6
    if slope.ndim > len(shape):
        raise RefusalError(f"has slopes of shape {slope.shape}", "use one slope a channel")
    return leaky(op, slope)


def leaky(op: Operation, slope: Array) -> tuple[Node, ...]:
    """Return ``max(x, 0) - slope * max(-x, 0)``: two populations."""
    source = op.activation()
    up = op.emit((Clip(name=op.part("positive"), inputs=(source.name,)),))
    turned = op.emit((_scaled(source, -1.0, op.part("turned")),))
    down = op.emit((Clip(name=op.part("negative"), inputs=(turned.name,)),))
    if not slope.any():
        return (_scaled(up, 1.0, op.output),)
    least = Affine(
        name=op.part("leak"), inputs=(down.name,), scale=-slope, shift=np.zeros((1,) * slope.ndim)
    )
    return (Add(name=op.output, inputs=(up.name, op.emit((least,)).name)),)


def _hard(op: Operation, alpha: float, beta: float, name: str) -> tuple[Node, ...]:
    line = op.emit((_affine(op.activation(), alpha, beta, op.part("line")),))
    return (Clip(name=name, inputs=(line.name,), low=0.0, high=1.0),)


def _rounded(op: Operation) -> bool:
    """Whether only quantisers read the output: they have few levels."""
    op.activation()
    return bool(op.readers) and op.readers <= QUANTIZERS


def _curve(
    op: Operation, function: Smooth, alpha: float = 1.0, name: str | None = None
) -> tuple[Curve]:
    source = op.activation().name
    return (Curve(name=name or op.output, inputs=(source,), function=function, alpha=alpha),)


def _product(x: Activation, y: Activation, name: str) -> Product:
    return Product(name=name, inputs=(x.name, y.name))


def _affine(x: Activation, scale: float, shift: float, name: str) -> Affine:
    return Affine(name=name, inputs=(x.name,), scale=np.full(1, scale), shift=np.full(1, shift))


def _scaled(x: Activation, scale: float, name: str) -> Affine:
    return _affine(x, scale, 0.0, name)
