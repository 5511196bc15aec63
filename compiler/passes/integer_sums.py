"""Linear maps of quantised values as integer sums: one half of ``to_integer``.

Between two quantisers an ANN is linear. Every value there is written as a sum of terms, each an
integer sum with the real factor it counts with, and a bias:

- a convolution or a matrix product of ``x = s q`` with weights ``W = s_w V`` is the integer sum of
  ``V`` and ``q`` with the factor ``s s_w``. Inputs of different steps (after a concatenation, or
  with a step for each channel) are summed apart, one synapse for each step;
- an average pool is a depthwise convolution with weights of 1, divided by its window, which may
  be smaller at a border;
- a branch without weights is a depthwise 1x1 convolution with weight 1;
- additions put terms side by side, arithmetic with constants changes factors and bias.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from ...ir import (
    VIEWS,
    Add,
    Affine,
    Array,
    AveragePool,
    Concat,
    Conv,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Previous,
    Product,
    Quantize,
    TensorType,
)
from ...ir.bounds import weighted_bounds
from ...ir.errors import Problem
from ...ir.extent import LONGEST_IDENTITY
from ...ir.reference import padded, window_taps
from .branches import expect_few
from .integer_values import Levels, Sums, Term, aligned, is_quantised, with_bias
from .integer_weights import integer_weights

MOST_STEPS = 8
"""Most different steps among the inputs of a synapse: it is split into as many."""

MOST_MULTIPLE = 256
"""Largest whole ratio of two steps that goes into the weights instead."""


class IntegerSums(ABC):
    """The nodes made so far, and where each ANN value is found."""

    def __init__(self, ann: Graph) -> None:
        self.ann = ann
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = dict(ann.types)
        self.reach: dict[str, tuple[Array, Array]] = {}
        self.found_levels: dict[str, tuple[Levels, ...]] = {}
        self.found_sums: dict[str, Sums] = {}
        self.outputs: dict[str, str] = {}
        self.taken: set[str] = {node.name for node in ann.of_type(Input)}
        self.reserved: set[str] = set(ann.outputs.values())
        self.problems: dict[str, dict[str, Problem]] = {}

    @abstractmethod
    def make_levels(self, node: Node) -> tuple[Levels, ...]:
        """Make the nodes of a quantised value."""

    @abstractmethod
    def multiplied(self, node: Product) -> Sums:
        """Return the sums of a product of two values."""

    # -- quantised values ------------------------------------------------------------------

    def levels(self, name: str) -> tuple[Levels, ...]:
        """Return a quantised value as integers, channels behind one another."""
        if name not in self.found_levels:
            node = self.ann[name]
            if not is_quantised(self.ann, name):
                self.refuse_source(node)
                self.found_levels[name] = (self.stand_in(node),)
            else:
                self.found_levels[name] = self.make_levels(node)
        return self.found_levels[name]

    def joined(self, parts: tuple[Levels, ...], name: str) -> Levels:
        """Return parts as one value."""
        if len(parts) == 1:
            return parts[0]
        steps = [np.broadcast_to(p.step, self.types[p.edge].shape) for p in parts]
        step = np.concatenate(steps)
        if all(part.step.size == 1 and part.step == parts[0].step for part in parts):
            step = parts[0].step
        elif np.all(
            step == step.reshape(len(step), -1)[:, :1].reshape(-1, *(1,) * (step.ndim - 1))
        ):
            step = step.reshape(len(step), -1)[:, 0].reshape(-1, *(1,) * (step.ndim - 1))
        whole = Concat(name=self.free(name), inputs=tuple(part.edge for part in parts))
        self.add(whole)
        bounds = min(part.low for part in parts), max(part.high for part in parts)
        return Levels(whole.name, step, *bounds)

    # -- linear values ---------------------------------------------------------------------

    def sums(self, name: str) -> Sums:
        """Return a value as terms and a bias."""
        if name not in self.found_sums:
            self.found_sums[name] = self.make_sums(self.ann[name])
        return self.found_sums[name]

    def make_sums(self, node: Node) -> Sums:
        rank = len(self.ann.types[node.name].shape)
        if isinstance(node, Add):
            parts = [self.sums(name) for name in node.inputs]
            terms = tuple(term for part in parts for term in part.terms)
            expect_few(node, len(terms))
            return Sums(terms, np.asarray(sum(part.bias for part in parts)))
        if isinstance(node, Affine):
            inner = self.sums(node.inputs[0])
            scale, shift = aligned(node.scale, rank), aligned(node.shift, rank)
            terms = tuple(replace(term, scale=term.scale * scale) for term in inner.terms)
            return Sums(terms, inner.bias * scale + shift)
        if isinstance(node, (Conv, Linear)):
            return self.weighted(node)
        if isinstance(node, AveragePool):
            return self.mean(node)
        if isinstance(node, Product):
            return self.multiplied(node)
        return self.identity(node)

    def weighted(self, node: Conv | Linear) -> Sums:
        """Return the sums of a layer with weights."""
        parts = self.levels(node.inputs[0])
        found = integer_weights(node)
        if found is None:
            self.refuse(
                node,
                "its weights are not quantised",
                "quantise the model, e.g. with --quantize 8",
            )
            found = np.zeros(node.weight.shape, np.int64), np.ones(1)
        weight, scale = found
        rank = len(self.ann.types[node.name].shape)
        plain: Conv | Linear = replace(node, weight=weight, bias=None, copies=1, weight_scale=None)
        factor = scale.reshape(-1, *(1,) * (rank - 1))
        if isinstance(plain, Conv) and plain.groups > 1:
            terms = [self.grouped(plain, parts, factor)]
        else:
            terms = self.mixed(plain, parts, factor)
        bias: Array = np.zeros(1) if node.bias is None else node.bias
        return with_bias(terms, bias.astype(np.float64).reshape(-1, *(1,) * (rank - 1)))

    def mixed(self, node: Conv | Linear, parts: tuple[Levels, ...], factor: Array) -> list[Term]:
        """Return one term for each step among the inputs of a synapse that mixes them all."""
        terms, begin = [], 0
        for part in parts:
            channels = self.types[part.edge].shape[0]
            weight = node.weight[:, begin : begin + channels]
            begin += channels
            steps = self.channel_steps(node, part)
            ratio = steps / steps.min()
            if np.all(ratio == np.rint(ratio)) and ratio.max() <= MOST_MULTIPLE:
                whole = ratio.astype(np.int64).reshape(-1, *(1,) * (weight.ndim - 2))
                chosen = [(float(steps.min()), weight * whole)]
            else:
                across = (1, -1, *(1,) * (weight.ndim - 2))
                chosen = [
                    (float(step), weight * (steps == step).reshape(across))
                    for step in np.unique(steps)
                ]
            if len(chosen) > MOST_STEPS:
                self.refuse(
                    node,
                    f"adds up values with {len(chosen)} different steps",
                    "quantise the activations it reads per tensor",
                )
                chosen = chosen[:1]
            for step, own in chosen:
                synapse = replace(
                    node, name=self.synapse_name(node.name), inputs=(part.edge,), weight=own
                )
                terms.append(self.term(synapse, part, factor * step))
        return terms

    def grouped(self, node: Conv, parts: tuple[Levels, ...], factor: Array) -> Term:
        """Return the term of a grouped convolution; a step for each group goes into the factor."""
        part = self.joined(parts, f"{node.name}.input")
        steps = self.channel_steps(node, part).reshape(node.groups, -1)
        if np.any(steps != steps[:, :1]):
            self.refuse(
                node,
                "adds up values with different steps",
                "quantise the activations it reads per tensor",
            )
        own = np.repeat(steps[:, 0], node.weight.shape[0] // node.groups).reshape(-1, 1, 1)
        synapse = replace(node, name=self.synapse_name(node.name), inputs=(part.edge,))
        return self.term(synapse, part, factor * (own if np.ptp(own) else own[:1]))

    def channel_steps(self, node: Node, part: Levels) -> Array:
        """Return the step of each channel that a synapse reads, ``(channels,)``."""
        channels = self.types[part.edge].shape[0]
        flat = np.broadcast_to(part.step, (channels, *part.step.shape[1:])).reshape(channels, -1)
        if np.any(flat != flat[:, :1]):
            self.refuse(
                node,
                "reads values with steps that vary within a channel",
                "quantise the activations it reads per tensor",
            )
        return np.asarray(flat[:, 0])

    def mean(self, node: AveragePool) -> Sums:
        """Return the sums of an average pool's windows."""
        part = self.joined(self.levels(node.inputs[0]), f"{node.name}.input")
        channels, height, width = self.types[part.edge].shape
        synapse = Conv(
            name=self.synapse_name(node.name),
            inputs=(part.edge,),
            weight=np.ones((channels, 1, *node.kernel), np.int64),
            stride=node.stride,
            padding=node.padding,
            groups=channels,
        )
        term = self.term(synapse, part, self.channel_steps(node, part).reshape(-1, 1, 1))
        size: Array = np.full((1, 1, 1), node.kernel[0] * node.kernel[1])
        if any(node.padding) and not node.count_include_pad:
            inside = padded(np.ones((1, 1, height, width), np.int64), node.padding)
            taps = window_taps(inside, node.kernel, node.stride, (1, 1))
            size = np.asarray(sum(tap for _, tap in taps))[0]
        return Sums((replace(term, divisor=size),), np.zeros((1, 1, 1)))

    def identity(self, node: Node) -> Sums:
        """Return a quantised value as the sum of a branch without weights."""
        part = self.joined(self.levels(node.name), f"{node.name}.whole")
        shape = self.types[part.edge].shape
        name = self.free(f"{node.name}.identity")
        synapse: Conv | Linear
        if len(shape) == 3:
            weight = np.ones((shape[0], 1, 1, 1), np.int64)
            synapse = Conv(name=name, inputs=(part.edge,), weight=weight, groups=shape[0])
        elif len(shape) == 1 and shape[0] <= LONGEST_IDENTITY:
            synapse = Linear(
                name=name, inputs=(part.edge,), weight=np.eye(shape[0], dtype=np.int64)
            )
        else:
            self.refuse(
                node,
                f"has the shape {shape}, and neurons read images or not too long vectors",
                "reshape it to channels x height x width",
            )
            self.reach[part.edge] = np.full(1, part.low), np.full(1, part.high)
            one, zero = np.ones_like(part.step, np.int64), np.zeros_like(part.step, np.int64)
            return Sums((Term(part.edge, part.step, one, zero),), np.zeros((1,) * len(shape)))
        return Sums((self.term(synapse, part, part.step),), np.zeros((1,) * len(shape)))

    def term(self, synapse: Conv | Linear, part: Levels, scale: Array) -> Term:
        """Add a synapse and return what it counts for."""
        self.add(synapse)
        self.reach[synapse.name] = weighted_bounds(synapse, part.low, part.high)
        one, zero = np.ones_like(scale, np.int64), np.zeros_like(scale, np.int64)
        return Term(synapse.name, np.asarray(scale, np.float64), one, zero)

    # -- names, nodes and problems ---------------------------------------------------------

    def add(self, node: Node) -> None:
        """Append a node that is complete."""
        self.nodes.append(node)
        self.taken.add(node.name)
        self.types[node.name] = node.infer(*(self.types[name] for name in node.inputs))

    def free(self, name: str) -> str:
        """Return a name that no node has yet."""
        candidate, count = name, 1
        while candidate in self.taken:
            count += 1
            candidate = f"{name}.{count}"
        return candidate

    def synapse_name(self, name: str) -> str:
        """Return the name of a layer's synapse; that of an output is left to its readout."""
        return self.free(f"{name}.synapse" if name in self.reserved else name)

    def refuse(self, node: Node, reason: str, hint: str) -> None:
        """Note what stands in the way."""
        found = self.problems.setdefault(node.name, {})
        found[reason] = Problem(f"{node.name}: {reason}", hint)

    def refuse_source(self, node: Node) -> None:
        """Note which values are not quantised; what only moves values is not at fault."""
        if not isinstance(node, (MaxPool, *VIEWS, Concat)):
            self.refuse(node, *_why_not(node))
            return
        for name in node.inputs:
            if not is_quantised(self.ann, name):
                self.levels(name)

    def stand_in(self, node: Node) -> Levels:
        """Return some quantised value in the place of one that is refused, to go on with."""
        shape = self.ann.types[node.name].shape
        real = Input(name=self.free(f"{node.name}.real"), type=TensorType(shape))
        self.add(real)
        made = Quantize(
            name=self.free(node.name), inputs=(real.name,), scale=1.0, low=-128, high=127
        )
        self.add(made)
        return Levels(made.name, np.ones((1,) * len(shape)), -128, 127)


def _why_not(node: Node) -> tuple[str, str]:
    """Return why the value of a node is not quantised, and what to do."""
    if isinstance(node, Input):
        return (
            "is read without being quantised",
            "quantise the input, e.g. with --quantize 8",
        )
    if isinstance(node, (Add, Affine, AveragePool, Conv, Linear, Product)):
        return (
            "is read by what needs levels, and no quantiser stands between",
            "quantise it, e.g. with --quantize 8",
        )
    if isinstance(node, Previous):
        return (
            f"carries {node.source!r}, which is not quantised",
            "quantise the state before it is carried to the next element",
        )
    return "its values are not quantised", "add --approximate, which rounds them to 8 bits"
