"""Neurons of trained networks in NIR's words, and what they compute.

``written`` goes from a discrete neuron to NIR's parameters, ``discrete`` back: with what NIR
cannot say of a neuron, its ``Meaning``, which stands in the metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ir import LI, LIF, Array, CubaLI, CubaLIF
from ...ir.leaky import LeakyIntegrator, LeakyPopulation, Reset
from .continuous import NEARLY, TimeStep, nearest
from .nodes import Neuron, Threshold

ROUNDING = 1e-12
"""Relative error that a bias may have after a division and a multiplication."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Meaning:
    """What a spiking neuron does beyond what NIR says; see ``ir.leaky.LeakyPopulation``.

    Attributes:
        reset: What a spike does to the membrane.
        strict: Whether the neuron fires above its threshold only.
        delayed: Whether the reset comes a step later.
        refractory: Steps after a spike in which nothing fires.
        reset_to: Where a reset leaves the membrane, if the file has no ``v_reset`` to say it.
    """

    reset: Reset
    strict: bool = False
    delayed: bool = False
    refractory: int = 0
    reset_to: Array = field(default_factory=lambda: np.zeros(1))

    @classmethod
    def of(cls, node: LeakyPopulation) -> Meaning:
        """Return what a neuron of a graph means."""
        return cls(
            reset=node.reset,
            strict=node.strict,
            delayed=node.reset_delayed,
            refractory=node.refractory,
            reset_to=node.reset_to,
        )


@dataclass(frozen=True)
class Written:
    """A neuron in NIR's words.

    Attributes:
        node: The node of the file.
        received: Constant current that it has to receive besides, ``(*shape,)``.
    """

    node: Neuron | Threshold
    received: Array


def written(
    node: LeakyPopulation | LeakyIntegrator,
    shape: tuple[int, ...],
    step: TimeStep,
    *,
    v_reset: bool,
) -> Written:
    """Return a neuron with decays from 0 to 1 in NIR's words.

    Args:
        node: The neuron.
        shape: Its shape.
        step: How equations become steps.
        v_reset: Whether the version has that field.
    """
    decay, gain, bias, initial = (_full(x, shape) for x in _membrane(node))
    cuba = isinstance(node, (CubaLIF, CubaLI))
    spikes: dict[str, Array] = {}
    if isinstance(node, LeakyPopulation):
        spikes["v_threshold"] = _full(node.threshold, shape)
        if not cuba and keeps_nothing(node) and (gain == 1).all():
            return Written(Threshold(threshold=spikes["v_threshold"]), bias)
        if v_reset:
            spikes["v_reset"] = _full(node.reset_to, shape)
    if not cuba and (decay == 1).all() and not initial.any() and _sayable(gain, step):
        r = gain if (gain == 1).all() else nearest(gain / step.dt, lambda r: r * step.dt, gain)
        return Written(Neuron(kind="IF" if spikes else "I", r=r, **spikes), _quotient(bias, gain))
    tau = step.tau(decay)
    leak = np.where(decay == 1, 0.0, step.share(tau) * initial)
    rest = np.where(np.abs(bias - leak) <= ROUNDING * np.abs(bias), 0.0, bias - leak)
    r = step.resistance(gain, tau)
    total = nearest(_quotient(rest, gain), lambda x: r * step.share(tau) * x + leak, bias)
    received = np.asarray(np.where(rest == 0, 0.0, total), np.float64)
    kind = f"{'Cuba' if cuba else ''}{'LIF' if spikes else 'LI'}"
    current: dict[str, Array] = {}
    if isinstance(node, (CubaLIF, CubaLI)):
        current["tau_syn"] = step.tau(_full(node.current_decay, shape))
        current_gain = _full(node.current_gain, shape)
        current["w_in"] = step.resistance(current_gain, current["tau_syn"])
    made = Neuron(kind=kind, r=r, tau=tau, v_leak=initial, **spikes, **current)
    return Written(made, received)


def keeps_nothing(node: LeakyPopulation) -> bool:
    """Whether a neuron is a step function: nothing of one step is left in the next."""
    return not (node.decay.any() or node.reset_delayed or node.refractory)


def discrete(
    node: Neuron, meaning: Meaning | None, step: TimeStep
) -> LeakyPopulation | LeakyIntegrator:
    """Return what a neuron of a file computes; ``meaning`` is None of one without threshold.

    A membrane without leak starts at 0, one with leak at ``v_leak``, where it stays at rest.
    """
    decay: Array = np.ones(1)
    leak: Array = np.zeros(1)
    rest: Array = np.zeros(1)
    if node.tau is not None and node.v_leak is not None:
        decay, leak, rest = step.decay(node.tau), step.share(node.tau) * node.v_leak, node.v_leak
    membrane = LI(
        name=node.kind,
        inputs=("x",),
        decay=decay,
        gain=step.gain(node),
        bias=leak,
        initial=rest,
    )
    fields = vars(membrane)
    current: dict[str, Any] = {}
    if node.tau_syn is not None and node.w_in is not None:
        current["current_decay"] = step.decay(node.tau_syn)
        current["current_gain"] = node.w_in * step.share(node.tau_syn)
    if node.v_threshold is None or meaning is None:
        return CubaLI(**fields, **current) if current else membrane
    spiking = LIF(
        **fields,
        threshold=node.v_threshold,
        strict=meaning.strict,
        reset=meaning.reset,
        reset_to=meaning.reset_to if node.v_reset is None else node.v_reset,
        reset_delayed=meaning.delayed,
        refractory=meaning.refractory,
    )
    return CubaLIF(**vars(spiking), **current) if current else spiking


def _membrane(node: LeakyPopulation | LeakyIntegrator) -> tuple[Array, ...]:
    return node.decay, node.gain, node.bias, node.initial


def _full(parameter: Array, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.asarray(parameter, np.float64), shape).copy()


def _quotient(bias: Array, gain: Array) -> Array:
    """Return the current that gives a bias; 0 where no current reaches the membrane."""
    return np.divide(bias, gain, out=np.zeros_like(bias), where=gain != 0)


def _sayable(gain: Array, step: TimeStep) -> bool:
    """Whether ``r`` of a neuron without leak can say a gain that readers do not take for 1."""
    # What reads the file takes a gain that is nearly 1 for 1: it may have gone through float32.
    near = np.isclose(gain, 1, rtol=NEARLY, atol=0) & (gain != 1)
    mistaken = np.allclose(gain / step.dt, 1, rtol=NEARLY, atol=0)
    return bool((gain == 1).all()) or not (near.any() or mistaken)
