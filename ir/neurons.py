"""Stateful nodes of a spiking network: the encoder, the one neuron, the output integrator.

Neurons that follow a schedule of their own are in ``scheduled``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from .errors import ShapeError
from .node import Node
from .ops import broadcasts_to
from .shapes import expect_inputs, expect_signal
from .types import Array, Signal, TensorType, is_integer

SELECTIONS = ("count", "nearest", "greedy")
"""Firing rules of ``IF``."""

DECODINGS = ("mean", "sum", "harmonic")
"""Readout rules of ``Integrator``."""

RESETS = ("subtract", "zero")
"""What a spike does to the membrane of an ``IF``."""

SATURATION = 2**23 - 1
"""Largest magnitude of a saturating membrane: 24 bits with sign, as Lava's fixed-point LIF
clips its voltage (lava-nc 0.10.0, ``lava/proc/lif/models.py``)."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Encoder(Node):
    """Injects the sample as payload at every time step.

    With a scale the sample is quantised once, ``q = clip(round(x / scale), -limit, limit)``
    with ties to even and ``limit = 2**(bits - 1) - 1``; without one it is injected as it is.
    A model that quantises its input itself has bounds of its own, and is quantised in float32,
    as ONNX does. Events of an encoder carry more than one bit, so its synapses count as MACs.

    Attributes:
        scale: ANN units of one step of the quantiser, or None for an analog payload.
        bits: Width of the signed integer payload.
        once: Whether the sample is injected at the first step only.
        bounds: Smallest and largest payload, or None for plus and minus ``limit``.
        gain: The sample is multiplied by this before; broadcastable to the shape. None for 1.
        shift: Likewise added after that; None for 0. Both normalise an input as the model does.
        rounding: ``half_even`` or ``floor``, with bounds; as in ``Quantize``.
        offset: Added to what was rounded, with bounds.
    """

    scale: float | None = None
    bits: int = 8
    once: bool = False
    bounds: tuple[int, int] | None = None
    gain: Array | None = None
    shift: Array | None = None
    rounding: Literal["half_even", "floor"] = "half_even"
    offset: int = 0

    @property
    def limit(self) -> int:
        """Largest magnitude of an integer payload."""
        return int(2 ** (self.bits - 1)) - 1

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL)
        expect_normalisation(self.name, inputs[0].shape, self.gain, self.shift)
        payload = None if self.scale is None else self.bounds or (-self.limit, self.limit)
        return TensorType(inputs[0].shape, Signal.SPIKES, payload)


@dataclass(frozen=True, kw_only=True, eq=False)
class Population(Node):
    """Neurons that integrate current and send events: what all of them have in common.

    Attributes:
        threshold: Current units of one payload unit; > 0; broadcastable to the shape.
        bias: Current added by the neuron's own schedule; broadcastable to the shape.
        initial: Membrane at the start of a sample; broadcastable to the shape.
        unit: ANN units of one payload unit; broadcastable to the shape. What the neuron
            computes does not depend on it: it is what its events mean.
        represents: Name of the ANN value the payloads stand for.
    """

    threshold: Array
    bias: Array
    initial: Array
    unit: Array = field(default_factory=lambda: np.ones(1))
    represents: str = ""

    @property
    @abstractmethod
    def payload(self) -> tuple[int, int]:
        """The smallest and the largest payload of an event."""

    @property
    def latency(self) -> int:
        """Steps that a run needs beyond T because of this population."""
        return 0

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = expect_currents(self.name, inputs)
        expect_parameters(self.name, shape, self.threshold, self.bias, self.initial)
        if not np.all(self.threshold > 0):
            raise ShapeError(f"{self.name}: every threshold must be above 0")
        return TensorType(shape, Signal.SPIKES, self.payload)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class IF(Population):
    r"""A population of integrate-and-fire neurons: the one neuron of snnc.

    Every conversion code is a setting of it. With the membrane :math:`V`, the number of
    units sent :math:`acc`, the summed current :math:`I` and :math:`\theta` the threshold:

    .. math::
        V &\leftarrow V + I + b \quad\text{(clipped to } \pm clamp \text{ where one is set)} \\
        e &= clip(clip(r(V / \theta), -max\_negative, max\_positive),
              acc\_min - acc, acc\_max - acc) \\
        acc &\leftarrow acc + e, \qquad V \leftarrow V - e\,\theta

    with :math:`r` = floor for ``deadband = 0`` and truncation towards zero for
    ``deadband = 1``. A nonzero :math:`e` is an event with payload :math:`e`. Both are the
    tracking neuron ``e = clip(Q(D) - acc)`` written with the membrane: binary spikes are the
    soft-reset IF (Rueckauer et al., *Front. Neurosci.* 11:682, 2017), signed ones the
    double-threshold neuron of TerMapping and AugMapping (Yu et al., arXiv 2005.03231).

    A multi-threshold neuron sends one power of two instead, of the membrane's sign, up to
    ``max_positive``; with :math:`u = |V| / \theta` the largest :math:`2^j` for which

    - ``select = "nearest"``: :math:`u \ge 0.75 \cdot 2^j`, the power nearest to the membrane
      (Huang et al., ICML 2025);
    - ``select = "greedy"``: :math:`u \ge 2^j - 1/2`, for a negative membrane :math:`>`: half a
      threshold is sent once and not taken back again (Huang et al., ACM MM 2024, but for that).

    It sends nothing where that would break a bound on the units sent. Both rules round by
    themselves, so their membrane starts at 0.

    With ``reset = "zero"`` a spike leaves :math:`V = 0` instead: what is above the threshold is
    lost (hard reset; Rueckauer et al. 2017, eq. 2 to 5, show what that costs). It is there for
    chips and formats that have nothing else, and for binary unsigned spikes only.

    Integer parameters make integer neurons: the division is then an integer division.

    The bias is added at every step, the membrane usually starts at half a threshold, and the
    payloads' sum times ``unit`` divided by the number of steps stands for an ANN value.

    Attributes:
        max_positive: Largest payload of one event, >= 1.
        max_negative: Largest magnitude of a negative payload; 0 forbids negative events.
        acc_min: Lower bound of the units sent; 0 is the guard of a ReLU; None for no bound.
        acc_max: Upper bound of the units sent; None for no bound.
        deadband: 0 or 1; see above.
        clamp: The membrane saturates at plus and minus this, or None where it cannot overflow.
        select: Which payload a membrane asks for: ``count`` (the formula above), ``nearest``
            or ``greedy``.
        reset: ``subtract`` (the formula above) or ``zero``.
    """

    max_positive: int = 1
    max_negative: int = 0
    acc_min: int | None = None
    acc_max: int | None = None
    deadband: int = 0
    clamp: int | None = None
    select: str = "count"
    reset: str = "subtract"

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        return -self.max_negative, self.max_positive

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        if self.max_positive < 1 or self.max_negative < 0 or self.deadband not in (0, 1):
            raise ShapeError(
                f"{self.name}: needs max_positive >= 1, max_negative >= 0 and deadband 0 or 1"
            )
        if (self.acc_min or 0) > 0 or (self.acc_max or 0) < 0:
            raise ShapeError(f"{self.name}: a neuron starts at 0 units sent, outside its bounds")
        if self.select not in SELECTIONS:
            raise ShapeError(f"{self.name}: no firing rule {self.select!r}")
        if self.select != "count" and self.max_positive & (self.max_positive - 1):
            raise ShapeError(f"{self.name}: {self.max_positive} is no power of two")
        self._check_reset()
        return type

    def _check_reset(self) -> None:
        if self.reset not in RESETS:
            raise ShapeError(f"{self.name}: no reset {self.reset!r}")
        bounded = (self.acc_min, self.acc_max) != (None, None)
        plain = self.payload == (0, 1) and self.select == "count" and not bounded
        if self.reset == "zero" and not plain:
            raise ShapeError(
                f"{self.name}: a reset to zero needs spikes of 0 or 1 without bounds on their sum",
                hint='use reset "subtract"',
            )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Integrator(Node):
    """Sums currents without threshold and decodes them: the readout.

    After ``t`` steps its output is, in ANN units, by ``decoding``:

    - ``mean``: ``scale * (sum of I + n * bias) / n``, with the sum over the ``n`` steps from
      ``start`` to ``t``, 0 before (a late start leaves out the transient of a deep network:
      the delayed readout of Bu et al., CVPR 2025);
    - ``sum``: ``scale * (sum of I + bias)``, for a network that presents its sample once;
    - ``harmonic``: ``scale * (sum of I(s) / s + bias)`` over the steps ``s``, for differential
      coding (Huang et al., ICML 2025).

    Attributes:
        bias: Current added at every step, or once; broadcastable to the shape.
        scale: ANN units of one unit of current; broadcastable to the shape.
        clamp: The sum saturates at plus and minus this, or None where it cannot overflow.
        decoding: One of ``DECODINGS``.
        start: The first step that counts, for ``mean``.
    """

    bias: Array
    scale: Array
    clamp: int | None = None
    decoding: str = "mean"
    start: int = 1

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = expect_currents(self.name, inputs)
        expect_parameters(self.name, shape, self.bias)
        if not broadcasts_to(self.scale.shape, shape):
            raise ShapeError(f"{self.name}: scale {self.scale.shape} does not fit {shape}")
        if self.decoding not in DECODINGS or self.start < 1:
            raise ShapeError(f"{self.name}: no readout {self.decoding!r} from step {self.start}")
        return TensorType(shape)


def expect_currents(name: str, inputs: tuple[TensorType, ...]) -> tuple[int, ...]:
    """Return the shape all incoming currents share; raise ``ShapeError`` if they do not."""
    if not inputs:
        raise ShapeError(f"{name}: no synapse ends here")
    for type in inputs:
        expect_signal(name, type, Signal.CURRENT, hint="put a synapse between the two populations")
        if type.shape != inputs[0].shape:
            raise ShapeError(f"{name}: currents {inputs[0]} and {type} differ in shape")
    return inputs[0].shape


def expect_normalisation(name: str, shape: tuple[int, ...], *parameters: Array | None) -> None:
    """Raise ``ShapeError`` unless all that are there fit the shape of an input."""
    for parameter in parameters:
        if parameter is not None and not broadcasts_to(parameter.shape, shape):
            raise ShapeError(f"{name}: a parameter of shape {parameter.shape} does not fit {shape}")


def expect_parameters(name: str, shape: tuple[int, ...], *parameters: Array) -> None:
    """Raise ``ShapeError`` unless all fit the shape and are all integer or all real."""
    for parameter in parameters:
        if not broadcasts_to(parameter.shape, shape):
            raise ShapeError(f"{name}: a parameter of shape {parameter.shape} does not fit {shape}")
    if len({is_integer(parameter) for parameter in parameters}) > 1:
        raise ShapeError(f"{name}: integer and real parameters are mixed")
