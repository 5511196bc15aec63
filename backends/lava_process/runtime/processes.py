"""Lava processes for what its library lacks: source, neurons, max pool, join, delay and readout.

Shapes are Lava's: width x height x channels. What each process computes is defined once, in
``ir.reference``; ``models`` computes the same in the time of a Lava network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from ....ir import Array
from ....ir.shapes import Pair


class SampleSource(AbstractProcess):  # type: ignore[misc]
    """Sends each element of each sample for as many steps as it lasts, then nothing.

    Args:
        samples: ``(samples, elements, *shape)``, int32, real ones float64; stepwise ones
            ``(samples, 1, timesteps, *shape)``.
        once: Whether an element is sent in the first of its steps only.
        stepwise: Whether there is a value for every step.
        options: What the model needs besides: the ``schedule``.
    """

    def __init__(
        self, *, samples: Array, once: bool, stepwise: bool = False, **options: Any
    ) -> None:
        super().__init__(samples=samples, once=once, stepwise=stepwise, **options)
        self.s_out = OutPort(shape=samples.shape[3 if stepwise else 2 :])


class IntegrateAndFire(AbstractProcess):  # type: ignore[misc]
    """The one neuron of snnc, ``ir.neurons.IF``; sends in the step in which it receives.

    Args:
        threshold: Of full shape, like bias and initial.
        bias: Current added at every step.
        initial: Membrane at the start of a sample.
        options: What the model needs besides: the ``node``, the ``schedule`` and the ``tally``.
    """

    def __init__(self, *, threshold: Array, bias: Array, initial: Array, **options: Any) -> None:
        super().__init__(**options)
        shape = threshold.shape
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=initial)
        self.acc = Var(shape=shape, init=0)
        self.threshold = Var(shape=shape, init=threshold)
        self.bias = Var(shape=shape, init=bias)
        self.initial = Var(shape=shape, init=initial)


class ManyPorts(AbstractProcess):  # type: ignore[misc]
    """Base of processes that receive at ports ``a_in0``, ``a_in1``, ...

    Args:
        shapes: Of each port.
    """

    def __init__(self, *, shapes: Sequence[tuple[int, ...]], **options: Any) -> None:
        super().__init__(ports=len(shapes), **options)
        for port, shape in enumerate(shapes):
            setattr(self, f"a_in{port}", InPort(shape=shape))


class TrackingIntegrateAndFire(ManyPorts):
    """The neuron of quantised networks, ``ir.quantized.TrackingIF``; not its digits.

    Each synapse ends at a port of its own, because each has a multiplier of its own.

    Args:
        shape: Of the population.
        ports: Number of synapses.
        options: What the model needs besides: the ``node`` with its parameters laid out for
            Lava, the ``schedule`` and the ``tally``.
    """

    def __init__(self, *, shape: tuple[int, ...], ports: int, **options: Any) -> None:
        super().__init__(shapes=[shape] * ports, **options)
        self.s_out = OutPort(shape=shape)
        self.sums = Var(shape=(ports, *shape), init=0)
        self.acc = Var(shape=shape, init=0)


class MaxPool(AbstractProcess):  # type: ignore[misc]
    """Maximum of accumulated payloads, ``ir.ops.MaxPool``; one step late, like a connection.

    Args:
        input_shape: Width, height, channels.
        shape: Width, height and channels of the output.
        kernel: Width and height of the window.
        stride: Step of the window.
        dilation: Distance of window elements.
        padding: Cells added at left, top, right and bottom.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        shape: tuple[int, ...],
        kernel: Pair,
        stride: Pair,
        dilation: Pair,
        padding: tuple[int, int, int, int],
        **options: Any,
    ) -> None:
        window = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
        super().__init__(**window, **options)
        left, top, right, bottom = padding
        width, height, channels = input_shape
        grid = (width + left + right, height + top + bottom, channels)
        self.s_in = InPort(shape=input_shape)
        self.a_out = OutPort(shape=shape)
        self.a_buff = Var(shape=shape, init=0)
        self.maximum = Var(shape=shape, init=0)
        self.received = Var(shape=grid, init=0)


class Concat(ManyPorts):
    """Joins events along the channels, which are the last axis of images and vectors.

    Args:
        shapes: Of each port.
        shape: Of what is sent.
        options: What the model needs besides: the ``order`` in which the joined events are sent
            or None, the ``schedule`` and the ``tally``.
    """

    def __init__(
        self, *, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...], **options: Any
    ) -> None:
        super().__init__(shapes=shapes, **options)
        self.s_out = OutPort(shape=shape)


class Delay(AbstractProcess):  # type: ignore[misc]
    """Sends what it received ``steps`` steps ago."""

    def __init__(self, *, shape: tuple[int, ...], steps: int, **options: Any) -> None:
        super().__init__(steps=steps, **options)
        self.a_in = InPort(shape=shape)
        self.a_out = OutPort(shape=shape)
        self.buffer = Var(shape=(steps, *shape), init=0)


class Readout(AbstractProcess):  # type: ignore[misc]
    """Sums currents over a sample, ``ir.neurons.Integrator``; sends every sum, and writes it down.

    Args:
        bias: Current added at every step, or once, of full shape.
        options: The ``node``, the ``schedule``, and the arrays ``totals`` and ``clock``.
    """

    def __init__(self, *, bias: Array, **options: Any) -> None:
        super().__init__(**options)
        self.a_in = InPort(shape=bias.shape)
        self.s_out = OutPort(shape=bias.shape)
        self.v = Var(shape=bias.shape, init=0)
        self.bias = Var(shape=bias.shape, init=bias)
