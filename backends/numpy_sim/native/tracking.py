"""Populations of tracking neurons that the compiled kernels can run, and what these are told."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....ir import Array, Graph, TrackingIF
from ....ir.bounds import accumulated_bounds, drive_bounds
from . import library
from .frames import Frames
from .library import (
    LANES,
    BranchLayout,
    PopulationLayout,
    SynapseLayout,
    TrackingLayout,
    address,
)
from .populations import INT32_EXACT, image
from .shared import shared_property
from .synapses import NativeSynapse, padded_lanes

MOST_BRANCHES = 64
"""As in ``layout.h``."""
INT64_EXACT = 2**63
ROUNDINGS = ("floor", "half_up", "half_even")
"""In the order of ``layout.h``."""


def can_track(graph: Graph, node: TrackingIF) -> bool:
    """Whether the kernels compute these neurons: all they keep fits the integers they keep it in.

    Sums of branches are kept in 32 bits, drives are computed in 64: every drive on the way from
    the bias to the whole lies between its bounds, as all sums may be 0.
    """
    least, most = graph.types[node.name].payload or (0, INT32_EXACT)
    sums = [bound for name in node.inputs for bound in accumulated_bounds(graph, name)]
    drives = max(int(np.abs(bound).max()) for bound in drive_bounds(graph, node))
    return (
        not node.digits
        and (least, most) >= (-128, 0)
        and most <= (127 if least < 0 else 255)
        and image(graph.types[node.name].shape) is not None
        and len(node.inputs) <= MOST_BRANCHES
        and max(node.high, -node.low, node.max_positive, node.max_negative) < INT32_EXACT
        and max(int(np.abs(bound).max()) for bound in sums) < INT32_EXACT
        and drives + int(node.threshold.max()) < INT64_EXACT
    )


@dataclass(frozen=True)
class Source:
    """What a branch of a population reads in some steps.

    Attributes:
        current: What it delivers, ``(samples, steps, height, width, lanes)``, int32, or None.
        synapse: Who computes that, where it is not known.
        frames: Of what, ...
        events: ... and how many there are in each of them, ``(samples, steps)``, int64.
    """

    current: Array | None = None
    synapse: NativeSynapse | None = None
    frames: Frames | None = None
    events: Array | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing arrives."""
        return self.current is None and (self.events is None or not self.events.any())


@dataclass(frozen=True, eq=False)
class NativeTracking:
    """The parameters of one population, laid out.

    Attributes:
        node: The population.
        shape: Its shape: channels, height and width, or neurons.
    """

    node: TrackingIF
    shape: tuple[int, ...]

    @property
    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        sides = image(self.shape)
        assert sides is not None
        return sides

    @property
    def lanes(self) -> int:
        """Channels, padding included."""
        return padded_lanes(self.sides[0])

    @property
    def neurons(self) -> int:
        """Of a sample, padding included."""
        return self.lanes * self.sides[1] * self.sides[2]

    @shared_property
    def alike(self) -> bool:
        """Whether parameters are the same at all positions."""
        node = self.node
        parameters = (node.bias, node.threshold, *node.multiplier)
        by_channel = (part.size == 1 or part.shape[-2:] == (1, 1) for part in parameters)
        return self.sides[1:] == (1, 1) or all(by_channel)

    @shared_property
    def bias(self) -> Array:
        """``(lanes,)`` or ``(height, width, lanes)``, int64."""
        return self._laid_out(self.node.bias, 0)

    @shared_property
    def threshold(self) -> Array:
        """Likewise."""
        return self._laid_out(self.node.threshold, 1)

    @shared_property
    def multipliers(self) -> list[Array]:
        """Likewise, for each branch."""
        return [self._laid_out(part, 0) for part in self.node.multiplier]

    @shared_property
    def edges(self) -> Array | None:
        """Where quantised values begin, int64."""
        edges = self.node.edges
        return None if edges is None else np.ascontiguousarray(edges, np.int64)

    @shared_property
    def inside(self) -> Array:
        """``(lanes,)``, int32: -1 for channels, 0 for padding."""
        return -(np.arange(self.lanes) < self.sides[0]).astype(np.int32)

    def _laid_out(self, parameter: Array, padding: int) -> Array:
        channels, height, width = self.sides
        whole = np.broadcast_to(parameter, self.shape).reshape(self.sides)
        if self.alike:
            whole, height, width = whole[:, :1, :1], 1, 1
        full = np.full((height, width, self.lanes), padding, np.int64)
        full[..., :channels] = whole.transpose(1, 2, 0)
        return full

    @shared_property
    def template(self) -> TrackingLayout:
        """What kernels are told, but for what changes from run to run."""
        node = self.node
        channels, height, width = self.sides
        first = int(node.threshold.flat[0])
        shifts = first & (first - 1) == 0 and bool(np.all(node.threshold == first))
        return TrackingLayout(
            PopulationLayout(
                height=height,
                width=width,
                channels=channels,
                lanes=self.lanes,
                max_positive=node.max_positive,
                max_negative=node.max_negative,
            ),
            neurons=self.neurons,
            every=0 if self.alike else self.lanes,
            bias=address(self.bias),
            threshold=address(self.threshold),
            edge=address(self.edges),
            inside=address(self.inside),
            branches=len(node.inputs),
            edges=0 if self.edges is None else len(self.edges),
            bits=first.bit_length() - 1 if shifts else -1,
            rounding=ROUNDINGS.index(node.rounding),
            low=node.low,
            high=node.high,
        )


class TrackingRun:
    """A population for some samples, from rest.

    Args:
        native: Its parameters.
        samples: Number of samples.
    """

    def __init__(self, native: NativeTracking, samples: int) -> None:
        self.native = native
        _, height, width = native.sides
        grid = samples, height, width, native.lanes
        self.sums = [np.zeros(grid, np.int32) for _ in native.node.inputs]
        self.acc = np.zeros(grid, np.int32)
        self.due = np.ones((*grid[:3], native.lanes // LANES), np.uint8)  # the bias is yet to act
        self.waits = np.ones(samples, np.uint8)

    def advance(self, sources: Sequence[Source], target: Frames) -> Array:
        """Go on for some steps; payloads are written into the target.

        Args:
            sources: What each branch reads.
            target: ``(samples, steps, ...)``.

        Returns:
            After which steps more is due, ``(samples, steps)``.
        """
        samples, steps = target.data.shape[:2]
        waits, sent = np.empty((samples, steps), bool), np.empty((samples, steps), np.int64)
        synapses: list[SynapseLayout] = []
        branches = (BranchLayout * len(sources))()
        for index, source in enumerate(sources):
            branches[index] = BranchLayout(
                address(source.current),
                multiplier=address(self.native.multipliers[index]),
                sum=address(self.sums[index]),
            )
            if source.synapse is not None and source.frames is not None:
                branches[index].events = address(source.events)
                branches[index].synapse = len(synapses)
                (many, few), branches[index].few = source.synapse.row_methods
                synapses += [
                    source.synapse.describe(method, source.frames, row_by_row=True)
                    for method in (many, few)
                ]
        told = (SynapseLayout * max(1, len(synapses)))(*synapses)
        tracking = TrackingLayout.from_buffer_copy(self.native.template)
        tracking.population.synapses = len(synapses)
        tracking.population.synapse = ctypes.addressof(told)
        tracking.population.target = target.told
        tracking.branch = ctypes.addressof(branches)
        tracking.acc, tracking.due = address(self.acc), address(self.due)
        tracking.waits_before = address(self.waits)
        tracking.waits, tracking.sent = address(waits), address(sent)
        library.track(tracking, samples, steps)
        return waits
