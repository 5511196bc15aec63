"""Shape arithmetic shared by all nodes that slide a window over height and width."""

from __future__ import annotations

from .errors import ShapeError
from .types import Signal, TensorType

Pair = tuple[int, int]
"""Values for height and width."""

Padding = tuple[int, int, int, int]
"""Zeros added at the top, left, bottom and right: the order of the ONNX attribute ``pads``."""


def expect_inputs(name: str, inputs: tuple[TensorType, ...], count: int) -> None:
    """Raise ``ShapeError`` unless a node reads exactly ``count`` edges."""
    if len(inputs) != count:
        raise ShapeError(f"{name}: reads {len(inputs)} edges but needs {count}")


def expect_signal(name: str, type: TensorType, *allowed: Signal, hint: str = "") -> None:
    """Raise ``ShapeError`` unless an edge carries one of the allowed signals."""
    if type.signal not in allowed:
        *others, last = (signal.value for signal in allowed)
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise ShapeError(f"{name}: reads {type} but needs {wanted}", hint=hint)


def synapse_output(
    name: str, source: TensorType, shape: tuple[int, ...], bias: object
) -> TensorType:
    """Return the type after a linear map: real stays real, spikes become a current.

    Integers become an integer sum.

    Raises:
        ShapeError: The map reads a current, or it reads spikes and has a bias (a bias on
            spikes belongs to the neuron, which knows its schedule).
    """
    expect_signal(
        name,
        source,
        Signal.REAL,
        Signal.INTEGER,
        Signal.SPIKES,
        hint="put a population of neurons between the two linear maps",
    )
    if source.signal is Signal.REAL:
        return TensorType(shape)
    if bias is not None:
        raise ShapeError(f"{name}: a synapse has no bias of its own; move it into the neuron")
    if source.signal is Signal.INTEGER:
        return TensorType(shape, Signal.INTEGER)
    return TensorType(shape, Signal.CURRENT)


def window_output(
    name: str, size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """Return the height and width after sliding a window (ONNX ``Conv``, floor rounding).

    ``out = floor((in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride) + 1``

    Raises:
        ShapeError: The window is larger than the padded input.
    """
    out = []
    for axis in (0, 1):
        padded = size[axis] + padding[axis] + padding[axis + 2]
        span = dilation[axis] * (kernel[axis] - 1) + 1
        if span > padded:
            raise ShapeError(f"{name}: a window of {span} does not fit into {padded} (axis {axis})")
        out.append((padded - span) // stride[axis] + 1)
    return out[0], out[1]


def expect_no_empty_window(name: str, kernel: Pair, padding: Padding, dilation: Pair) -> None:
    """Raise ``ShapeError`` where a pool's window could lie wholly in the padding."""
    spans = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    if any(pad >= spans[axis % 2] for axis, pad in enumerate(padding)):
        raise ShapeError(f"{name}: padding {padding} holds whole windows of {kernel}")


def expect_image(name: str, source: TensorType) -> tuple[int, int, int]:
    """Return channels, height and width; raise ``ShapeError`` for another rank."""
    if len(source.shape) != 3:
        raise ShapeError(f"{name}: needs channels x height x width but reads {source}")
    channels, height, width = source.shape
    return channels, height, width
