"""From the polynomials of a layer's membranes to the parameters of its neurons.

Let M be the membrane one step before, S its spike. What a step computes is then, in the order of
``ir.leaky``, for a layer with the decay a, the threshold theta and the bias b:

    u = a M - a theta S + b + ...      reset by subtraction, at once
    u = a M -   theta S + b + ...      the same, delayed by a step
    u = a M - a M S + a r S + b + ...  reset to the value r (delayed: the same network, r' = a r)
    u = a M + b + ...                  no reset

and the currents. A layer without a synaptic current of its own reads each at one step only; with
one, what arrived n steps before is left with the factor c**n: the response is geometric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...ir import Array
from ...ir.leaky import Reset
from .polynomial import ONE, Leaf, Polynomial, close
from .reading import Firing
from .refusal import NotRecognisedError
from .structure import Structure


@dataclass(frozen=True, eq=False)
class Source:
    """A current that a layer reads.

    Attributes:
        key: How it is made; see ``Structure``.
        leaf: One instance: the latest.
        lag: How many steps before the membrane it is from; 0 for the same step.
        weight: Its factor.
    """

    key: int
    leaf: Leaf
    lag: int
    weight: Array


@dataclass(frozen=True, eq=False)
class Dynamics:
    """The parameters of a layer, as in ``ir.leaky``; all arrays with the batch axis in front.

    Attributes:
        decay: What is left of the membrane.
        current_decay: What is left of the synaptic current; None where there is none.
        reset: What a spike does to the membrane.
        reset_to: The membrane after a reset to a value.
        reset_delayed: Whether a spike resets in the next step.
        bias: Added at every step.
        initial: The membrane at the start.
        sources: The currents.
    """

    decay: Array
    current_decay: Array | None
    reset: Reset
    reset_to: Array
    reset_delayed: bool
    bias: Array
    initial: Array
    sources: tuple[Source, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of neurons, unrolled.

    Attributes:
        membranes: The tensors of its membranes, step after step.
        firing: When it fires.
    """

    membranes: tuple[str, ...]
    firing: Firing


@dataclass(frozen=True, eq=False)
class MembraneStep:
    """What one step of a layer computes.

    Attributes:
        decay: Factor of the membrane before.
        spiked: Factor of the membrane before where it spiked.
        spike: Factor of its spike.
        fixed: The constant.
        currents: For each key and lag the factor, and one instance; a lag of None is that of a
            current that is the same at every step.
    """

    decay: Array
    spiked: Array
    spike: Array
    fixed: Array
    currents: Mapping[tuple[int, int | None], tuple[Array, Leaf]]


def step_of(value: Polynomial, before: str | None, step: int, structure: Structure) -> MembraneStep:
    """Sort the terms of a membrane.

    Args:
        value: What it is computed from.
        before: The membrane one step before, None for the first.
        step: Which step it is.
        structure: How currents are made.

    Raises:
        NotRecognisedError: There are other terms.
    """
    membrane, spike = Leaf("membrane", before or ""), Leaf("spike", before or "")
    own = (frozenset({membrane}), frozenset({membrane, spike}), frozenset({spike}), ONE)
    currents: dict[tuple[int, int | None], tuple[Array, Leaf]] = {}
    for monomial, factor in value.without(own).terms.items():
        if len(monomial) != 1:
            raise NotRecognisedError("a spike multiplies more than the membrane it resets")
        (leaf,) = monomial
        if leaf.kind == "membrane":
            raise NotRecognisedError("reads a membrane that is not its own of the step before")
        made = structure.of_leaf(leaf)
        lag = None if made.step is None else step - made.step
        if lag is not None and lag < 0:
            raise NotRecognisedError("reads what belongs to a later step")
        known = currents.get((made.key, lag))
        total = factor if known is None else known[0] + factor  # computed twice, in two tensors
        currents[made.key, lag] = (total, leaf)
    decay, spiked, fired, fixed = (value.coefficient(*monomial) for monomial in own)
    return MembraneStep(decay, spiked, fired, fixed, currents)


def dynamics_of(layer: Layer, steps: Sequence[MembraneStep]) -> Dynamics:
    """Return the parameters that all steps of a layer agree on.

    Raises:
        NotRecognisedError: They do not, or are those of no neuron that is known.
    """
    if len(steps) < 2:
        raise NotRecognisedError("there is one step only")
    last = steps[-1]
    for number, step in enumerate(steps[1:], 2):
        for what in ("decay", "spiked", "spike", "fixed"):
            if not close(getattr(step, what), getattr(last, what)):
                raise NotRecognisedError(
                    f"step {number} has another factor of its {what} than the last step"
                )
    if not np.all(last.decay):
        raise NotRecognisedError("a membrane is forgotten from step to step")
    reset, reset_to, delayed = _reset(last, layer.firing)
    current_decay, sources = _sources(steps)
    initial = (steps[0].fixed - last.fixed) / last.decay
    negligible = np.abs(steps[0].fixed) + np.abs(last.fixed)
    if np.all(np.abs(initial) <= 1e-6 * negligible):
        initial = np.zeros(())
    return Dynamics(
        decay=last.decay,
        current_decay=current_decay,
        reset=reset,
        reset_to=reset_to,
        reset_delayed=delayed,
        bias=last.fixed,
        initial=initial,
        sources=sources,
    )


def _reset(step: MembraneStep, firing: Firing) -> tuple[Reset, Array, bool]:
    nothing = np.zeros(())
    if not np.any(step.spiked):
        if not np.any(step.spike):
            return "none", nothing, False
        if close(step.spike, -step.decay * firing.threshold):
            return "subtract", nothing, False
        if close(step.spike, -firing.threshold):
            return "subtract", nothing, True
        raise NotRecognisedError("a spike subtracts something else than the threshold")
    if not close(step.spiked, -step.decay):
        raise NotRecognisedError("a spike leaves a part of the membrane")
    return "value", step.spike / step.decay, False


def _sources(steps: Sequence[MembraneStep]) -> tuple[Array | None, tuple[Source, ...]]:
    """Return the decay of the synaptic current, and what each current is at first."""
    last = steps[-1]
    decays: list[Array | None] = []
    found = []
    for key in dict.fromkeys(key for key, _ in last.currents):
        lags = sorted(lag for other, lag in last.currents if other == key and lag is not None)
        if not lags:
            response, leaf = _response_to_constant(steps, key)
            lag = 0
        else:
            lag = lags[0]
            if lags != list(range(lag, lag + len(lags))):
                raise NotRecognisedError("a current comes and goes")
            response = [last.currents[key, each][0] for each in lags]
            leaf = last.currents[key, lag][1]
            _expect_alike(steps, key, lag, response)
        if len(steps) - lag > 1:  # else it has no time to fall
            decays.append(_decay(response))
        found.append(Source(key, leaf, lag, response[0]))
    if not found:
        raise NotRecognisedError("no current reaches it")
    first = decays[0] if decays else None
    for other in decays[1:]:
        if (other is None) != (first is None) or (
            first is not None and other is not None and not close(first, other)
        ):
            raise NotRecognisedError("its currents decay differently")
    return first, tuple(found)


def _expect_alike(
    steps: Sequence[MembraneStep], key: int, lag: int, response: Sequence[Array]
) -> None:
    """Raise ``NotRecognisedError`` unless every step weighs a current as the last one does."""
    for number, step in enumerate(steps, 1):
        wanted = [place for place in range(len(response)) if lag + place < number]
        for place in wanted:
            there = step.currents.get((key, lag + place))
            if there is None or not close(there[0], response[place]):
                raise NotRecognisedError(f"step {number} reads other currents than the last step")


def _response_to_constant(steps: Sequence[MembraneStep], key: int) -> tuple[list[Array], Leaf]:
    """Return how a step answers to a current that arrived some steps before, from its sums."""
    sums = []
    for number, step in enumerate(steps, 1):
        if (key, None) not in step.currents:
            raise NotRecognisedError(f"step {number} lacks a current that is the same at every one")
        sums.append(step.currents[key, None][0])
    if all(close(each, sums[-1]) for each in sums):
        return [sums[-1]], steps[-1].currents[key, None][1]
    response = [sums[0], *(after - before for before, after in pairwise(sums))]
    return response, steps[-1].currents[key, None][1]


def _decay(response: Sequence[Array]) -> Array | None:
    """Return by which factor a response falls from step to step; None where it is over at once."""
    if len(response) == 1:
        return None
    if not np.all(response[0]):
        raise NotRecognisedError("a current has no effect at first")
    factor = response[1] / response[0]
    size = np.max(np.abs(response[0]))
    for n, each in enumerate(response):
        if np.max(np.abs(each - response[0] * factor**n)) > 1e-6 * size:
            raise NotRecognisedError("what is left of a current does not fall geometrically")
    return np.asarray(factor)
