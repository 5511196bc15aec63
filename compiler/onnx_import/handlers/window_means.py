"""Means over windows as one linear map along each axis.

A window of several axes is the product of windows along each of them, and so is what it divides
by: the values in it, or all places of it in the padded tensor. That also holds where windows are
dilated or reach over the border, which no pool of the network does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....ir import Array, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from .along import LARGEST, along


@dataclass(frozen=True)
class AxisWindow:
    """A window along one axis.

    Attributes:
        size: Places of the axis.
        kernel: Places of the window.
        stride: Its step.
        dilation: Distance of its places.
        begin: Places added before the axis.
        end: Places added behind it.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int

    @property
    def rest(self) -> int:
        """What the last window leaves over."""
        return self._room % self.stride

    @property
    def _room(self) -> int:
        span = self.dilation * (self.kernel - 1) + 1
        return self.size + self.begin + self.end - span

    def stops(self, *, ceil: bool) -> int:
        """Return how often it stops; rounded up, the last window must not begin in the padding."""
        stops = self._room // self.stride + 1
        return stops + (ceil and self.rest > 0 and stops * self.stride < self.size + self.begin)

    def means(self, *, ceil: bool, counted: bool) -> Array:
        """Return the matrix of the means, ``(stops, size)``.

        Args:
            ceil: Whether the number of windows is rounded up.
            counted: Whether added places count in the divisor.
        """
        stops = self.stops(ceil=ceil)
        if stops < 1 or stops * max(16 * self.kernel, self.size) > LARGEST:
            raise RefusalError(f"makes {stops} means of {self.size} places", "use smaller images")
        first = np.arange(stops)[:, None] * self.stride - self.begin
        places = first + self.dilation * np.arange(self.kernel)
        real = (places >= 0) & (places < self.size)
        count = (places < self.size + self.end if counted else real).sum(1, keepdims=True)
        if not count.all():
            raise RefusalError("has windows that see nothing", "reduce the padding")
        matrix = np.zeros((stops, self.size))
        rows = np.broadcast_to(np.arange(stops)[:, None], places.shape)
        np.add.at(matrix, (rows, np.where(real, places, 0)), real / count)
        return matrix


def window_means(
    op: Operation, source: Activation, windows: tuple[AxisWindow, ...], *, counted: bool
) -> tuple[Node, ...]:
    """Return the nodes of an average pool.

    Args:
        op: The node.
        source: What it reads.
        windows: The window along each axis behind the channels.
        counted: Whether added places count in the divisor.
    """
    ceil = bool(op.integer("ceil_mode", 0))
    here = source
    nodes: tuple[Node, ...] = ()
    for axis, window in enumerate(windows, 1):
        last = axis == len(windows)
        matrix = window.means(ceil=ceil, counted=counted)
        name = op.output if last else op.part(f"axis{axis}")
        nodes = along(op, here, axis, matrix, name=name)
        here = here if last else op.emit(nodes)
    return nodes
