"""Turn an ANN into a spiking network: activations become populations, linear maps synapses.

Every clipped activation, with or without levels, becomes a population of integrate-and-fire
neurons, and so does every linear value that another linear map reads (two synapses in a row are
not a network of neurons). Biases move into the neurons. A join is a sum of currents; a branch
without weights becomes a depthwise 1x1 synapse. The output is an integrator without threshold.

The result has all thresholds at 1, one payload unit being one ANN unit: correct in the limit
of many steps while activations stay below ``max_positive`` a step, and useful only after
``balance_thresholds``. Neuron and codes: Rueckauer et al., *Front. Neurosci.* 11:682, 2017
(rate); Yu et al., arXiv 2005.03231 (ternary and augmented spikes, double threshold); initial
membrane of half a threshold: Bu et al., AAAI 2022. A population behind a staircase starts at
the offset of its rounding: with a constant input and T equal to its highest level, its mean
output is then the staircase itself (Bu et al., ICLR 2022, theorem 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...backends.target import Target
from ...ir import (
    IF,
    VIEWS,
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Staircase,
)
from ...ir.errors import ConversionError, Problem
from ...ir.extent import LONGEST_IDENTITY
from ..codes import Code
from .branches import Branches, expect_few
from .fold_affine import channelwise, per_channel
from .kinds import argument, is_linear, nonnegative, problems_beyond_rates, scaled_rows

ZERO = np.zeros(1)
ONE = np.ones(1)


@dataclass(frozen=True)
class Term:
    """One source of a value: events on an edge, with the factor they count with."""

    edge: str
    sign: float = 1


@dataclass(frozen=True)
class Current:
    """What flows into a neuron: synapses and a bias that is added at every step."""

    synapses: tuple[str, ...]
    bias: Array


@dataclass(frozen=True)
class ToSpiking:
    """The pass; its options are the settings of the code.

    Attributes:
        code: The spike code.
        target: Where the network shall run, for hints; None for nowhere in particular.
    """

    code: Code
    target: Target | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the spiking network of an ANN.

        Raises:
            ConversionError: The code cannot express some values; all are listed.
        """
        return Conversion(graph, self.code, self.target).result()


class Conversion:
    """One conversion under way: nodes made so far, and where each ANN value is found."""

    def __init__(self, ann: Graph, code: Code, target: Target | None = None) -> None:
        self.ann = ann
        self.code = code
        self.target = target
        self.nodes: list[Node] = []
        self.used: set[str] = set()
        self.taken: set[str] = set(ann.nodes)
        self.events: dict[str, tuple[Term, ...]] = {}
        self.whole: dict[str, tuple[Term, ...]] = {}
        self.readouts: dict[str, str] = {}
        self.problems: dict[tuple[str, str], Problem] = {}
        self.branches = Branches(ann)

    def result(self) -> Graph:
        if beyond := problems_beyond_rates(self.ann, self.code.name, self.target):
            message = "\n".join(problem.message for problem in beyond)
            raise ConversionError(message, problems=beyond)
        for node in self.ann:  # in order: no chain of populations is then deep in recursion
            if isinstance(node, (Clip, Staircase)) and self.ann.users[node.name]:
                self.spikes(node.name)
        outputs = {key: self.readout(name) for key, name in self.ann.outputs.items()}
        if self.problems:
            found = [
                p for name in self.ann.nodes for key, p in self.problems.items() if key[0] == name
            ]
            lines = "\n".join(f"  - {problem.message}" for problem in found)
            raise ConversionError(
                f"code {self.code.name!r} cannot express the model:\n{lines}", problems=found
            )
        return Graph(self.nodes, outputs)

    def emit(self, *nodes: Node) -> None:
        """Add nodes to the network."""
        self.nodes += nodes
        self.used.update(node.name for node in nodes)

    def readout(self, name: str) -> str:
        """Make the integrator of an output, or find it; return its node's name."""
        if name in self.readouts:
            return self.readouts[name]
        node = self.ann[name]
        if isinstance(node, VIEWS):
            view = replace(
                node, name=self.free(f"{name}.view"), inputs=(self.readout(node.inputs[0]),)
            )
            self.emit(view)
            self.readouts[name] = view.name
            return view.name
        alone = is_linear(node) and not self.ann.users[name]
        target = name if alone else self.free(f"{name}.readout")
        current = self.current(name, target)
        self.emit(
            Integrator(name=target, inputs=current.synapses, bias=current.bias, scale=np.ones(1))
        )
        self.readouts[name] = target
        return target

    # -- values as events ------------------------------------------------------------------

    def spikes(self, name: str) -> tuple[Term, ...]:
        """Return the events that carry a value, making the population if there is none yet."""
        if name not in self.events:
            self.events[name] = self.make_spikes(self.ann[name])
        return self.events[name]

    def make_spikes(self, node: Node) -> tuple[Term, ...]:
        if isinstance(node, Input):
            encoder = Encoder(name=self.free(f"{node.name}.encoder"), inputs=(node.name,))
            self.emit(node, encoder)
            return (Term(encoder.name),)
        if isinstance(node, VIEWS):
            return self.map_events(node, self.spikes(node.inputs[0]))
        if isinstance(node, MaxPool):
            return self.map_events(node, self.positive(node, node.inputs[0]))
        if isinstance(node, Concat):
            edges = [term.edge for name in node.inputs for term in self.positive(node, name)]
            self.emit(replace(node, inputs=tuple(edges)))
            return (Term(node.name),)
        if isinstance(node, Clip):
            return self.make_bounded(node, node.low, node.high, self.code.v_init)
        if isinstance(node, Staircase):
            return self.make_staircase(node)
        terms = self.one_function(node.name)
        return self.make_signed(node) if terms is None else terms

    def one_function(self, name: str) -> tuple[Term, ...] | None:
        """Return the events of a sum of populations that read one value, or None.

        A leaky ReLU is such a sum, ``max(x, 0) - a max(-x, 0)``: it needs no population of its
        own where a linear map reads it.
        """
        node = self.ann[name]
        if not isinstance(node, Add):
            return None
        factors: list[tuple[str, float]] = []
        for source in node.inputs:
            part, factor = self.ann[source], 1.0
            if isinstance(part, Affine) and part.scale.size == 1 and not part.shift.any():
                factor, part = float(part.scale.reshape(())), self.ann[part.inputs[0]]
            if not isinstance(part, Clip):
                return None
            factors.append((part.name, factor))
        if len({argument(self.ann, clip) for clip, _ in factors}) > 1:
            return None
        return tuple(
            replace(term, sign=term.sign * factor)
            for clip, factor in factors
            for term in self.spikes(clip)
        )

    def positive(self, node: Node, source: str) -> tuple[Term, ...]:
        """Return the events that carry a value for a node that reads no pairs of them."""
        if self.one_function(source) is not None:  # these read one population
            if source not in self.whole:
                self.whole[source] = self.make_signed(self.ann[source])
            terms = self.whole[source]
        else:
            terms = self.spikes(source)
        if len(terms) > 1:
            what = "takes the maximum of" if isinstance(node, MaxPool) else "concatenates"
            self.problem(node, f"{what} signed values", "--code ternary")
        return terms[:1]

    def map_events(self, node: Node, terms: tuple[Term, ...]) -> tuple[Term, ...]:
        mapped = []
        for index, term in enumerate(terms):
            name = node.name if index == 0 else self.free(f"{node.name}.negative")
            self.emit(replace(node, name=name, inputs=(term.edge,)))
            mapped.append(replace(term, edge=name))
        return tuple(mapped)

    def make_staircase(self, node: Staircase) -> tuple[Term, ...]:
        if node.low is None or node.high is None:
            self.problem(
                node,
                "rounds to levels, but no clip around it says which is the lowest or the highest",
                "a Clip whose bounds are levels: step * Clip(Floor(x / step + 0.5), 0, levels)",
            )
            return (self.population(node.name, node.inputs[0], guard=self.code.guard),)
        if not per_channel(node.step, self.ann.types[node.name]):
            self.problem(node, "has steps that vary within a channel", "one step for each channel")
        if node.function != "identity":
            self.problem(node, f"rounds {node.function}", "--code exact")
        if not 0 <= node.start <= 1:
            self.problem(node, f"has the offset {node.offset}", "an offset between 0 and 1")
        rounds_itself = self.code.select != "count"  # to nearest: what is left to add starts it
        return self.make_bounded(node, node.low, node.high, node.start - 0.5 * rounds_itself)

    def make_bounded(self, node: Node, low: float, high: float, v_init: float) -> tuple[Term, ...]:
        if low > 0:
            self.problem(node, f"has the lower bound {low} above 0", "another activation")
        if high <= 0:
            self.problem(node, f"has the upper bound {high} not above 0", "another activation")
        signed = low < 0 < high
        if signed and not self.code.max_negative:
            self.problem(node, f"has the lower bound {low}", "--code ternary")
        guard = self.code.guard and not signed
        return (self.population(node.name, node.inputs[0], guard=guard, v_init=v_init),)

    def make_signed(self, node: Node) -> tuple[Term, ...]:
        """Make the population of a linear value; the code ``rate`` needs a pair."""
        if nonnegative(self.ann, node.name):
            return (self.population(node.name, node.name, guard=self.code.guard),)
        positive = self.population(node.name, node.name, guard=False)
        if self.code.max_negative:
            return (positive,)
        negative = self.population(node.name, node.name, guard=False, sign=-1)
        return positive, replace(negative, sign=-1)

    def population(
        self,
        represents: str,
        value: str,
        *,
        guard: bool,
        sign: int = 1,
        v_init: float | None = None,
    ) -> Term:
        """Make a population that integrates ``sign`` times an ANN value."""
        name = represents if sign > 0 else f"{represents}.negative"
        if name in self.used or sign < 0:
            name = self.free(name)
        current = self.current(value, name, np.full(1, float(sign)))
        code = self.code
        neurons = IF(
            name=name,
            inputs=current.synapses,
            threshold=np.ones(1),
            bias=current.bias,
            initial=np.full(1, code.v_init if v_init is None else v_init),
            max_positive=code.max_positive,
            max_negative=code.max_negative,
            acc_min=0 if guard and code.max_negative else None,
            deadband=code.deadband,
            select=code.select,
            reset=code.reset,
            represents=represents,
        )
        self.emit(neurons)
        return Term(name)

    # -- values as currents ----------------------------------------------------------------

    def current(self, name: str, reader: str, scale: Array = ONE) -> Current:
        """Return synapses and bias that sum up to a scaled value, for one reader of their own.

        Args:
            name: The ANN value.
            reader: Name of the neuron or integrator that will read the synapses.
            scale: One factor, or one for each channel, ``(channels,)``.
        """
        node = self.ann[name]
        if isinstance(node, Add):
            parts = [self.current(source, reader, scale) for source in node.inputs]
            synapses = tuple(synapse for part in parts for synapse in part.synapses)
            expect_few(node, len(synapses))
            return Current(synapses, np.asarray(sum(part.bias for part in parts)))
        if isinstance(node, Affine):
            return self.affine(node, reader, scale)
        if isinstance(node, (Conv, Linear)):
            source, synapse, bias = node.inputs[0], node, ZERO if node.bias is None else node.bias
        elif isinstance(node, AveragePool):
            source, synapse, bias = node.inputs[0], self.mean(node), ZERO
        else:
            source, synapse, bias = name, self.identity(node), ZERO
        synapse = replace(synapse, weight=scaled_rows(synapse.weight, scale), weight_scale=None)
        return Current(
            self.synapses(synapse, self.spikes(source), reader),
            self.aligned(bias * scale, name),
        )

    def affine(self, node: Affine, reader: str, scale: Array) -> Current:
        type = self.ann.types[node.name]
        if not per_channel(node.scale, type):
            self.problem(node, "scales values within a channel", "one factor for each channel")
        inner = self.current(node.inputs[0], reader, scale * channelwise(node.scale, type))
        return replace(inner, bias=inner.bias + node.shift * self.aligned(scale, node.name))

    def aligned(self, parameter: Array, name: str) -> Array:
        """Return a parameter of one value a channel in the rank of an ANN value."""
        return parameter.reshape(-1, *(1,) * (len(self.ann.types[name].shape) - 1))

    def synapses(
        self, node: Conv | Linear, terms: tuple[Term, ...], reader: str
    ) -> tuple[str, ...]:
        made = []
        for term in terms:
            plain = node.name not in self.used and node.name != reader
            synapse = replace(
                node,
                name=node.name if plain else self.free(f"{node.name}.synapse"),
                inputs=(term.edge,),
                weight=scaled_rows(node.weight, np.full(1, float(term.sign))),
                bias=None,
            )
            self.emit(synapse)
            self.branches.count(synapse, copied=not plain)
            made.append(synapse.name)
        return tuple(made)

    def mean(self, node: AveragePool) -> Conv:
        """Return an average pool as a depthwise convolution."""
        if any(node.padding) and not node.count_include_pad:
            self.problem(
                node, "averages over borders of varying size", "count_include_pad=1 or no padding"
            )
        channels = self.ann.types[node.name].shape[0]
        weight = np.full((channels, 1, *node.kernel), 1 / (node.kernel[0] * node.kernel[1]))
        return Conv(
            name=node.name,
            weight=weight,
            stride=node.stride,
            padding=node.padding,
            groups=channels,
        )

    def identity(self, node: Node) -> Conv | Linear:
        """Return the one-to-one synapse of a branch without weights."""
        shape = self.ann.types[node.name].shape
        name = f"{node.name}.identity"
        if len(shape) == 3:
            return Conv(name=name, weight=np.ones((shape[0], 1, 1, 1)), groups=shape[0])
        if len(shape) == 1 and shape[0] <= LONGEST_IDENTITY:
            return Linear(name=name, weight=self.branches.identity(node, shape[0]))
        self.problem(
            node,
            f"has the shape {shape}, which no population can have",
            f"vectors of at most {LONGEST_IDENTITY} or channels x height x width",
        )
        return Linear(name=name, weight=np.eye(1))

    # -- names and problems ----------------------------------------------------------------

    def free(self, name: str) -> str:
        """Return a name no node has, close to the one asked for."""
        candidate, count = name, 1
        while candidate in self.taken:
            count += 1
            candidate = f"{name}{count}"
        self.taken.add(candidate)
        return candidate

    def problem(self, node: Node, reason: str, way_out: str) -> None:
        self.problems[node.name, reason] = Problem(f"{node.name}: {reason}", f"use {way_out}")
