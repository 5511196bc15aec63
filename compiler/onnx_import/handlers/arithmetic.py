"""Arithmetic with constants, sums of activations, and BatchNormalization."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....ir import Add, Affine, Array, Node, Product
from ....ir.ops import broadcasts_to
from ..operation import TOO_MUCH, Operation
from ..values import Activation, RefusalError
from .gathering import broadcast, repeated

ONE = np.ones(())
ZERO = np.zeros(())


def add(op: Operation) -> tuple[Node, ...]:
    """Convert ``Add`` of an activation and a constant, or of two activations."""
    if op.is_constant(0) or op.is_constant(1):
        source, value = operands(op)
        return (affine(op, source, ONE, value),)
    return total(op)


def total(op: Operation) -> tuple[Node, ...]:
    """Convert ``Sum``, and ``Add`` of activations."""
    sources = [op.activation(i) for i in range(len(op.inputs))]
    if len(sources) == 1:
        return ()
    sources = broadcast(op, sources)
    return (Add(name=op.output, inputs=tuple(source.name for source in sources)),)


def subtract(op: Operation) -> tuple[Node, ...]:
    """Convert ``Sub``: ``x - c``, ``c - x``, and ``x - y`` as ``x + (-y)``."""
    if op.is_constant(1):
        source, value = operands(op)
        return (affine(op, source, ONE, -value),)
    if op.is_constant(0):
        source, value = operands(op)
        return (affine(op, source, -ONE, value),)
    left, right = broadcast(op, [op.activation(0), op.activation(1)])
    negated = Affine(name=op.part("negated"), inputs=(right.name,), scale=-ONE, shift=ZERO)
    return negated, Add(name=op.output, inputs=(left.name, negated.name))


def multiply(op: Operation) -> tuple[Node, ...]:
    """Convert ``Mul`` with a constant, or of two activations, which only code ``exact`` can."""
    if not (op.is_constant(0) or op.is_constant(1)):
        factors = broadcast(op, [op.activation(0), op.activation(1)])
        return (Product(name=op.output, inputs=tuple(factor.name for factor in factors)),)
    source, value = operands(op)
    return (affine(op, source, value, ZERO),)


def divide(op: Operation) -> tuple[Node, ...]:
    """Convert ``Div`` by a constant."""
    if not op.is_constant(1):
        raise RefusalError("divides by an activation", "divide by constants only")
    source, value = operands(op)
    if not value.all():
        raise RefusalError("divides by zero", "mend the constant")
    return (affine(op, source, 1 / value, ZERO),)


def negate(op: Operation) -> tuple[Node, ...]:
    """Convert ``Neg``."""
    return (affine(op, op.activation(), -ONE, ZERO),)


def batch_normalization(op: Operation) -> tuple[Node, ...]:
    """Convert ``BatchNormalization`` with the statistics collected in training."""
    op.ignore("momentum")
    if op.integer("training_mode", 0):
        raise RefusalError("is in training mode", "export the model in evaluation mode")
    source = op.activation()
    channels = source.type.shape[0] if source.type.shape else 0
    if not op.integer("spatial", 1) and len(source.type.shape) != 1:
        raise RefusalError("has statistics for each pixel", "use statistics for each channel")
    gamma, beta, mean, variance = (op.parameter(i) for i in (1, 2, 3, 4))
    if any(p.shape != (channels,) for p in (gamma, beta, mean, variance)):
        raise RefusalError(f"its parameters are not {channels} numbers each", "export it again")
    if channels > op.rest:
        raise RefusalError(*TOO_MUCH)
    deviation = variance + op.number("epsilon", 1e-5)
    if not (deviation > 0).all():
        raise RefusalError("has a variance that is not positive", "mend the trained model")
    scale = gamma / np.sqrt(deviation)
    per_channel = (channels,) + (1,) * (len(source.type.shape) - 1)
    shift = beta - scale * mean
    return (affine(op, source, scale.reshape(per_channel), shift.reshape(per_channel)),)


def operands(op: Operation) -> tuple[Activation, Array]:
    """Return the activation and the constant of a node that has one of each.

    The constant comes without its batch axis; where it is larger, the activation is repeated.
    """
    if op.is_constant(0) == op.is_constant(1):
        raise RefusalError(
            "combines two constants, or two activations", "fold the constants before the export"
        )
    constant = 0 if op.is_constant(0) else 1
    source = op.activation(1 - constant)
    value = op.shared(constant, 1 + len(source.type.shape))
    return _as_large_as(op, source, value), value


def _as_large_as(op: Operation, source: Activation, value: Array) -> Activation:
    """Return an activation, repeated along axes of size 1 where a constant has more."""
    shape = source.type.shape
    aligned = (1,) * (len(shape) - value.ndim) + value.shape
    if value.ndim > len(shape) or any(
        1 not in (n, size) and n != size for n, size in zip(aligned, shape, strict=True)
    ):
        raise RefusalError(
            f"the constant of shape {value.shape} does not fit batch and {shape}",
            "use a constant that has one number a channel, or the shape of the activation",
        )
    nodes = repeated(op, source, tuple(map(max, aligned, shape)), op.part("repeated"))
    return op.emit(nodes) if nodes else source


def affine(op: Operation, source: Activation, scale: Array, shift: Array) -> Affine:
    """Return ``scale * source + shift`` under the name of the node's output."""
    return Affine(name=op.output, inputs=(source.name,), scale=scale, shift=shift)


def _masked(mask: Array, value: Array) -> Array:
    try:
        return np.where(mask, value, 0.0)
    except ValueError:
        raise RefusalError(
            f"its condition {mask.shape} does not fit {value.shape}", "use one of their shape"
        ) from None


def where(op: Operation) -> tuple[Node, ...]:
    """Convert ``Where`` with a constant condition: a mask for either side."""
    if not op.is_constant(0):
        raise RefusalError("chooses by what depends on data", "choose by a constant condition")
    chosen = op.constant(0)
    sides: list[Activation | Array] = []
    for index, mask in ((1, chosen), (2, ~chosen.astype(bool))):
        if op.is_constant(index):
            sides.append(_masked(mask, op.parameter(index)))
            continue
        source = op.activation(index)
        shape = source.type.shape
        if mask.ndim == 1 + len(shape) and mask.shape[0] == 1:
            mask = mask[0]
        if not broadcasts_to(mask.shape, shape):
            raise RefusalError(
                f"its condition {mask.shape} makes {shape} larger", "use one of their shape"
            )
        node = affine(op, source, mask.astype(np.float64), ZERO)
        sides.append(op.emit((replace(node, name=op.part(f"side{index}")),)))
    activations = [side for side in sides if isinstance(side, Activation)]
    if len(activations) == 2:
        activations = broadcast(op, activations)
        return (Add(name=op.output, inputs=tuple(side.name for side in activations)),)
    (source,), (value,) = activations, [s for s in sides if not isinstance(s, Activation)]
    shape = source.type.shape
    value = value[0] if value.ndim == 1 + len(shape) and len(value) == 1 else value
    if not broadcasts_to(value.shape, shape):
        raise RefusalError(f"its constant {value.shape} makes {shape} larger", "use their shape")
    return (affine(op, source, ONE, value),)


def power(op: Operation) -> tuple[Node, ...]:
    """Convert ``Pow`` with the exponent 1, 2 or 3, by products."""
    exponent = op.constant(1)
    if exponent.size != 1 or float(exponent.reshape(-1)[0]) not in (1.0, 2.0, 3.0):
        raise RefusalError("has an exponent other than 1, 2 and 3", "multiply instead")
    source = op.activation()
    times = int(exponent.reshape(-1)[0])
    here = source
    for index in range(1, times):
        name = op.output if index == times - 1 else op.part("square")
        node = Product(name=name, inputs=(here.name, source.name))
        if index == times - 1:
            return (node,)
        here = op.emit((node,))
    return ()
