"""Nodes of a quantised ANN in integers, and the spiking neuron that is equal to it.

A quantised value is an integer ``q`` between two bounds, with the quantiser's zero point
already taken off, so that 0 means 0. A convolution or a matrix product of integers is an
integer sum; ``Requantize`` turns such sums into the next quantised value. All of that is
integer arithmetic: what it computes does not depend on the order of additions or on the
machine.

``TrackingIF`` puts the same function into a spiking neuron: it accumulates the sums of what
it receives and sends what is missing to their quantised value. Whatever the order and the
delays of the events it received, it rests at the value that ``Requantize`` computes, because
that depends on the sums alone (You et al., *SpikeZIP-TF*, ICML 2024: ST-BIF; Su et al.,
arXiv 2408.09403: BIF and RBIF).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from .errors import ShapeError
from .neurons import Population, expect_currents, expect_normalisation
from .node import Node
from .ops import broadcasts_to
from .shapes import expect_inputs, expect_signal
from .types import Array, Signal, TensorType, is_integer

Rounding = Literal["half_even", "half_up", "floor"]
"""How a drive between two values is rounded; ONNX rounds ties to even."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize(Node):
    """``q = clip(round(x / scale) + offset, low, high)`` in float32, as ONNX computes it.

    Attributes:
        scale: ANN units of one step, > 0.
        low: Smallest value: that of the type less the zero point.
        high: Largest value, likewise.
        gain: The input is multiplied by this before; broadcastable to the shape. None for 1.
        shift: Likewise added after that; None for 0.
        rounding: ``half_even`` or ``floor``.
        offset: Added to what was rounded.
    """

    scale: float
    low: int
    high: int
    gain: Array | None = None
    shift: Array | None = None
    rounding: Literal["half_even", "floor"] = "half_even"
    offset: int = 0

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        expect_normalisation(self.name, inputs[0].shape, self.gain, self.shift)
        if not self.scale > 0 or self.low >= self.high:
            raise ShapeError(f"{self.name}: needs scale > 0 and low < high")
        return TensorType(inputs[0].shape, Signal.INTEGER, (self.low, self.high))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Requantize(Node):
    r"""The quantised value of weighted sums of integers.

    With :math:`S_i` the inputs, :math:`M_i` their multipliers and :math:`B` the bias, all
    integers:

    .. math::
        D = \sum_i M_i S_i + B, \qquad q = clip(round(D / \theta), low, high).

    A multiplier stands for the real factor :math:`s_{in} s_w / s_{out}`, in units of
    :math:`1 / \theta`; with a power of two for :math:`\theta` that is the fixed-point
    requantisation of Jacob et al., CVPR 2018. A value behind another function (tanh, sigmoid)
    has ``edges`` instead: ``q`` is ``low`` plus the number of edges that ``D`` has reached.

    Attributes:
        multiplier: ``(inputs, *broadcastable to the shape)``, int64.
        bias: int64, broadcastable to the shape.
        threshold: int64 > 0, broadcastable to the shape.
        low: Smallest value.
        high: Largest value.
        rounding: ``half_even``, ``half_up`` or ``floor``.
        edges: Ascending, ``(high - low,)`` int64, or None.
        unit: ANN units of one step, broadcastable to the shape.
        represents: Name of the ANN value.
    """

    multiplier: Array
    bias: Array
    threshold: Array
    low: int
    high: int
    rounding: Rounding = "half_even"
    edges: Array | None = None
    unit: Array = field(default_factory=lambda: np.ones(1))
    represents: str = ""

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.name}: reads nothing")
        for type in inputs:
            expect_signal(self.name, type, Signal.INTEGER)
            if type.shape != inputs[0].shape:
                raise ShapeError(f"{self.name}: sums {inputs[0]} and {type} differ in shape")
        expect_tracking(self, len(inputs), inputs[0].shape)
        return TensorType(inputs[0].shape, Signal.INTEGER, (self.low, self.high))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Dequantize(Node):
    """``y = scale * (sum of the inputs + bias)``: an output in ANN units.

    Attributes:
        bias: int64, broadcastable to the shape.
        scale: ANN units of one unit of the sum; broadcastable to the shape.
    """

    bias: Array
    scale: Array

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.name}: reads nothing")
        shape = inputs[0].shape
        for type in inputs:
            expect_signal(self.name, type, Signal.INTEGER)
            if type.shape != shape:
                raise ShapeError(f"{self.name}: sums {inputs[0]} and {type} differ in shape")
        if not is_integer(self.bias):
            raise ShapeError(f"{self.name}: its bias is not an integer")
        for parameter in (self.bias, self.scale):
            if not broadcasts_to(parameter.shape, shape):
                raise ShapeError(f"{self.name}: {parameter.shape} does not fit {shape}")
        return TensorType(shape)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Previous(Node):
    """The value of another node at the element before, in a sequence: how a network recurs.

    A sequence has an axis of its own beside the time steps of a spiking network: each element
    is presented for all its steps before the next one begins, and every neuron starts each
    element from rest. What is carried from one element to the next is the value itself. In a
    spiking network it is the sum of the payloads the source sent, injected as one graded
    payload at the first step.

    Attributes:
        source: Name of the node whose value is carried; it may come later in the graph.
        type: The type of that value: ``REAL`` in an ANN, ``INTEGER`` in a quantised one,
            ``SPIKES`` in a spiking network.
        initial: Its value at the first element; broadcastable to the shape, int64 but for a
            real value.
    """

    source: str
    type: TensorType
    initial: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 0)
        real = self.type.signal is Signal.REAL
        if self.type.signal is Signal.CURRENT or (self.type.payload is None and not real):
            raise ShapeError(f"{self.name}: only values are carried, not {self.type}")
        fits = broadcasts_to(self.initial.shape, self.type.shape)
        if not fits or not (real or is_integer(self.initial)):
            raise ShapeError(f"{self.name}: its initial value does not fit {self.type}")
        return self.type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TrackingIF(Population):
    r"""Neurons that send what is missing to the quantised value of all they have received.

    With :math:`D`, ``q`` and their parameters as in ``Requantize``, :math:`D` summed over all
    steps so far, and :math:`acc` the units sent:

    .. math::
        e = clip(q(D) - acc, -max\_negative, max\_positive), \qquad acc \leftarrow acc + e.

    The neuron is at rest exactly when ``acc`` is ``q(D)``: spikes sent too early are taken
    back. The bias is part of :math:`D` from the first step on. Input and bias are injected
    once, and the payloads' sum times ``unit`` is the ANN value. With at least 1 for both caps it
    rests at most ``ceil((high - low) / cap)`` steps after its input has come to rest.

    With ``digits`` it sends ``q`` digit by digit instead (radix-encoded, layer-synchronous):
    from step ``start`` on, most significant first, each digit with the sign of ``q`` and
    worth its power of ``base``. All it reads must have been sent before ``start``.

    Attributes:
        multiplier: As in ``Requantize``, one for each synapse that ends here.
        low: Smallest value, <= 0: a neuron starts at 0.
        high: Largest value, >= 0.
        rounding: As in ``Requantize``.
        edges: As in ``Requantize``.
        max_positive: Largest payload of one event.
        max_negative: Largest magnitude of a negative payload.
        base: The radix of the digits.
        digits: Number of digits, or 0 for a neuron that sends at every step.
        start: The step of the first digit, counted from 1.
    """

    multiplier: Array
    initial: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    low: int
    high: int
    rounding: Rounding = "half_even"
    edges: Array | None = None
    max_positive: int = 1
    max_negative: int = 1
    base: int = 2
    digits: int = 0
    start: int = 1

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        if self.digits:
            most = (self.base - 1) * self.base ** (self.digits - 1)
            return (-most if self.low < 0 else 0), (most if self.high > 0 else 0)
        return -min(self.max_negative, self.high - self.low), min(
            self.max_positive, self.high - self.low
        )

    @property
    def latency(self) -> int:
        """The steps it waits for those before it, if it sends digits."""
        return self.start - 1 if self.digits else 0

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        expect_tracking(self, len(inputs), expect_currents(self.name, inputs))
        if self.low > 0 or self.high < 0:
            raise ShapeError(f"{self.name}: a neuron starts at 0, outside {self.low}..{self.high}")
        if self.max_positive < 1 or self.max_negative < 0 or self.base < 2 or self.start < 1:
            raise ShapeError(
                f"{self.name}: needs max_positive >= 1, max_negative >= 0, base >= 2, start >= 1"
            )
        if self.digits and self.base**self.digits <= max(self.high, -self.low):
            raise ShapeError(f"{self.name}: {self.digits} digits cannot hold {self.high}")
        return type


def expect_tracking(node: Requantize | TrackingIF, inputs: int, shape: tuple[int, ...]) -> None:
    """Raise ``ShapeError`` unless the parameters of a requantisation fit together."""
    parameters = (node.bias, node.threshold, node.multiplier)
    if not all(is_integer(p) for p in parameters):
        raise ShapeError(f"{node.name}: a quantised value needs integer parameters")
    for parameter in (node.bias, node.threshold, node.unit):
        if not broadcasts_to(parameter.shape, shape):
            raise ShapeError(f"{node.name}: {parameter.shape} does not fit {shape}")
    multiplier = node.multiplier
    if multiplier.shape[:1] != (inputs,) or not broadcasts_to(multiplier.shape[1:], shape):
        raise ShapeError(f"{node.name}: {multiplier.shape} is not a multiplier for each input")
    if not np.all(node.threshold > 0) or node.low >= node.high:
        raise ShapeError(f"{node.name}: needs thresholds above 0 and low < high")
    if node.rounding not in ("half_even", "half_up", "floor"):
        raise ShapeError(f"{node.name}: no rounding {node.rounding!r}")
    if node.edges is not None:
        ascending = is_integer(node.edges) and np.all(np.diff(node.edges) >= 0)
        if node.edges.shape != (node.high - node.low,) or not ascending:
            raise ShapeError(f"{node.name}: needs {node.high - node.low} ascending integer edges")


def quantized(node: Requantize | TrackingIF, drive: Array) -> Array:
    """Return the quantised value of a drive, int64: the one place that says how it is rounded.

    Args:
        node: Threshold, bounds, rounding and edges.
        drive: ``D``, int64, ``(batch, *shape)``.
    """
    if node.edges is not None:
        return np.asarray(node.low + np.searchsorted(node.edges, drive, side="right"))
    theta = node.threshold.astype(np.int64)
    whole, rest = np.divmod(drive, theta)
    if node.rounding == "half_up":
        whole = whole + (rest >= theta - rest)
    elif node.rounding == "half_even":
        whole = whole + ((rest > theta - rest) | ((rest == theta - rest) & (whole % 2 == 1)))
    return np.asarray(np.clip(whole, node.low, node.high))


def drive(node: Requantize | TrackingIF, sums: list[Array]) -> Array:
    """Return the drive of summed currents, int64: ``sum of multiplier * sum, plus the bias``."""
    total = node.bias.astype(np.int64)
    for multiplier, part in zip(node.multiplier.astype(np.int64), sums, strict=True):
        total = total + multiplier * part
    return np.asarray(total)
