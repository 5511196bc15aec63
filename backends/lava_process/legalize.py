"""Synapses as Lava's processes can hold them.

Lava's ``Conv`` pads both sides alike and keeps groups, padding and kernel size in 8 bits with
sign (lava-nc 0.10.0, ``lava/proc/conv/models.py``). Unequal padding is made equal by a kernel
with rows of zeros, where the dilation permits; every other convolution becomes its matrix.
Both are exact: they add zeros, or the same products in another order, which rounds sums of real
weights otherwise. So is the split of integer weights that 8 bits cannot hold into parallel ones
that add up to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Conv
from ...ir.reference import padded, window_taps
from ...ir.shapes import Padding, Pair
from ...ir.types import is_integer
from .layout import lava_order

INT8_MAX = 127
"""Largest value Lava's ``Conv`` computes its geometry with."""


def stored(weight: Array) -> Array:
    """Return weights as a connection process keeps them: int32, real ones float64."""
    return np.ascontiguousarray(weight, np.int32 if is_integer(weight) else np.float64)


def eight_bit_parts(weight: Array) -> list[Array]:
    """Return integer weights of 8 bits with sign that add up to some integer weights.

    >>> [part.tolist() for part in eight_bit_parts(np.array([3, -200, 255]))]
    [[3, -128, 127], [0, -72, 127], [0, 0, 1]]
    """
    parts: list[Array] = []
    rest = weight.astype(np.int64)
    while not parts or rest.any():
        parts.append(np.clip(rest, -128, 127))
        rest = rest - parts[-1]
    return parts


@dataclass(frozen=True)
class Axis:
    """Zeros around a kernel and an image, along one axis, that make the padding equal.

    Attributes:
        before: Kernel elements added at the beginning.
        after: Kernel elements added at the end.
        padding: Zeros on both sides of the image.
    """

    before: int
    after: int
    padding: int


def equal_padding(
    size: int, kernel: int, stride: int, begin: int, end: int, dilation: int
) -> Axis | None:
    """Return how to pad both sides alike, or None where no whole kernel element fits.

    With ``z`` zeros before the kernel, output ``i`` reads ``x[i*s + (k + z)*d - P]``, which is
    ``x[i*s + k*d - begin]`` exactly when ``P = begin + z*d``. Zeros behind the kernel move
    nothing; their number has to keep the number of outputs.

    >>> equal_padding(size=28, kernel=3, stride=2, begin=0, end=1, dilation=1)
    Axis(before=1, after=0, padding=1)
    """
    wanted = (size + begin + end - dilation * (kernel - 1) - 1) // stride
    for before in range(max(end - begin, 0) // dilation + 2):
        padding = begin + before * dilation
        room = size + 2 * padding - 1 - dilation * (kernel + before - 1)
        for after in range(max(room, 0) // dilation + 1):
            outputs = (room - after * dilation) // stride
            if outputs == wanted:
                return Axis(before, after, padding)
            if outputs < wanted:
                break
    return None


def with_equal_padding(node: Conv, size: Pair) -> Conv | None:
    """Return the same convolution padded alike on both sides, or None where there is none.

    Args:
        node: A convolution.
        size: Height and width of its input.
    """
    top, left, bottom, right = node.padding
    if (top, left) == (bottom, right):
        return node
    kernel = node.weight.shape[2:]
    ends = ((top, bottom), (left, right))
    axes = [
        equal_padding(size[i], kernel[i], node.stride[i], *ends[i], node.dilation[i])
        for i in (0, 1)
    ]
    rows, columns = axes
    if rows is None or columns is None:
        return None
    border = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    padding: Padding = (rows.padding, columns.padding, rows.padding, columns.padding)
    return Conv(
        name=node.name,
        inputs=node.inputs,
        weight=np.pad(node.weight, border),
        stride=node.stride,
        padding=padding,
        dilation=node.dilation,
        groups=node.groups,
        copies=node.copies,
    )


def fits_lava_conv(node: Conv) -> bool:
    """Whether Lava's ``Conv`` computes a convolution with equal padding correctly."""
    spans = [node.dilation[i] * (node.weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
    padding = [2 * node.padding[i] for i in (0, 1)]
    return max(*spans, *padding, *node.stride, *node.dilation, node.groups) <= INT8_MAX


def lava_kernel(weight: Array) -> Array:
    """Return an ONNX kernel ``(O, C, H, W)`` as Lava's Conv wants it: ``(O, W, H, C)``, flipped."""
    return stored(weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1))


def convolution_matrix(
    node: Conv, source: tuple[int, ...], sent: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """Return the nonzero entries of a convolution's matrix.

    Args:
        node: A convolution.
        source: Shape of its input, channels first.
        sent: Shape of the same values where they are sent: another one behind a reshape.
        shape: Shape of its output, channels first.

    Returns:
        Rows, columns and weights; rows and columns count in Lava's order.
    """
    place = inverse(lava_order(sent)).reshape(1, *source)
    grid = padded(place, node.padding, -1)
    row = inverse(lava_order(shape)).reshape(node.groups, -1, 1, *shape[1:])
    kernel = (node.weight.shape[2], node.weight.shape[3])
    weight = node.weight.reshape(node.groups, -1, *node.weight.shape[1:])
    parts = []
    for (i, j), tap in window_taps(grid, kernel, node.stride, node.dilation):
        column = tap.reshape(node.groups, 1, -1, *shape[1:])
        value = weight[..., i, j][..., None, None]
        rows, columns, values = np.broadcast_arrays(row, column, value)
        real = (columns >= 0) & (values != 0)
        parts.append((rows[real], columns[real], values[real]))
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, columns, stored(values)


def inverse(order: Array) -> Array:
    """Return the inverse of a permutation."""
    places = np.empty_like(order)
    places[order] = np.arange(order.size)
    return places
