"""Populations that the compiled kernels can run, and what these are told."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....ir import IF, Array
from . import library
from .frames import FrameLayout, Frames
from .library import PopulationLayout, address
from .shared import shared_property
from .synapses import NativeSynapse, padded_lanes

INT32_EXACT = 2**31


def image(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return channels, height and width of an edge; None where it has other axes.

    >>> image((10,)), image((3, 8, 8)), image((4, 4))
    ((10, 1, 1), (3, 8, 8), None)
    """
    if len(shape) == 1:
        return shape[0], 1, 1
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None


def can_run(node: IF, shape: tuple[int, ...], membrane: int | None) -> bool:
    """Whether the kernels compute this kind of neuron.

    Args:
        node: The population.
        shape: Its shape.
        membrane: A bound on its integer membrane and on what firing computes, or None where it
            is real.
    """
    least, most = node.payload
    in_a_byte = most <= 127 and least >= -127
    held = membrane is None or membrane < INT32_EXACT
    return node.select == "count" and in_a_byte and held and image(shape) is not None


@dataclass(frozen=True)
class NativePopulation:
    """One population with all synapses that end there.

    Attributes:
        node: The population.
        shape: Channels, height and width.
        synapses: Of each name it reads.
        membrane: A bound on its integer membrane, or None where it is real.
    """

    node: IF
    shape: tuple[int, int, int]
    synapses: tuple[NativeSynapse, ...]
    membrane: int | None

    @property
    def one_position(self) -> bool:
        """Whether it is no image but a vector."""
        return self.shape[1:] == (1, 1)

    @property
    def real(self) -> bool:
        """Whether it computes with real numbers."""
        return self.membrane is None

    @property
    def number(self) -> type[np.generic]:
        """The type of its currents and membranes."""
        return np.float64 if self.real else np.int32

    @shared_property
    def threshold(self) -> Array:
        """``(height, width, lanes)``; lanes that only pad stay at 0 and never reach theirs."""
        return self.laid_out(self.node.threshold, 1)

    @shared_property
    def initial(self) -> Array:
        """``(height, width, lanes)``."""
        return self.laid_out(self.node.initial, 0)

    @shared_property
    def bias(self) -> Array:
        """``(1, height, width, lanes)``: the same for all samples."""
        return self.laid_out(self.node.bias, 0)[None]

    def laid_out(self, parameter: Array, padding: float) -> Array:
        """Return a parameter for each neuron as the kernels read it."""
        channels, height, width = self.shape
        full = np.full((height, width, padded_lanes(channels)), padding, self.number)
        whole = np.broadcast_to(parameter, self.shape if parameter.ndim == 3 else (channels,))
        whole = whole if whole.ndim == 3 else whole[:, None, None]
        full[..., :channels] = whole.transpose(1, 2, 0)
        return full

    def with_current(self, base: Array, current: Array) -> Array:
        """Add a current that never changes.

        Args:
            base: ``(samples or 1, height, width, lanes)``.
            current: ``(samples, *shape)``.

        Returns:
            ``(samples, height, width, lanes)``.
        """
        channels = self.shape[0]
        images = current.reshape(len(current), *self.shape).transpose(0, 2, 3, 1)
        full = np.repeat(base, len(images), axis=0) if len(base) == 1 else base.copy()
        full[..., :channels] += images.astype(self.number)
        return full

    def with_synapse(
        self, base: Array, synapse: NativeSynapse, method: int, frames: Frames
    ) -> Array:
        """Add what an integer synapse delivers from payloads that never change.

        Args:
            base: ``(samples or 1, height, width, lanes)``.
            synapse: The synapse.
            method: How to compute it.
            frames: The payloads, of one step.

        Returns:
            ``(samples, height, width, lanes)``.
        """
        if len(base) > 1:
            none = np.zeros_like(base[0])
            return np.asarray(base + synapse.added(method, frames, none)[:, 0])
        return np.asarray(synapse.added(method, frames, base[0])[:, 0])

    def run(
        self,
        sources: Sequence[tuple[NativeSynapse, int, Frames]],
        base: Array,
        target: Frames,
    ) -> None:
        """Run for all steps.

        Args:
            sources: Of each synapse whose current changes: how to compute it, and what it reads.
            base: Bias and constant currents, as ``with_current`` returns them.
            target: Where the payloads go.
        """
        told = (library.SynapseLayout * max(1, len(sources)))(
            *(synapse.describe(method, frames) for synapse, method, frames in sources)
        )
        population = PopulationLayout.from_buffer_copy(self._template)
        population.synapses, population.synapse = len(sources), ctypes.addressof(told)
        population.base, population.base_sample = address(base), base[0].size * (len(base) > 1)
        population.target = target.told
        library.advance(population, *target.data.shape[:2], real=self.real)

    @shared_property
    def _template(self) -> PopulationLayout:
        """What kernels are told, but for what enters and where payloads go."""
        node = self.node
        channels, height, width = self.shape
        most = np.inf if self.real else INT32_EXACT - 1
        return PopulationLayout(
            height=height,
            width=width,
            channels=channels,
            lanes=padded_lanes(channels),
            threshold=address(self.threshold),
            initial=address(self.initial),
            max_positive=node.max_positive,
            max_negative=node.max_negative,
            deadband=node.deadband,
            bounded_below=node.acc_min is not None,
            bounded_above=node.acc_max is not None,
            acc_min=node.acc_min or 0,
            acc_max=node.acc_max or 0,
            clamped=node.clamp is not None,
            clamp=most if node.clamp is None else min(node.clamp, most),
            to_zero=node.reset == "zero",
        )


def layout_of(
    shape: tuple[int, ...], payload: tuple[int, int], readers: Sequence[NativeSynapse]
) -> FrameLayout | None:
    """Return how to lay out an edge for those who read it, or None where bytes cannot hold it.

    Args:
        shape: Of the edge.
        payload: Its smallest and largest payload.
        readers: The synapses that read it.
    """
    sides = image(shape)
    least, most = payload
    if sides is None or (least < 0 and (least < -128 or most > 127)) or most > 255:
        return None
    top, left, bottom, right = (
        max((reader.border[side] for reader in readers), default=0) for side in range(4)
    )
    return FrameLayout(sides, (top, left, bottom, right), payload)
