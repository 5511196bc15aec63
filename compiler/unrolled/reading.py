"""Reads an unrolled network as polynomials: what each membrane is, in terms of the step before.

One walk over the nodes, in order. A membrane is what is compared with a threshold; it is a leaf
to all that read it, so that the polynomial of the next membrane has the step before in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto, helper

from ...ir import Array
from ..onnx_import.liveness import standard
from .polynomial import ONE, BeyondPolynomialsError, Leaf, Polynomial
from .refusal import NotRecognisedError

COMPARISONS = {"Greater": (1, True), "GreaterOrEqual": (1, False)}
COMPARISONS |= {"Less": (-1, True), "LessOrEqual": (-1, False)}
"""The side of what has to be larger, and whether it must not be equal."""


@dataclass(frozen=True, eq=False)
class Firing:
    """When a membrane fires: above ``threshold``, or at it too unless ``strict``."""

    threshold: Array
    strict: bool

    def same(self, other: Firing) -> bool:
        """Whether it is the same condition."""
        return self.strict == other.strict and np.array_equal(self.threshold, other.threshold)


@dataclass(frozen=True)
class Slice:
    """A part of an input: element ``index`` of axis ``axis``, which may still be there."""

    source: str
    axis: int
    index: int
    squeezed: bool = True


@dataclass(frozen=True)
class Stack:
    """Tensors along a new axis: values of all steps, mostly."""

    axis: int
    parts: tuple[str, ...]


@dataclass
class Reading:
    """A network as polynomials.

    Attributes:
        values: For each tensor its polynomial; that of a membrane is itself.
        membranes: For each membrane, in order, what it is computed from.
        firing: For each membrane, when it fires.
        slices: The parts of inputs.
        stacks: The tensors that were stacked.
        producers: For each tensor the node that computes it.
        constants: The values of all constants that were asked for.
    """

    constants: Mapping[str, Array]
    inputs: frozenset[str]
    producers: Mapping[str, NodeProto]
    values: dict[str, Polynomial] = field(default_factory=dict)
    membranes: dict[str, Polynomial] = field(default_factory=dict)
    firing: dict[str, Firing] = field(default_factory=dict)
    slices: dict[str, Slice] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    unsqueezed: dict[str, tuple[str, int]] = field(default_factory=dict)

    def value(self, name: str) -> Polynomial:
        """Return a tensor's polynomial."""
        if name not in self.values:
            known = self.constants.get(name)
            self.values[name] = (
                Polynomial.of(Leaf("current", name))
                if known is None
                else Polynomial.constant(known)
            )
        return self.values[name]


def is_fired(node: NodeProto) -> bool:
    """Whether a node compares two tensors."""
    return standard(node) and node.op_type in COMPARISONS


def membrane_of(node: NodeProto, reading: Reading) -> str | None:
    """Return the tensor that a comparison takes as membrane, or None where both vary.

    Where it is compared with 0, the threshold was subtracted before.
    """
    varying = [name for name in node.input if name not in reading.constants]
    fixed = [reading.constants[name] for name in node.input if name in reading.constants]
    if len(varying) != 1 or len(fixed) != 1:
        return None
    name = str(varying[0])
    before = reading.producers.get(name)
    if not np.any(fixed[0]) and before is not None and before.op_type in ("Add", "Sub"):
        left = [str(each) for each in before.input if each not in reading.constants]
        return left[0] if len(left) == 1 else name
    return name


def read_polynomials(nodes: Sequence[NodeProto], reading: Reading) -> None:
    """Fill a reading.

    Args:
        nodes: The nodes that the outputs depend on, in order.
        reading: With constants, inputs and producers.
    """
    watched = {membrane_of(node, reading) for node in nodes if is_fired(node)} - {None}
    for node in nodes:
        if all(name in reading.constants for name in node.output if name):
            continue
        _read(node, reading)
        for name in node.output:
            if name in watched and _is_new(name, reading):
                reading.membranes[name] = reading.value(name)
                reading.values[name] = Polynomial.of(Leaf("membrane", name))


def _is_new(name: str, reading: Reading) -> bool:
    """Whether a membrane is one, and not one that was compared before, after its reset.

    The latter is that one, once, with its spike. (A first membrane that is the current itself is
    read more than once by the next.)
    """
    value = reading.value(name)
    if value.only_leaf is not None and value.only_leaf.kind == "membrane":
        return False  # by another name
    names = {leaf.tensor for leaf in value.leaves}
    if len(names) != 1 or len(value.terms) < 2:
        return True
    return not np.all(value.coefficient(Leaf("membrane", names.pop())) == 1)


def _read(node: NodeProto, reading: Reading) -> None:
    output = node.output[0]
    if not standard(node):
        return
    if _is_slice(node, reading) or _is_unsqueezed(node, reading):
        return
    if node.op_type == "Concat":
        _stack(node, reading)
    try:
        found = _polynomial(node, reading)
    except BeyondPolynomialsError:
        found = None
    if found is not None:
        reading.values[output] = found


def _polynomial(node: NodeProto, reading: Reading) -> Polynomial | None:
    """Return what an element-wise node computes; None for another node."""
    kind = node.op_type
    if is_fired(node):
        return _spike(node, reading)
    if kind in ("ReduceSum", "ReduceMean"):
        return _reduced(node, reading)
    if kind == "Gather":
        return _picked(node, reading)
    reads = [reading.value(name) for name in node.input if name]
    if kind in ("Identity", "Cast", "Dropout"):
        whole = all(leaf.kind == "spike" for leaf in reads[0].leaves)
        floats = [a.i for a in node.attribute if a.name == "to"]
        return reads[0] if whole or floats in ([], [1], [11]) else None
    rule = _ARITHMETIC.get(kind)
    return None if rule is None else rule(reads)


def _sum(reads: Sequence[Polynomial]) -> Polynomial:
    total = Polynomial({})
    for each in reads:
        total = total.plus(each)
    return total


_ARITHMETIC: Mapping[str, Callable[[Sequence[Polynomial]], Polynomial]] = {
    "Add": _sum,
    "Sum": _sum,
    "Sub": lambda reads: reads[0].plus(reads[1], -1),
    "Mul": lambda reads: reads[0].times(reads[1]),
    "Div": lambda reads: reads[0].divided(reads[1]),
    "Neg": lambda reads: reads[0].scaled(np.array(-1.0)),
    "Not": lambda reads: Polynomial.constant(np.array(1.0)).plus(reads[0], -1),
    "Where": lambda reads: reads[0].times(reads[1].plus(reads[2], -1)).plus(reads[2]),
}


def _spike(node: NodeProto, reading: Reading) -> Polynomial | None:
    """Return the spike of the membrane that a node compares."""
    sign, strict = COMPARISONS[node.op_type]
    difference = reading.value(node.input[0]).plus(reading.value(node.input[1]), -1)
    difference = difference.scaled(np.array(float(sign)))
    if _is_silent(difference, strict, reading):
        return Polynomial({})
    leaves = difference.leaves
    if len({leaf.tensor for leaf in leaves}) == 1 < len(leaves):
        raise NotRecognisedError(
            f"{node.output[0]}: compares a membrane again after its reset, so that one above two "
            "thresholds is reset twice; leave reset_delay at its default, or reset to zero"
        )
    if len(leaves) != 1 or (leaf := next(iter(leaves))).kind != "membrane":
        return None
    factor = difference.coefficient(leaf)
    if not np.all(factor > 0):
        return None
    firing = Firing(-difference.fixed / factor, strict)
    known = reading.firing.setdefault(leaf.tensor, firing)
    return Polynomial.of(Leaf("spike", leaf.tensor)) if known.same(firing) else None


def _is_silent(difference: Polynomial, strict: bool, reading: Reading) -> bool:
    """Whether a membrane is compared again after its reset to 0, when it cannot be above theta.

    Then it is ``M (1 - S) - theta``, with S set wherever M is above theta.
    """
    names = {leaf.tensor for leaf in difference.leaves}
    if len(names) != 1 or (name := next(iter(names))) not in reading.firing:
        return False
    membrane, spike = Leaf("membrane", name), Leaf("spike", name)
    theta = -difference.fixed
    form = Polynomial.of(membrane).plus(Polynomial.of(membrane).times(Polynomial.of(spike)), -1)
    rest = difference.plus(form, -1).without([ONE])
    firing = reading.firing[name]
    return not rest.terms and firing.same(Firing(theta, strict)) and bool(np.all(theta >= 0))


# -- values along time ------------------------------------------------------------------------


def _is_slice(node: NodeProto, reading: Reading) -> bool:
    """Note the parts of inputs that a node takes; whether it takes any."""
    source = node.input[0] if node.input else ""
    if source in reading.slices:
        part = reading.slices[source]
        squeezed = node.op_type == "Squeeze" and _axes(node, reading) == [part.axis]
        if squeezed and not part.squeezed:
            reading.slices[node.output[0]] = Slice(part.source, part.axis, part.index)
            return True
        return False
    rule = _PARTS.get(node.op_type)
    found = rule(node, reading) if rule is not None and source in reading.inputs else None
    reading.slices.update(found or {})
    return bool(found)


def _gathered(node: NodeProto, reading: Reading) -> dict[str, Slice] | None:
    index = reading.constants.get(node.input[1])
    if index is None or index.size != 1 or index.ndim > 1:
        return None
    axis, place = _attribute(node, "axis", 0), int(index.reshape(()))
    return {node.output[0]: Slice(node.input[0], axis, place, squeezed=index.ndim == 0)}


def _sliced(node: NodeProto, reading: Reading) -> dict[str, Slice] | None:
    known = [reading.constants.get(name) for name in node.input[1:] if name]
    bounds = [int(np.reshape(x, ())) for x in known if x is not None and x.size == 1]
    if len(bounds) < max(3, len(known)) or bounds[1] != bounds[0] + 1:
        return None
    return {node.output[0]: Slice(node.input[0], bounds[2], bounds[0], squeezed=False)}


def _split(node: NodeProto, reading: Reading) -> dict[str, Slice] | None:
    sizes = reading.constants.get(node.input[1]) if len(node.input) > 1 else None
    if sizes is None or not np.all(sizes == 1):
        return None
    axis = _attribute(node, "axis", 0)
    return {
        name: Slice(node.input[0], axis, index, squeezed=False)
        for index, name in enumerate(node.output)
    }


_PARTS: Mapping[str, Callable[[NodeProto, Reading], dict[str, Slice] | None]] = {
    "Gather": _gathered,
    "Slice": _sliced,
    "Split": _split,
}


def _is_unsqueezed(node: NodeProto, reading: Reading) -> bool:
    """Note a tensor that another is with one axis more, or was before; whether a node makes one.

    SpikingJelly computes a step as a sequence of one.
    """
    kind, output = node.op_type, node.output[0]
    axes = _axes(node, reading)
    if kind == "Unsqueeze" and axes is not None and len(axes) == 1:
        reading.unsqueezed[output] = (node.input[0], axes[0])
        return True
    if kind not in ("Squeeze", "Slice", "Gather") or node.input[0] not in reading.unsqueezed:
        return False
    source, axis = reading.unsqueezed[node.input[0]]
    if kind == "Slice":
        part = _sliced(node, reading) or {}
        whole = all((one.axis, one.index) == (axis, 0) for one in part.values())
        reading.unsqueezed.update({output: (source, axis)} if part and whole else {})
        return bool(part) and whole
    picked_part = _gathered(node, reading) if kind == "Gather" else {}
    picked = picked_part is not None and all(
        (one.axis, one.index, one.squeezed) == (axis, 0, True) for one in picked_part.values()
    )
    if not picked or (kind == "Squeeze" and axes != [axis]):
        return False
    reading.values[output] = reading.value(source)
    return True


def _stack(node: NodeProto, reading: Reading) -> None:
    axis = _attribute(node, "axis", 0)
    parts = [reading.unsqueezed.get(name) for name in node.input]
    if len(parts) > 1 and all(part is not None and part[1] == axis for part in parts):
        names = tuple(part[0] for part in parts if part is not None)
        reading.stacks[node.output[0]] = Stack(axis, names)


def _reduced(node: NodeProto, reading: Reading) -> Polynomial | None:
    """Return the sum or the mean of what was stacked."""
    stack = reading.stacks.get(node.input[0])
    if stack is None or _attribute(node, "keepdims", 1) or _axes(node, reading) != [stack.axis]:
        return None
    total = Polynomial({})
    for name in stack.parts:
        total = total.plus(reading.value(name))
    count = len(stack.parts) if node.op_type == "ReduceMean" else 1
    return total.scaled(np.array(1 / count))


def _picked(node: NodeProto, reading: Reading) -> Polynomial | None:
    """Return one of the values that were stacked."""
    stack, index = reading.stacks.get(node.input[0]), reading.constants.get(node.input[1])
    if stack is None or index is None or index.ndim or _attribute(node, "axis", 0) != stack.axis:
        return None
    place = int(index)
    if not -len(stack.parts) <= place < len(stack.parts):
        return None
    return reading.value(stack.parts[place])


def _axes(node: NodeProto, reading: Reading) -> list[int] | None:
    """Return the axes of a node, which newer opsets give as an input."""
    for attribute in node.attribute:
        if attribute.name == "axes":
            return [int(axis) for axis in attribute.ints]
    if len(node.input) > 1 and node.input[1] in reading.constants:
        return [int(axis) for axis in np.ravel(reading.constants[node.input[1]])]
    return None


def _attribute(node: NodeProto, name: str, default: int) -> int:
    for attribute in node.attribute:
        if attribute.name == name:
            return int(helper.get_attribute_value(attribute))
    return default
