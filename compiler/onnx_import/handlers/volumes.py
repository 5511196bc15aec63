"""Three-dimensional layers as two-dimensional ones.

The depth of a volume becomes part of the channels: a convolution is then one of images whose
weight holds the kernel once for each depth it stops at. A pool goes over the depth, then over
the images; maxima of maxima are maxima, and means of means of as many values are means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ....ir import Array, AveragePool, Conv, MaxPool, Node, Reshape
from ....ir.shapes import Padding
from ..operation import Operation
from ..values import Activation, RefusalError
from .window_means import AxisWindow, window_means

LARGEST = 2**26
"""Weights that the convolution of images may have."""

MOST_FRAMES = 512
"""Depth of a volume: each place is looked at for each place of the result."""

_SMALLER = "use fewer frames, or a 2-D convolution followed by one over time"


def is_volume(op: Operation) -> bool:
    """Whether a node reads channels x depth x height x width."""
    source = op.inputs[0] if op.inputs else None
    return isinstance(source, Activation) and len(source.type.shape) == 4


def conv(op: Operation) -> tuple[Node, ...]:
    """Convert a three-dimensional ``Conv``."""
    source, weight = op.activation(), op.parameter(1)
    if weight.ndim != 5 or 0 in weight.shape:
        raise RefusalError(f"weight {weight.shape} is not that of a volume", "export it again")
    if op.integers("kernel_shape") not in (None, weight.shape[2:]):
        raise RefusalError("kernel_shape is not that of the weight", "export it again")
    window = Window.read(op, source.type.shape[1:], weight.shape[2:])
    bias = op.parameter(2).reshape(-1) if op.given(2) else None
    return convolved(op, source, weight, bias, window)


def convolved(
    op: Operation, source: Activation, weight: Array, bias: Array | None, window: Window
) -> tuple[Node, ...]:
    """Return the nodes of a convolution of volumes.

    Args:
        op: The node; its groups are read.
        source: The volume.
        weight: ``(out, in / groups, depth, height, width)``.
        bias: One number for each channel, or None.
        window: The kernel's window.
    """
    groups = op.integer("group", 1)
    channels, depth, height, width = source.type.shape
    out, per_group = weight.shape[:2]
    if groups < 1 or out % groups or channels != groups * per_group:
        raise RefusalError(f"group={groups} does not fit {channels} channels", "export it again")
    stops = window.stops(0)
    if stops * depth > MOST_FRAMES**2:
        raise RefusalError(f"makes {stops} frames of {depth}", _SMALLER)
    size = out * stops * per_group * depth * prod(weight.shape[3:])
    if stops < 1 or size > LARGEST:
        raise RefusalError(f"is a 2-D convolution of {size} weights", _SMALLER)
    spread = np.zeros((out, stops, per_group, depth, *weight.shape[3:]))
    for stop in range(stops):
        for place in range(depth):
            index, between = divmod(
                place + window.begin[0] - stop * window.stride[0], window.dilation[0]
            )
            if not between and 0 <= index < weight.shape[2]:
                spread[:, stop, :, place] = weight[:, :, index]
    frames = _view(op, source, (channels * depth, height, width))
    inner = Conv(
        name=op.part("frames"),
        inputs=(frames.name,),
        weight=spread.reshape(out * stops, per_group * depth, *weight.shape[3:]),
        bias=None if bias is None else np.repeat(bias, stops),
        stride=(window.stride[1], window.stride[2]),
        padding=window.padding,
        dilation=(window.dilation[1], window.dilation[2]),
        groups=groups,
    )
    made = op.emit((inner,))
    return (_volume(op, made, (out, stops, *made.type.shape[1:])),)


def pool(op: Operation) -> tuple[Node, ...]:
    """Convert a three-dimensional ``MaxPool`` or ``AveragePool``."""
    op.ignore("storage_order")
    source = op.activation()
    channels, depth, height, width = source.type.shape
    kernel = op.integers("kernel_shape") or ()
    window = Window.read(op, (depth, height, width), kernel)
    counted = bool(op.integer("count_include_pad", 0)) if op.type == "AveragePool" else False
    reaches_over = bool(op.integer("ceil_mode", 0)) and any(map(window.rest, range(3)))
    if op.type == "AveragePool" and (reaches_over or set(window.dilation) != {1}):
        return window_means(op, source, window.axes, counted=counted)
    if reaches_over:
        raise RefusalError("ceil_mode=1 adds windows over the border", "use ceil_mode=0")
    over_depth = ((kernel[0], 1), (window.stride[0], 1), (window.begin[0], 0, window.end[0], 0))
    in_frames = (kernel[1:], window.stride[1:], window.padding)
    windows: tuple[tuple[tuple[int, ...], tuple[int, ...], Padding], ...] = (over_depth, in_frames)
    dilations = ((window.dilation[0], 1), window.dilation[1:])
    here = _view(op, source, (channels, depth, height * width))
    for index, (shape, stride, padding) in enumerate(windows):
        name = op.part(f"pool{index}")
        plain = AveragePool(
            name=name,
            inputs=(here.name,),
            kernel=(shape[0], shape[1]),
            stride=(stride[0], stride[1]),
            padding=padding,
            count_include_pad=counted,
        )
        dilation = dilations[index]
        largest = MaxPool(
            name=name,
            inputs=(here.name,),
            kernel=plain.kernel,
            stride=plain.stride,
            padding=padding,
            dilation=(dilation[0], dilation[1]),
        )
        here = op.emit((plain if op.type == "AveragePool" else largest,))
        if index == 0:
            depth = here.type.shape[1]
            here = _view(op, here, (channels * depth, height, width))
    return (_volume(op, here, (channels, depth, *here.type.shape[1:])),)


@dataclass(frozen=True)
class Window:
    """A window in a volume: what it has along depth, height and width.

    Attributes:
        size: The volume.
        kernel: Places of the window.
        stride: Its steps.
        begin: Zeros added before each axis.
        end: Zeros added behind each axis.
        dilation: Distance of its places.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def read(cls, op: Operation, size: tuple[int, ...], kernel: tuple[int, ...]) -> Window:
        """Read stride, padding and dilation of a node."""
        stride: tuple[int, ...] = op.integers("strides") or (1, 1, 1)
        dilation: tuple[int, ...] = op.integers("dilations") or (1, 1, 1)
        pads = op.integers("pads") or (0,) * 6
        listed = (kernel, stride, dilation)
        if any(len(v) != 3 or min(v) < 1 for v in listed) or len(pads) != 6 or min(pads) < 0:
            raise RefusalError("has no window of three axes", "export it again")
        mode = op.text("auto_pad", "NOTSET")
        window = cls(size, kernel, stride, pads[:3], pads[3:], dilation)
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            totals = [
                max((-(-n // s) - 1) * s + window.span(axis) - n, 0)
                for axis, (n, s) in enumerate(zip(size, stride, strict=True))
            ]
            less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
            begin, end = (less, more) if mode == "SAME_UPPER" else (more, less)
            return replace(window, begin=begin, end=end)
        if mode == "VALID":
            return replace(window, begin=(0, 0, 0), end=(0, 0, 0))
        return window

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Along height and width."""
        return self.begin[1], self.begin[2], self.end[1], self.end[2]

    @property
    def axes(self) -> tuple[AxisWindow, ...]:
        """The window along each axis."""
        sides = (self.size, self.kernel, self.stride, self.dilation, self.begin, self.end)
        return tuple(AxisWindow(*numbers) for numbers in zip(*sides, strict=True))

    def span(self, axis: int) -> int:
        """Return the places from the first to the last one of the window."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def stops(self, axis: int) -> int:
        """How often the window stops along an axis."""
        return self._room(axis) // self.stride[axis] + 1

    def rest(self, axis: int) -> int:
        """What the last window leaves over along an axis."""
        return self._room(axis) % self.stride[axis]

    def _room(self, axis: int) -> int:
        return self.size[axis] + self.begin[axis] + self.end[axis] - self.span(axis)


def _view(op: Operation, source: Activation, shape: tuple[int, ...]) -> Activation:
    return op.emit((Reshape(name=op.part("view"), inputs=(source.name,), shape=shape),))


def _volume(op: Operation, made: Activation, shape: tuple[int, ...]) -> Node:
    return Reshape(name=op.output, inputs=(made.name,), shape=shape)
