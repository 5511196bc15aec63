"""Operators that ONNX Runtime's optimiser makes of two: a linear map and the activation behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....ir import Affine, Clip, Curve, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from . import linear
from .planes import on_lines
from .smooth import leaky

Handler = Callable[[Operation], tuple[Node, ...]]


def conv(op: Operation) -> tuple[Node, ...]:
    """Convert ``FusedConv``."""
    if op.given(3):
        raise RefusalError("adds another activation", "save the model without optimisation")
    return _activated(op, on_lines(linear.conv), "activation_params")


def gemm(op: Operation) -> tuple[Node, ...]:
    """Convert ``FusedGemm``."""
    return _activated(op, linear.gemm, "activation_alpha")


def matmul(op: Operation) -> tuple[Node, ...]:
    """Convert ``FusedMatMul``: a product times a number."""
    turned = ("transA", "transB", "transBatchA", "transBatchB")
    if any(op.integer(name, 0) for name in turned):
        raise RefusalError("transposes a factor", "save the model without optimisation")
    alpha = op.number("alpha", 1.0)
    made = op.emit(linear.matmul(op.reading(*op.inputs, name=op.part("product"))))
    scale = np.full(1, alpha)
    return (Affine(name=op.output, inputs=(made.name,), scale=scale, shift=np.zeros(1)),)


def _activated(op: Operation, handler: Handler, parameters: str) -> tuple[Node, ...]:
    function = op.text("activation", "")
    several = op.numbers(parameters) if parameters == "activation_params" else None
    first = op.number(parameters, 0.0) if parameters == "activation_alpha" else 0.0
    given = several or (first,)
    inner = op.reading(*op.inputs, name=op.part("linear"))
    made = op.emit(handler(inner))
    return _activation(op, made, function, given)


def _activation(
    op: Operation, made: Activation, function: str, given: tuple[float, ...]
) -> tuple[Node, ...]:
    if function == "Relu":
        return (Clip(name=op.output, inputs=(made.name,)),)
    if function == "Clip" and len(given) == 2:
        return (Clip(name=op.output, inputs=(made.name,), low=given[0], high=given[1]),)
    if function == "Tanh":
        return (Curve(name=op.output, inputs=(made.name,), function="tanh"),)
    if function == "Sigmoid":
        return (Curve(name=op.output, inputs=(made.name,), function="sigmoid"),)
    if function == "LeakyRelu":
        return leaky(op.reading(made, name=op.output), np.full(1, given[0] or 0.01))
    raise RefusalError(f"is followed by {function}", "save the model without optimisation")
