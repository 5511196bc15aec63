r"""From a quantised ANN with real values to the same ANN in integers.

A value behind a staircase is a whole multiple of its step, ``x = s q``, and the weights of a
quantised layer are whole multiples of a scale, ``W = s_w V`` with V integer. So a layer computes
integer sums, and a value that is rounded again is

.. math::
    q' = clip(round(\sum_i \frac{s_i s_{w,i}}{s' k_i} S_i + \frac{b}{s'} + o), low, high)

with :math:`S_i` the sums of its branches, :math:`k_i` the windows of average pools and
:math:`o` the offset of the rounding. In fixed point with F fractional bits and
:math:`K = lcm(k_i)`,

.. math::
    M_i = rint(2^F s_i s_{w,i} / s') K / k_i, \quad
    B = rint(2^F K (b / s' + o)) + \sum_i M_i a_i, \quad \theta = 2^F K,

which is ``Requantize``; :math:`a_i` is the bias of a layer where that is a whole number of units of
its sum, as quantised models have it, and b what is left. F is as large as 62 bits of the drive's
static range allow, some 45 for a usual layer: the factors are those of the model to more digits
than float32 has. A mean is not rounded before its quantiser, so a tie of a mean stays a tie. Where
the steps of all branches, the windows and the bias are exact in F bits, so is the layer; in any
case this integer graph is what "the quantised ANN" means from here on, and nothing behind it
rounds anything else.

Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference*, CVPR 2018, section 2.2 (fixed-point multipliers; there with 31 bits).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...ir import (
    MOVES,
    VIEWS,
    Affine,
    Array,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Dequantize,
    Gather,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Previous,
    Product,
    Quantize,
    Rearrange,
    Reshape,
    Signal,
    Staircase,
    TensorType,
)
from ...ir.errors import ConversionError
from .fixed_point import fixed_point
from .integer_products import IntegerProducts
from .integer_values import Levels, Sums, Term, aligned, is_quantised

HALF_UNIT = 1e-6
"""How far a bias at an output may be from a whole number of units before it is said."""

QUANTISE = "quantise the model, e.g. with --quantize 8"


@dataclass(frozen=True)
class ToInteger:
    """The pass.

    Attributes:
        note: Receives one sentence for each place where the integer graph rounds and the real
            one does not.
    """

    note: Callable[[str], None] = lambda sentence: None

    def __call__(self, graph: Graph) -> Graph:
        """Return the integer graph of a quantised ANN, in which ``hoist_clip`` was run.

        Raises:
            ConversionError: Something is not quantised; all nodes at fault are listed.
        """
        return _Conversion(graph, self.note).result()


class _Conversion(IntegerProducts):
    """One conversion under way: what each quantised value became."""

    def __init__(self, ann: Graph, note: Callable[[str], None]) -> None:
        super().__init__(ann)
        self.note = note

    def result(self) -> Graph:
        self.nodes += self.ann.of_type(Input)
        for node in self.ann:  # in order, so that no chain of values is deep in recursion
            if is_quantised(self.ann, node.name) or isinstance(node, Clip):
                self.levels(node.name)
            elif isinstance(node, (Conv, Linear, AveragePool, Product)):
                self.sums(node.name)
        outputs = {key: self.output(name) for key, name in self.ann.outputs.items()}
        if self.problems:
            found = [p for name in self.ann.nodes for p in self.problems.get(name, {}).values()]
            lines = "\n".join(f"  - {problem.message}" for problem in found)
            raise ConversionError(
                f"the model cannot be computed in integers:\n{lines}", problems=found
            )
        return Graph(map(self.closed, self.nodes), outputs).without_dead_nodes()

    def make_levels(self, node: Node) -> tuple[Levels, ...]:
        """Make the nodes of a quantised value."""
        if isinstance(node, Staircase):
            return (self.staircase(node),)
        if isinstance(node, Previous):
            return (self.carried(node),)
        if isinstance(node, Concat):
            return tuple(part for name in node.inputs for part in self.levels(name))
        parts = self.levels(node.inputs[0])
        if isinstance(node, MaxPool):
            return self.each(node, parts)
        if isinstance(node, MOVES):
            return (self.rearranged(node, self.joined(parts, node.inputs[0])),)
        assert isinstance(node, Reshape)
        if len(node.shape) > 1 and len(parts) > 1:
            parts = (self.joined(parts, node.inputs[0]),)
        return self.each(node, parts)

    def each(self, node: MaxPool | Reshape, parts: tuple[Levels, ...]) -> tuple[Levels, ...]:
        """Put a pool or a view behind every part of a value."""
        made = []
        whole = len(parts) == 1
        for index, part in enumerate(parts):
            shape, step = self.types[part.edge].shape, part.step
            name = self.free(node.name if whole else f"{node.name}.part{index}")
            own = replace(node, name=name, inputs=(part.edge,))
            if isinstance(own, Reshape):
                size = int(np.prod(shape))
                own = replace(own, shape=own.shape if whole else (size,))
                if step.size == 1:
                    step = step.reshape((1,) * len(own.shape))
                else:
                    step = np.broadcast_to(step, shape).reshape(own.shape)
            elif step.size > 1 and max(step.shape[1:]) > 1:
                self.refuse(node, "takes the maximum of values with different steps", QUANTISE)
            self.add(own)
            made.append(replace(part, edge=own.name, step=step))
        return tuple(made)

    def rearranged(self, node: Gather | Rearrange, part: Levels) -> Levels:
        """Put a change of order behind a value."""
        own = replace(node, name=self.free(node.name), inputs=(part.edge,))
        if part.step.size == 1:
            step = part.step.reshape((1,) * len(self.ann.types[node.name].shape))
        else:
            step = node.spread(np.broadcast_to(part.step, self.types[part.edge].shape))
        self.add(own)
        low, high = part.low, part.high
        if isinstance(node, Gather) and node.blanks:
            low, high = min(low, 0), max(high, 0)
        part = replace(part, low=low, high=high)
        return replace(part, edge=own.name, step=step)

    def carried(self, node: Previous) -> Levels:
        """Make the node of a value that is carried through a sequence, before it is computed."""
        source = self.ann[node.source]
        assert isinstance(source, Staircase)
        if source.low is None or source.high is None:
            self.refuse(source, "has no lowest or no highest level", "clip it, or " + QUANTISE)
            return self.stand_in(node)
        step = aligned(source.step.astype(np.float64), len(node.type.shape))
        units = node.initial / step
        initial = np.rint(units)
        if np.any(np.abs(units - initial) > HALF_UNIT) or not (
            source.low <= initial.min() and initial.max() <= source.high
        ):
            self.refuse(
                node,
                f"its initial value is none of the levels of {node.source!r}",
                "begin the sequence with a state that the quantiser can give, such as 0",
            )
        bounds = source.low, source.high
        made = replace(
            node,
            name=self.free(node.name),
            type=TensorType(node.type.shape, Signal.INTEGER, bounds),
            initial=initial.astype(np.int64).reshape(initial.shape[-len(node.type.shape) :]),
        )
        self.add(made)
        return Levels(made.name, step, *bounds)

    def closed(self, node: Node) -> Node:
        """Return a node; one that carries a value with the name of what that value became."""
        if not isinstance(node, Previous):
            return node
        (source,) = self.levels(node.source)
        return replace(node, source=source.edge)

    def staircase(self, node: Staircase) -> Levels:
        low, high = node.low, node.high
        if low is None or high is None:
            self.refuse(node, "has no lowest or no highest level", "clip it, or " + QUANTISE)
            return self.stand_in(node)
        if low > 0 or high < 0:
            self.refuse(
                node,
                f"has levels {low} to {high}, without 0 between them",
                "quantise it so that 0 is one of its levels",
            )
            return self.stand_in(node)
        if (normalised := self.normalised_input(node.inputs[0])) is not None:
            return self.quantised_input(node, normalised, low, high)
        sums = self.sums(node.inputs[0])
        if node.function != "identity" and node.step.size > 1:
            self.refuse(
                node,
                f"rounds {node.function} with a step for each channel",
                "quantise it per tensor",
            )
            return self.stand_in(node)
        requantised = fixed_point(node, self.free(node.name), sums, self.reach)
        if requantised is None:
            self.refuse(
                node,
                "adds up values that reach further than 62 bits, counted in its rounding",
                "quantise it with larger steps",
            )
            return self.stand_in(node)
        self.add(requantised)
        step = aligned(node.step.astype(np.float64), len(self.ann.types[node.name].shape))
        return Levels(requantised.name, step, low, high)

    def normalised_input(self, name: str) -> Affine | None:
        """Return a value as an affine function of an input, if it is one."""
        node = self.ann[name]
        if isinstance(node, Input):
            one, zero = np.ones(1), np.zeros(1)
            return Affine(name=name, inputs=(name,), scale=one, shift=zero)
        if not isinstance(node, Affine):
            return None
        inner = self.normalised_input(node.inputs[0])
        if inner is None:
            return None
        shift = node.scale * inner.shift + node.shift
        return replace(inner, scale=node.scale * inner.scale, shift=shift)

    def quantised_input(self, node: Staircase, read: Affine, low: int, high: int) -> Levels:
        # Before a rounding down a whole offset is the same as behind it; not so before ties.
        whole = float(node.offset).is_integer() if node.rounding == "floor" else not node.offset
        if node.step.size > 1 or node.function != "identity" or not whole:
            self.refuse(
                node,
                "quantises an input in another way than QuantizeLinear does per tensor",
                "quantise the input per tensor, rounding to nearest",
            )
        scale = float(node.step.flat[0])
        made = Quantize(
            name=self.free(node.name),
            inputs=read.inputs,
            scale=scale,
            low=low,
            high=high,
            gain=read.scale if np.any(read.scale != 1) else None,
            shift=read.shift if np.any(read.shift) else None,
            rounding=node.rounding,
            offset=int(node.offset),
        )
        self.add(made)
        return Levels(
            made.name, np.full((1,) * len(self.ann.types[node.name].shape), scale), low, high
        )

    # -- outputs ---------------------------------------------------------------------------

    def output(self, name: str) -> str:
        """Make the node of an output in ANN units; return its name."""
        if name in self.outputs:
            return self.outputs[name]
        node = self.ann[name]
        if isinstance(node, VIEWS) and not is_quantised(self.ann, name):
            view = replace(node, name=self.free(name), inputs=(self.output(node.inputs[0]),))
            self.add(view)
            self.outputs[name] = view.name
            return view.name
        sums = self.sums(name)
        scales = [term.scale / term.divisor for term in sums.terms]
        if not all(np.all(scale == scales[0]) for scale in scales) or not np.all(scales[0]):
            self.refuse(
                node,
                "is an output that adds up values with different steps",
                "quantise the output, e.g. with --quantize 8",
            )
        scale = scales[0]
        if is_half(sums.bias / np.where(scale == 0, 1.0, scale)):
            scale = scale / 2
            sums = replace(sums, terms=tuple(self.doubled(term) for term in sums.terms))
        made = Dequantize(
            name=self.free(name),
            inputs=tuple(term.edge for term in sums.terms),
            bias=self.whole_bias(name, sums, scale),
            scale=scale,
        )
        self.add(made)
        self.outputs[name] = made.name
        return made.name

    def doubled(self, term: Term) -> Term:
        """Return a sum in units of half the size: the levels of one bit are plus and minus half."""
        (synapse,) = (node for node in self.nodes if node.name == term.edge)
        assert isinstance(synapse, (Conv, Linear))
        name = self.free(f"{synapse.name}.doubled")
        self.add(replace(synapse, name=name, weight=2 * synapse.weight))
        return replace(term, edge=name, scale=term.scale / 2, added=2 * term.added)

    def whole_bias(self, name: str, sums: Sums, scale: Array) -> Array:
        added = np.asarray(sum(term.added for term in sums.terms))
        units = sums.bias / np.where(scale == 0, 1.0, scale)
        whole = np.rint(units)
        if np.any(np.abs(units - whole) > HALF_UNIT * np.maximum(1, np.abs(units))):
            self.note(
                f"{name}: the bias of the output was rounded to whole units of its sums, "
                f"by {np.abs(units - whole).max():.2g} of a unit at most"
            )
        return np.asarray(whole.astype(np.int64) + added)


def is_half(units: Array) -> bool:
    """Whether a bias lies half-way between whole units, somewhere, and nowhere else off them."""
    off = np.abs(units - np.floor(units) - 0.5) <= HALF_UNIT
    whole = np.abs(units - np.rint(units)) <= HALF_UNIT
    return bool(np.any(off) and np.all(off | whole))
