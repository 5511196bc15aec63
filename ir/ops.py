"""Stateless nodes: what ONNX import produces, and the synapses of a spiking network.

``Conv`` and ``Linear`` serve both worlds: they map real to real in an ANN, and spikes to a
current in a spiking network, where they are called synapses and have no bias of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Literal, final, get_args

import numpy as np

from .errors import ShapeError
from .node import Node
from .shapes import (
    Padding,
    Pair,
    expect_image,
    expect_inputs,
    expect_no_empty_window,
    expect_signal,
    synapse_output,
    window_output,
)
from .types import Array, Signal, TensorType

Function = Literal["identity", "tanh", "sigmoid", "leaky_relu"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)
"""Increasing functions that a staircase may round: every level is then one interval."""

Smooth = Literal["identity", "tanh", "sigmoid", "elu", "erf", "softplus", "softsign"]
SMOOTH: tuple[Smooth, ...] = get_args(Smooth)
"""Functions that a curve may be."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Node):
    """A graph input: one real sample, or one element of a sequence of them.

    Attributes:
        type: The type that callers must feed; for a sequence, the type of one element, and where
            it is stepwise, of one time step.
        sequence: Number of elements of a sequence, 0 for any number, None for no sequence.
        stepwise: Whether a sample has a value for every time step of a spiking network,
            ``(timesteps, *shape)``; else it is the same at all of them.
    """

    type: TensorType
    sequence: int | None = None
    stepwise: bool = False

    @property
    def is_sequence(self) -> bool:
        """Whether it is an element of a sequence, beside the time steps of a spiking network."""
        return self.sequence is not None

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 0)
        if self.stepwise and self.is_sequence:
            raise ShapeError(f"{self.name}: elements of a sequence have no values for each step")
        return self.type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Node):
    """Two-dimensional cross-correlation, as ONNX ``Conv``.

    Attributes:
        weight: ``(out_channels, in_channels / groups, kernel_h, kernel_w)``.
        bias: ``(out_channels,)`` or None; None in a synapse.
        stride: Step of the window along height and width.
        padding: Zeros at top, left, bottom, right.
        dilation: Distance of kernel elements along height and width.
        groups: Number of independent channel groups.
        copies: Parallel synapses of equal weight between the same neurons; the node delivers
            ``copies`` times the weighted sum. Only quantisation sets it.
        weight_scale: In a model that was quantised before: every weight is a whole multiple of
            this, ``(1,)`` or ``(out_channels,)``.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    copies: int = 1
    weight_scale: Array | None = None

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        channels, height, width = expect_image(self.name, inputs[0])
        out, in_per_group = self.weight.shape[:2]
        if channels != in_per_group * self.groups or out % self.groups:
            raise ShapeError(
                f"{self.name}: weight is {out}x{in_per_group} in {self.groups} groups "
                f"but the input is {inputs[0]}"
            )
        kernel = (self.weight.shape[2], self.weight.shape[3])
        size = window_output(
            self.name, (height, width), kernel, self.stride, self.padding, self.dilation
        )
        return synapse_output(self.name, inputs[0], (out, *size), self.bias)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Linear(Node):
    """``y = weight @ x + bias``, as ONNX ``Gemm``.

    Attributes:
        weight: ``(out, in)``.
        bias: ``(out,)`` or None; None in a synapse.
        copies: Parallel synapses of equal weight; see ``Conv``.
        weight_scale: ``(1,)`` or ``(out,)``; see ``Conv``.
    """

    weight: Array
    bias: Array | None = None
    copies: int = 1
    weight_scale: Array | None = None

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        out, in_ = self.weight.shape
        if inputs[0].shape != (in_,):
            raise ShapeError(f"{self.name}: weight is {out}x{in_} but the input is {inputs[0]}")
        return synapse_output(self.name, inputs[0], (out,), self.bias)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(Node):
    """Mean over a window, as ONNX ``AveragePool``; real signals only.

    In a spiking network the mean is a depthwise ``Conv``.

    Attributes:
        kernel: Height and width of the window.
        stride: Step of the window.
        padding: Zeros at top, left, bottom, right.
        count_include_pad: Whether the padding counts in the divisor.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    count_include_pad: bool = False

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        expect_no_empty_window(self.name, self.kernel, self.padding, (1, 1))
        channels, height, width = expect_image(self.name, inputs[0])
        size = window_output(
            self.name, (height, width), self.kernel, self.stride, self.padding, (1, 1)
        )
        return TensorType((channels, *size))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Node):
    r"""Maximum over a window, as ONNX ``MaxPool``; padding never wins.

    On spikes the node is stateful and exact in its telescoping form: with
    :math:`X(t)` the payloads accumulated so far, it emits

    .. math:: y(t) = \max X(t) - \max X(t-1),

    so that the emitted payloads always sum to the maximum of the received sums.

    Attributes:
        kernel: Height and width of the window.
        stride: Step of the window.
        padding: Cells added at top, left, bottom, right; they are never the maximum.
        dilation: Distance of window elements along height and width.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL, Signal.INTEGER, Signal.SPIKES)
        channels, height, width = expect_image(self.name, inputs[0])
        size = window_output(
            self.name, (height, width), self.kernel, self.stride, self.padding, self.dilation
        )
        expect_no_empty_window(self.name, self.kernel, self.padding, self.dilation)
        payload = inputs[0].payload
        if (
            payload and inputs[0].signal is Signal.SPIKES
        ):  # a maximum rises by at most the largest payload and falls by the smallest
            payload = (min(payload[0], 0), max(payload[1], 0))
        return TensorType((channels, *size), inputs[0].signal, payload)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Affine(Node):
    """``y = scale * x + shift``: BatchNormalization and arithmetic with constants.

    Attributes:
        scale: Broadcastable to the input's shape, e.g. ``(channels, 1, 1)``.
        shift: Likewise.
    """

    scale: Array
    shift: Array

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        for parameter in (self.scale, self.shift):
            if not broadcasts_to(parameter.shape, inputs[0].shape):
                raise ShapeError(f"{self.name}: {parameter.shape} does not fit {inputs[0]}")
        return inputs[0]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Node):
    """The sum of its inputs, all of one shape; real signals only.

    In a spiking network the currents of the branches meet in the neuron that reads them.
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.name}: adds nothing")
        for type in inputs:
            expect_signal(self.name, type, Signal.REAL)
            if type.shape != inputs[0].shape:
                raise ShapeError(f"{self.name}: cannot add {type} to {inputs[0]}")
        return inputs[0]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Product(Node):
    r"""The product of two values, element by element: ONNX ``Mul``, the gates of recurrent cells.

    Quantised values give an integer sum. On spikes the node telescopes, as ``MaxPool`` does: with
    :math:`X(t), Y(t)` the payloads accumulated so far, it delivers the current

    .. math:: y(t) = X(t) Y(t) - X(t-1) Y(t-1),

    so that the currents always sum to the product of the received sums (You et al.,
    *SpikeZIP-TF*, ICML 2024, for the products of attention).
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 2)
        first, second = inputs
        for type in inputs:
            expect_signal(self.name, type, Signal.REAL, Signal.INTEGER, Signal.SPIKES)
            if type.signal is not Signal.REAL and type.payload is None:
                raise ShapeError(f"{self.name}: multiplies quantised values, not {type}")
        if (first.shape, first.signal) != (second.shape, second.signal):
            raise ShapeError(f"{self.name}: cannot multiply {first} by {second}")
        spikes = first.signal is Signal.SPIKES
        return TensorType(first.shape, Signal.CURRENT if spikes else first.signal)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Clip(Node):
    """``y = min(max(x, low), high)``: ReLU is ``low = 0, high = inf``, ReLU6 has ``high = 6``.

    Attributes:
        low: Lower bound, ``-inf`` for none.
        high: Upper bound, ``inf`` for none.
    """

    low: float = 0.0
    high: float = float("inf")

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        if not self.low < self.high:
            raise ShapeError(f"{self.name}: lower bound {self.low} is not below {self.high}")
        return inputs[0]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(Node):
    """A smooth function that nothing rounds: no spiking neuron computes it.

    Attributes:
        function: One of ``SMOOTH``.
        alpha: That of an Elu: minus the value it tends to.
    """

    function: Smooth
    alpha: float = 1.0

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        if self.function not in SMOOTH:
            raise ShapeError(f"{self.name}: no function {self.function!r}")
        if not isfinite(self.alpha):
            raise ShapeError(f"{self.name}: alpha={self.alpha} is not finite")
        return inputs[0]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Staircase(Node):
    r"""An activation with few levels, ``y = step * clip(round(f(x) / step + offset), low, high)``.

    Rounding down with offset 1/2, ``low = 0`` and ``high = L`` is the activation of QCFS, where
    ``step = lambda / L`` (Bu et al., ICLR 2022). Rounding to nearest with ties to even and
    offset 0 is what ONNX's QuantizeLinear and DequantizeLinear compute together; their zero
    point is in the bounds. Without bounds, step 1 and offset 0 it is ``Floor`` or ``Round``.

    Attributes:
        step: Distance of two levels, > 0; broadcastable to the shape, e.g. ``(channels, 1, 1)``.
        low: Lowest level, None for none.
        high: Highest level, None for none.
        offset: Added before rounding, in steps.
        rounding: ``floor`` rounds down, ``half_even`` to nearest with ties to even.
        function: What is computed before rounding, one of ``FUNCTIONS``.
        slope: That of a leaky ReLU below 0, > 0.
    """

    step: Array = field(default_factory=lambda: np.ones(1))
    low: int | None = None
    high: int | None = None
    offset: float = 0.0
    rounding: Literal["floor", "half_even"] = "floor"
    function: Function = "identity"
    slope: float = 1.0

    @property
    def start(self) -> float:
        """The offset with which rounding down gives the same, but for ties."""
        return self.offset + (0.5 if self.rounding == "half_even" else 0.0)

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        if not broadcasts_to(self.step.shape, inputs[0].shape):
            raise ShapeError(f"{self.name}: {self.step.shape} does not fit {inputs[0]}")
        if not np.all(self.step > 0):
            raise ShapeError(f"{self.name}: every step must be above 0")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ShapeError(f"{self.name}: lowest level {self.low} is not below {self.high}")
        if self.rounding not in ("floor", "half_even"):
            raise ShapeError(f"{self.name}: rounding {self.rounding!r} is not floor or half_even")
        if self.function not in FUNCTIONS:
            raise ShapeError(f"{self.name}: no function {self.function!r} before rounding")
        if not 0 < self.slope < inf:
            raise ShapeError(f"{self.name}: does not increase with slope {self.slope}")
        return inputs[0]


def broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of ``shape`` broadcasts to ``target`` without adding axes to it.

    >>> broadcasts_to((6, 1, 1), (6, 28, 28)), broadcasts_to((6,), (6, 28, 28))
    (True, False)
    """
    padded = (1,) * (len(target) - len(shape)) + shape
    return len(padded) == len(target) and all(
        p in (1, t) for p, t in zip(padded, target, strict=True)
    )
