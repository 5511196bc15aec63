"""The parameters of a ``Requantize``: a staircase over integer sums, in fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from math import floor, lcm, log2

import numpy as np

from ...ir import Array, Requantize, Staircase
from ...ir.reference import step as reference_step
from .integer_values import Sums, aligned

BITS = 62
"""Bits of a drive: what int64 holds, with room for adding half a threshold."""

LEAST_BITS = 16
"""Fewest fractional bits that count as a faithful multiplier."""


def fixed_point(
    node: Staircase, name: str, sums: Sums, reach: Mapping[str, tuple[Array, Array]]
) -> Requantize | None:
    """Return the integer node of a staircase over sums; see ``to_integer`` for the algebra.

    Args:
        node: The staircase, with bounds.
        name: The name of the new node.
        sums: What it reads.
        reach: The least and the greatest value of each sum.

    Returns:
        The node, or None where its drive does not fit ``BITS``.
    """
    plain = node.function == "identity"
    rank = sums.bias.ndim
    step = aligned(node.step, rank).astype(np.float64) if plain else np.ones((1,) * rank)
    divisors = np.unique(np.concatenate([term.divisor.ravel() for term in sums.terms]))
    common = reduce(lcm, (int(d) for d in divisors), 1)
    parts = [common // term.divisor for term in sums.terms]  # whole, by what `common` is
    factors = [term.scale / step for term in sums.terms]
    offset = sums.bias / step + (node.offset if plain else 0.0)
    furthest = np.abs(offset) * common
    for term, factor, part in zip(sums.terms, factors, parts, strict=True):
        reached = _largest(reach[term.edge]) + np.abs(term.added)
        furthest = furthest + np.abs(factor) * part * reached
    # A bit to spare: a rounded multiplier is larger than its factor by half a unit at most.
    bits = floor(BITS - 1 - log2(max(float(furthest.max()), common))) - 1
    if bits < LEAST_BITS:
        return None
    multiplier = [
        np.rint(factor * 2.0**bits).astype(np.int64) * part
        for factor, part in zip(factors, parts, strict=True)
    ]
    bias = np.rint(offset * common * 2.0**bits).astype(np.int64)
    for term, times in zip(sums.terms, multiplier, strict=True):
        bias = bias + times * term.added
    low, high = bounds(node)
    made = Requantize(
        name=name,
        inputs=tuple(term.edge for term in sums.terms),
        multiplier=np.stack(np.broadcast_arrays(*multiplier)),
        bias=bias,
        threshold=np.full((1,) * rank, common * 2**bits, np.int64),
        low=low,
        high=high,
        rounding=node.rounding,
        unit=step if plain else aligned(node.step, rank).astype(np.float64),
        represents=node.name,
    )
    return made if plain else replace(made, edges=edges(node, made.threshold.flat[0]))


def edges(node: Staircase, one: int) -> Array:
    """Return for each level above the lowest the smallest drive whose value reaches it.

    The value of a drive ``D`` is what ``ir.reference`` computes for the staircase at
    ``x = D / one``, in float64; its function increases, so the smallest drive is found by
    bisection, to the last unit. A tie (the middle of a sigmoid, say) falls as the staircase's
    own rounding rule says. A level that no drive reaches has an edge beyond all.

    Args:
        node: A staircase of tanh or sigmoid, with one step.
        one: The drive that stands for an ``x`` of 1.
    """
    lowest, highest = bounds(node)
    wanted = np.arange(lowest + 1, highest + 1)
    levels = replace(node, low=None, high=None)
    beyond = 2 ** (BITS - 1)  # a drive is less, and twice that still fits
    low, high = (np.full(len(wanted), side, np.int64) for side in (-beyond, beyond))
    while np.any(low < high):
        middle = low + (high - low) // 2
        value = reference_step(levels, [middle / one], {}, 1) / node.step
        reached = np.rint(value) >= wanted
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return np.asarray(high)


def bounds(node: Staircase) -> tuple[int, int]:
    """Return the lowest and the highest level of a staircase that has both."""
    assert node.low is not None
    assert node.high is not None
    return node.low, node.high


def _largest(ends: tuple[Array, Array]) -> Array:
    """Return the largest magnitude of a sum, 1 at least: its multiplier has to fit as well."""
    low, high = ends
    return np.maximum(np.maximum(np.abs(low), np.abs(high)), 1).astype(np.float64)
