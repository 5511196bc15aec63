"""Finds the layers, the steps and the readouts of an unrolled spiking network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import NodeProto

from ...ir import Array
from .dynamics import Dynamics, Layer, MembraneStep, dynamics_of, step_of
from .polynomial import Leaf, Polynomial, close
from .reading import Reading
from .readouts import Integration, integration_of
from .refusal import NotRecognisedError
from .structure import Moment, Structure

Over = Literal["last", "sum", "steps"]


@dataclass(frozen=True, eq=False)
class Readout:
    """What an output of the model is.

    Attributes:
        over: The value of the ``last`` step, a ``sum`` over all steps, or all ``steps`` stacked.
        layer: The layer whose spikes or membranes it reads; None for an integration.
        spikes: Whether it reads spikes of that layer; else its membranes.
        after_reset: Whether membranes are read after the reset.
        factor: Of a sum, what it is multiplied by.
        integration: Membranes without threshold, where it reads no layer's.
    """

    over: Over
    layer: int | None = None
    spikes: bool = False
    after_reset: bool = False
    factor: float = 1.0
    integration: Integration | None = None


@dataclass(frozen=True, eq=False)
class Unrolled:
    """An unrolled network that is understood.

    Attributes:
        steps: How many steps there are.
        layers: Its layers, in the order of their first comparison.
        dynamics: The parameters of each.
        readouts: For each output, before its labels, what it is.
        moments: For each membrane its layer and step.
    """

    steps: int
    layers: tuple[Layer, ...]
    dynamics: tuple[Dynamics, ...]
    readouts: Mapping[str, Readout]
    moments: Mapping[str, Moment]


def recognise(nodes: Sequence[NodeProto], reading: Reading, outputs: Mapping[str, str]) -> Unrolled:
    """Understand a network.

    Args:
        nodes: Its nodes, in order.
        reading: What they compute.
        outputs: For each of its outputs the tensor before its labels.

    Raises:
        NotRecognisedError: It is not understood; the message says where and why.
    """
    _tell_apart(reading)
    layers = _layers(reading)
    moments = {
        name: Moment(number, step)
        for number, layer in enumerate(layers)
        for step, name in enumerate(layer.membranes, 1)
    }
    structure = Structure(nodes, reading, moments)
    steps, dynamics = [], []
    for layer in layers:
        try:
            found = _steps(layer, reading, structure)
            dynamics.append(dynamics_of(layer, found))
        except NotRecognisedError as error:
            raise NotRecognisedError(f"{layer.membranes[-1]}: {error}") from None
        steps.append(found)
    readout = _Readouts(reading, structure, layers, steps, dynamics, moments)
    readouts = {output: readout.of(name) for output, name in outputs.items()}
    total = readout.total
    for layer in layers:
        if not total - 1 <= len(layer.membranes) <= total:
            raise NotRecognisedError(
                f"{layer.membranes[-1]}: has {len(layer.membranes)} steps, others have {total}"
            )
    return Unrolled(total, layers, tuple(dynamics), readouts, moments)


def _tell_apart(reading: Reading) -> None:
    """Tell a constant current from the first membrane where both are one tensor.

    A membrane that begins at 0 is after one step the current itself. Where that is the same at all
    steps, the next membranes read it again: the second as ``(a + g) M``, further ones beside the
    membrane of the step before, as ``a M + g J``.
    """
    for name, value in list(reading.membranes.items()):
        first, current = Leaf("membrane", name), Leaf("current", name)
        if value.only_leaf != current:
            continue
        own, itself = frozenset({first}), frozenset({current})
        second = ""
        for later, each in reading.membranes.items():
            before = [leaf for leaf in each.leaves if leaf.kind == "membrane" and leaf != first]
            if own in each.terms and not before:
                second = second or later
            elif own in each.terms:
                terms = {itself if m == own else m: a for m, a in each.terms.items()}
                reading.membranes[later] = Polynomial(terms)
                if second and before[0].tensor == second:
                    factor = each.terms[own]
                    left = reading.membranes[second].plus(Polynomial({own: factor}), -1)
                    reading.membranes[second] = left.plus(Polynomial({itself: factor}))


def _layers(reading: Reading) -> tuple[Layer, ...]:
    """Return the layers: membranes that are computed from each other, in a row."""
    after: dict[str, str] = {}
    first = []
    for name, value in reading.membranes.items():
        before = {leaf.tensor for leaf in value.leaves if leaf.kind == "membrane"}
        if len(before) > 1:
            raise NotRecognisedError(f"{name}: reads the membranes of two neurons")
        if not before:
            first.append(name)
        elif (one := before.pop()) in after:
            raise NotRecognisedError(f"{one}: is the membrane before two others")
        else:
            after[one] = name
    found = []
    for name in first:
        chain = [name]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        firing = [reading.firing[each] for each in chain if each in reading.firing]
        if len(firing) < len(chain):
            raise NotRecognisedError(f"{name}: is not compared with a constant threshold")
        if any(not each.same(firing[0]) for each in firing):
            raise NotRecognisedError(f"{name}: its threshold changes from step to step")
        found.append(Layer(tuple(chain), firing[0]))
    if not found:
        raise NotRecognisedError("no membrane is compared with a threshold")
    return tuple(found)


def _steps(layer: Layer, reading: Reading, structure: Structure) -> list[MembraneStep]:
    names = (None, *layer.membranes)
    return [
        step_of(reading.membranes[name], before, number, structure)
        for number, (before, name) in enumerate(zip(names, layer.membranes, strict=False), 1)
    ]


class _Readouts:
    """Says what outputs are."""

    def __init__(
        self,
        reading: Reading,
        structure: Structure,
        layers: tuple[Layer, ...],
        steps: list[list[MembraneStep]],
        dynamics: list[Dynamics],
        moments: Mapping[str, Moment],
    ) -> None:
        self._reading, self._structure, self._layers = reading, structure, layers
        self._steps, self._dynamics, self._moments = steps, dynamics, moments
        self.total = max(len(layer.membranes) for layer in layers)
        if stacks := [len(stack.parts) for stack in reading.stacks.values()]:
            self.total = max(self.total, min(self.total + 1, max(stacks)))
        slices = [part.index + 1 for part in reading.slices.values()]
        self.total = max(self.total, min(self.total + 1, max(slices, default=0)))

    def of(self, name: str) -> Readout:
        """Return what an output is.

        Raises:
            NotRecognisedError: It is something else.
        """
        stack = self._reading.stacks.get(name)
        try:
            if stack is None:
                return self._single(self._reading.value(name))
            return self._stacked([self._reading.value(part) for part in stack.parts], stack.axis)
        except NotRecognisedError as error:
            raise NotRecognisedError(f"output {name}: {error}") from None

    def _stacked(self, parts: list[Polynomial], axis: int) -> Readout:
        if len(parts) != self.total or axis not in (0, 1):
            raise NotRecognisedError(f"stacks {len(parts)} values of {self.total} steps")
        found = [self._at(part, step) for step, part in enumerate(parts, 1)]
        if None in found:
            return Readout("steps", integration=integration_of(parts, self._structure))
        if len(set(found)) > 1 or found[0] is None:
            raise NotRecognisedError("stacks different values at different steps")
        layer, spikes, after = found[0]
        return Readout("steps", layer, spikes, after)

    def _at(self, value: Polynomial, step: int) -> tuple[int, bool, bool] | None:
        """Return the layer that a value of a step is from, whether spikes, whether after reset."""
        leaves = value.leaves
        names = {leaf.tensor for leaf in leaves if leaf.kind in ("membrane", "spike")}
        at = {self._moments[name] for name in names}
        if len(at) == 1 and len(names) == 1 and (moment := at.pop()).step == step:
            (name,) = names
            if value.only_leaf is not None:
                return moment.layer, value.only_leaf.kind == "spike", False
            firing, reset = self._layers[moment.layer].firing, self._dynamics[moment.layer].reset
            membrane, spike = Leaf("membrane", name), Leaf("spike", name)
            rest = value.without((frozenset({membrane}), frozenset({spike})))
            subtracted = close(value.coefficient(spike), -firing.threshold)
            if reset == "subtract" and not rest.terms and subtracted:
                return moment.layer, False, True
            raise NotRecognisedError(
                "reads a membrane after its reset to a value; read spikes, or let the last layer "
                "have no reset"
            )
        for number, layer in enumerate(self._layers):
            if step == len(layer.membranes) + 1 and self._continues(number, value):
                self.total = max(self.total, step)
                return number, False, False
        return None

    def _continues(self, number: int, value: Polynomial) -> bool:
        """Whether a value is the membrane that would come after the last compared one."""
        layer, steps = self._layers[number], self._steps[number]
        try:
            names = layer.membranes
            step = step_of(value, names[-1], len(names) + 1, self._structure)
            return _same(dynamics_of(layer, [*steps, step]), self._dynamics[number])
        except NotRecognisedError:
            return False

    def _single(self, value: Polynomial) -> Readout:
        for step in (self.total, self.total + 1):
            found = self._at(value, step)
            if found is not None:
                layer, spikes, after = found
                return Readout("last", layer, spikes, after)
        kinds = {leaf.kind for leaf in value.leaves}
        if kinds == {"current"}:
            return Readout("last", integration=integration_of([value], self._structure, self.total))
        if kinds != {"spike"}:
            return self._sum_of_membranes(value)
        layers = {self._moments[leaf.tensor].layer for leaf in value.leaves}
        if len(layers) > 1 or any(len(monomial) != 1 for monomial in value.terms):
            raise NotRecognisedError("reads the spikes of several layers, or a constant")
        (number,) = layers
        return Readout("sum", number, spikes=True, factor=self._factor(value, number, "spike"))

    def _sum_of_membranes(self, value: Polynomial) -> Readout:
        number = self._sum_with_next(value)
        if number is not None:
            factor = value.coefficient(Leaf("membrane", self._layers[number].membranes[0]))
            return Readout("sum", number, factor=float(factor.reshape(())))
        names = {leaf.tensor for leaf in value.leaves if leaf.kind == "membrane"}
        layers = {self._moments[name].layer for name in names}
        only = all(len(m) == 1 and next(iter(m)).kind == "membrane" for m in value.terms)
        if len(layers) != 1 or not only:
            raise NotRecognisedError(
                "is neither the spikes nor the membranes of a layer, of the last step or summed up"
            )
        (number,) = layers
        return Readout("sum", number, factor=self._factor(value, number, "membrane"))

    def _sum_with_next(self, value: Polynomial) -> int | None:
        """Return the layer whose membranes are summed up, one more than are compared; or None."""
        for number, layer in enumerate(self._layers):
            names = [Leaf("membrane", name) for name in layer.membranes]
            factor = value.coefficient(names[0])
            if len(names) < 2 or factor.size != 1 or not np.any(factor):
                continue
            rest = value.scaled(1 / factor)
            for leaf in names:
                rest = rest.plus(Polynomial.of(leaf), -1)
            if self._continues(number, rest):
                self.total = max(self.total, len(names) + 1)
                return number
        return None

    def _factor(self, value: Polynomial, number: int, kind: str) -> float:
        """Return the one factor of all steps."""
        names = self._layers[number].membranes
        factors = [value.coefficient(Leaf(kind, name)) for name in names]
        plain = factors[0].size == 1 and all(close(each, factors[0]) for each in factors)
        if len(names) != self.total or not plain or not np.any(factors[0]):
            raise NotRecognisedError("weighs the steps differently, or leaves some out")
        return float(factors[0].reshape(()))


def _same(one: Dynamics, two: Dynamics) -> bool:
    def alike(a: Array | None, b: Array | None) -> bool:
        return a is b or (a is not None and b is not None and close(a, b))

    return (
        (one.reset, one.reset_delayed) == (two.reset, two.reset_delayed)
        and alike(one.decay, two.decay)
        and alike(one.current_decay, two.current_decay)
        and [(s.key, s.lag) for s in one.sources] == [(s.key, s.lag) for s in two.sources]
    )
