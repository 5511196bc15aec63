"""The order of the passes: read this file to know what the compiler does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..backends.target import Target
from ..ir import IF, Array, Clip, Graph, Staircase
from .codes import Code
from .options import Options
from .passes.as_images import as_images
from .passes.balance_thresholds import BalanceThresholds
from .passes.cancel_straight_through import cancel_straight_through
from .passes.cap_payloads import CapPayloads
from .passes.compose_gather import compose_gather
from .passes.compose_linear import compose_linear
from .passes.compose_pool import compose_pool
from .passes.fold_affine import channelwise, fold_affine
from .passes.hoist_affine import hoist_affine
from .passes.hoist_clip import hoist_clip
from .passes.hoist_scale import hoist_scale
from .passes.join_moves import join_moves
from .passes.join_staircases import join_staircases
from .passes.normalize import normalize
from .passes.pairwise_max import PairwiseMax
from .passes.payload_units import mixing_channels
from .passes.quantize import Quantize
from .passes.quantize_input import QuantizeInput
from .passes.recognise_staircase import recognise_staircase
from .passes.schedule import SpreadInitial
from .passes.to_differential import to_differential
from .passes.to_exact import ToExact
from .passes.to_integer import ToInteger
from .passes.to_radix import ToRadix
from .passes.to_spiking import ToSpiking
from .passes.to_two_phase import ToTwoPhase

Pass = Callable[[Graph], Graph]
"""A pass takes a graph and returns a new one; its options are fields of a frozen dataclass."""

After = Callable[[str, Graph], None]
"""Called with each pass's name and result: printing and dumping use it."""

SIMPLIFY: tuple[Pass, ...] = (
    *(as_images, join_moves, hoist_affine),
    *(cancel_straight_through, hoist_scale, recognise_staircase),
    *(
        fold_affine,
        compose_gather,
        hoist_clip,
        join_moves,
        join_staircases,
        compose_linear,
        compose_pool,
    ),
)
"""Exact passes on the ANN; they run before calibration."""


def simplification(target: Target, note: Callable[[str], None]) -> tuple[Pass, ...]:
    """Return the exact passes on an ANN that is to run on a target.

    Args:
        target: Where it shall run.
        note: Receives one sentence for each thing that spikes will not compute exactly.
    """
    return (*SIMPLIFY, PairwiseMax(note)) if target.pairwise_max else SIMPLIFY


def conversion(
    options: Options,
    code: Code,
    full_scale: Mapping[str, Array],
    bounds: Mapping[str, tuple[Array, Array]],
    largest_input: Mapping[str, float],
    note: Callable[[str], None],
    fitted: Sequence[Pass] = (),
    caps: Mapping[str, int] | None = None,
    shift: str | None = None,
    target: Target | None = None,
) -> tuple[Pass, ...]:
    """Return the passes from a simplified, calibrated ANN to a spiking network.

    Args:
        options: The user's options.
        code: The spike code.
        full_scale: For each value that gets a population, its full scale.
        bounds: For each value that a clip bounds below 0, its bounds.
        largest_input: For each input, its largest magnitude.
        note: Receives one sentence for each approximation.
        fitted: Passes that run the network on calibration samples.
        caps: For each value that gets a population its payload cap, where ``options`` leave it
            to be chosen.
        shift: When neurons get their initial membrane, where ``options`` leave it to be chosen.
        target: Where the network shall run, or None for nowhere in particular.
    """
    steps = code.presentations(options.timesteps)
    bits = options.weight_bits
    scheduled = schedule(options, code)
    at_zero = bool(target and target.starts_at_zero)
    spread = (shift or options.shift or ("step" if at_zero else "initial")) == "step"
    return (
        ToSpiking(code, target),
        *((CapPayloads(caps),) if caps and options.chooses_caps else ()),
        BalanceThresholds(full_scale, bounds, steps),
        *((QuantizeInput(largest_input, options.used_input_bits, note),) if bits else ()),
        *((normalize,) if spread or fitted or not bits else ()),  # else Quantize divides itself
        *((SpreadInitial(steps),) if spread else ()),
        *(pass_ for fit in fitted for pass_ in (fit, normalize)),
        *((SpreadInitial(steps),) if spread and at_zero and fitted else ()),  # what was fitted
        *((Quantize(bits, steps, note, not scheduled, target),) if bits else ()),
        *scheduled,
    )


def exact_conversion(code: Code, note: Callable[[str], None]) -> tuple[Pass, ...]:
    """Return the passes from a simplified quantised ANN to the spiking network equal to it."""
    return ToInteger(note), ToExact(code.max_positive, code.base)


def schedule(options: Options, code: Code) -> tuple[Pass, ...]:
    """Return the pass that gives a network of equal steps another schedule, if one does."""
    if code.base:
        return (ToRadix(code.base, options.timesteps),)
    if code.differential:
        return (to_differential,)
    if options.two_phase:
        return (ToTwoPhase(options.two_phase, options.rehearsal),)
    return ()


def represented_values(graph: Graph, code: Code, target: Target | None = None) -> list[str]:
    """Return the values of an ANN that will have a population: those calibration watches."""
    return watched_values(graph, code, target)[0]


def watched_values(
    graph: Graph, code: Code, target: Target | None = None
) -> tuple[list[str], set[str]]:
    """Return the values that will have a population, and which must have one full scale each.

    The latter are those whose channels must have it in common.
    """
    spiking = ToSpiking(code, target)(graph)
    populations = {node.name: node.represents for node in spiking.of_type(IF)}
    mixing = mixing_channels(spiking, list(populations))
    undivided = {populations[name] for name in mixing} | set(signed_bounds(graph))
    return list(dict.fromkeys(populations.values())), undivided


def signed_bounds(graph: Graph) -> dict[str, tuple[Array, Array]]:
    """Return the bounds of every activation that lets negative values through, ANN units."""
    return {name: bounds for name, bounds in _bounds(graph).items() if np.all(bounds[0] < 0)}


def trained_full_scale(graph: Graph, *, clips: bool = False) -> dict[str, Array]:
    """Return the full scales that training chose, ``(1,)`` or ``(channels,)``, ANN units.

    Those of a staircase are ``step * high``: with ``max_positive * T = high`` the levels of the
    mean output are its levels. Signed ones reach as far as their farther bound.

    Args:
        graph: An ANN.
        clips: Whether the bound of a clip counts too, as the trained threshold of a rate norm
            layer or of a threshold ReLU does.
    """
    found = {}
    for name, (low, high) in _bounds(graph).items():
        reach = np.maximum(high, -low)
        if (clips or isinstance(graph[name], Staircase)) and np.all(np.isfinite(reach)):
            found[name] = reach
    return found


def _bounds(graph: Graph) -> dict[str, tuple[Array, Array]]:
    """Return the bounds of every clip and every bounded staircase, ANN units."""
    found = {n.name: (np.full(1, n.low), np.full(1, n.high)) for n in graph.of_type(Clip)}
    for node in graph.of_type(Staircase):
        if node.low is not None and node.high is not None:
            one = node.step.size == 1
            step = node.step.reshape(1) if one else channelwise(node.step, graph.types[node.name])
            found[node.name] = (step * node.low, step * node.high)
    return found


def run_passes(graph: Graph, passes: Sequence[Pass], after: After | None = None) -> Graph:
    """Run passes in order.

    Args:
        graph: The graph to start from.
        passes: What to run.
        after: Called with each pass's name and result.
    """
    for pass_ in passes:
        graph = pass_(graph)
        if after:
            after(getattr(pass_, "__name__", type(pass_).__name__), graph)
    return graph
