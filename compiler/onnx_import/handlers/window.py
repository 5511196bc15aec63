"""Windows that slide over height and width: kernel, stride, padding and dilation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....ir import Gather
from ....ir.shapes import Padding, Pair
from ..operation import Operation
from ..values import Activation, RefusalError
from .window_means import AxisWindow


@dataclass(frozen=True)
class Window:
    """A window.

    Attributes:
        kernel: Height and width.
        stride: Step along height and width.
        padding: Cells added at top, left, bottom and right.
        dilation: Distance of the window's elements.
    """

    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair

    def span(self, axis: int) -> int:
        """Return the cells from the first to the last element."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def axes(self, size: tuple[int, ...]) -> tuple[AxisWindow, ...]:
        """Return the window along height and width of an image of a size."""
        return tuple(
            AxisWindow(
                size[axis],
                self.kernel[axis],
                self.stride[axis],
                self.dilation[axis],
                self.padding[axis],
                self.padding[axis + 2],
            )
            for axis in (0, 1)
        )

    def meets_image(self, padding: Padding) -> bool:
        """Whether the window never lies in the padding alone, which ONNX Runtime refuses."""
        return all(max(padding[axis], padding[axis + 2]) < self.kernel[axis] for axis in (0, 1))


def pair(op: Operation, name: str) -> Pair:
    """Return an attribute of two positive integers, 1 each by default."""
    values = op.integers(name) or (1, 1)
    if len(values) == 1:  # of a line, which is an image of height 1
        values = (1, *values)
    if len(values) != 2 or min(values) < 1:
        raise RefusalError(f"{name}={list(values)} is not two positive integers", _TWO_AXES)
    return values[0], values[1]


_TWO_AXES = "use the two-dimensional form of the layer"


def read_window(op: Operation, source: Activation, kernel: Pair) -> Window:
    """Read stride, padding and dilation of a node.

    Args:
        op: The node.
        source: The image it reads.
        kernel: Height and width of its window.
    """
    pads = op.integers("pads") or (0, 0, 0, 0)
    if len(pads) == 2:
        pads = (0, pads[0], 0, pads[1])
    if len(pads) != 4 or min(pads) < 0:
        raise RefusalError(
            f"pads={list(pads)} is not four numbers >= 0", "crop or pad the image in a layer before"
        )
    window = Window(
        kernel, pair(op, "strides"), (pads[0], pads[1], pads[2], pads[3]), pair(op, "dilations")
    )
    mode = op.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        fixed = window if mode == "NOTSET" else _padded(window, (0, 0, 0, 0))
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        size = source.type.shape[1:]
        fixed = _padded(window, _same(window, (size[0], size[1]), upper=mode == "SAME_UPPER"))
    else:
        raise RefusalError(f"auto_pad={mode} is unknown", "export the model with explicit pads")
    return fixed


def read_pool_window(op: Operation, source: Activation) -> Window:
    """Read the window of a pooling node, which must not round the output size up."""
    window = read_window(op, source, pair(op, "kernel_shape"))
    size = source.type.shape[1:]
    if not window.meets_image(window.padding):
        raise RefusalError("its padding is as large as its window", "reduce the padding")
    for axis in (0, 1):
        steps = size[axis] + window.padding[axis] + window.padding[axis + 2] - window.span(axis)
        rest = steps % window.stride[axis]
        last = (steps // window.stride[axis] + 1) * window.stride[axis]
        inside = last < size[axis] + window.padding[axis]  # else the last window sees nothing
        if op.integer("ceil_mode", 0) and rest and inside:
            padding = list(window.padding)
            padding[axis + 2] += window.stride[axis] - rest
            more = (padding[0], padding[1], padding[2], padding[3])
            window = Window(window.kernel, window.stride, more, window.dilation)
    return window


def absorb_padding(op: Operation, source: Activation) -> tuple[Activation, Padding]:
    """Look through nodes that only add zeros around an image.

    Returns:
        The image without the zeros, and how many there are.
    """
    padding: Padding = (0, 0, 0, 0)
    while isinstance(source.node, Gather) and (zeros := _zeros(op, source.node)):
        padding = total_padding(padding, zeros)
        source = op.lookup(source.node.inputs[0])
    return source, padding


def _zeros(op: Operation, node: Gather) -> Padding | None:
    """Return the zeros a node adds around an image, or None where it does something else."""
    size = op.lookup(node.inputs[0]).type.shape[node.axis]
    begin = int(np.argmax(node.places >= 0))
    end = len(node.places) - begin - size
    inside = np.pad(np.arange(size), (begin, max(end, 0)), constant_values=-1)
    if node.axis not in (1, 2) or not np.array_equal(inside, node.places):
        return None
    return (begin, 0, end, 0) if node.axis == 1 else (0, begin, 0, end)


def total_padding(a: Padding, b: Padding) -> Padding:
    """Return the sum of two paddings."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _padded(window: Window, padding: Padding) -> Window:
    if any(window.padding):
        raise RefusalError("has both pads and auto_pad", "export the model with explicit pads")
    return Window(window.kernel, window.stride, padding, window.dilation)


def _same(window: Window, size: Pair, *, upper: bool) -> Padding:
    """Return the padding with which the output has ``ceil(size / stride)`` cells."""
    begin, end = [0, 0], [0, 0]
    for axis in (0, 1):
        out = -(-size[axis] // window.stride[axis])
        total = max((out - 1) * window.stride[axis] + window.span(axis) - size[axis], 0)
        small = total // 2
        begin[axis], end[axis] = (small, total - small) if upper else (total - small, small)
    return begin[0], begin[1], end[0], end[1]
