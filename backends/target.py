"""What a target can do, as data: passes and design rules read this, never a backend's name."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Node
from ..ir.neurons import SATURATION


@dataclass(frozen=True)
class Target:
    """The limits of one target.

    Attributes:
        name: The name on the command line.
        summary: One line for ``snnc targets``: what it is, and what it is not.
        supports: The spiking node classes it can run.
        signed_payloads: Whether an event can be negative.
        graded_payloads: Whether an event can carry more than one unit.
        needs_integers: Whether it runs quantised graphs only.
        rate_coded_only: Whether all steps of a run must be alike: the same input and bias at
            every step, payloads that count thresholds, and a mean over all steps as readout. A
            network of tracking neurons only may have input and bias once, and the sum instead.
        stepwise_inputs: Whether a sample may have a value for every time step.
        resets: What a spike may do to a membrane (``ir.IF.reset``); the first is the default there.
        starts_at_zero: Whether every membrane starts a sample at 0.
        threshold_per_layer: Whether all neurons of a population have one threshold; an integer
            population then has one step for all its weights.
        membrane: Largest magnitude of an integer membrane; one that could pass it saturates there.
        default_code: Name of the code it gets unless the user says, or None for the richest that it
            takes.
        joins: Whether several synapses may lead into one population.
        pairwise_max: Whether max pools are computed from pairs, ``max(a, b) = a + relu(b - a)``:
            the target has none of its own.
        max_current: Largest sum of weighted payloads one synapse node may deliver in a step, or
            None for no limit.
        source: Where the limits are from: a document and its section.
    """

    name: str
    summary: str
    supports: frozenset[type[Node]]
    signed_payloads: bool = True
    graded_payloads: bool = True
    needs_integers: bool = False
    rate_coded_only: bool = False
    stepwise_inputs: bool = False
    resets: tuple[str, ...] = ("subtract",)
    starts_at_zero: bool = False
    threshold_per_layer: bool = False
    membrane: int = SATURATION
    max_current: int | None = None
    default_code: str | None = None
    joins: bool = True
    pairwise_max: bool = False
    source: str = ""
