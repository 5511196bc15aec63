"""Float models: those of ``models`` and ``connections`` with float64 in the place of integers.

A channel has the type of the port that sends, so every port and every sum is float64; nothing is
rounded to integers on the way. What a neuron sends are whole units in either arithmetic, and it
counts them as integers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from ....ir import Array
from .connections import FastConvModel, FastDenseModel
from .models import (
    ConcatModel,
    DelayModel,
    IntegrateAndFireModel,
    MaxPoolModel,
    Member,
    ReadoutModel,
    SampleSourceModel,
)

RECEIVES = LavaPyType(PyInPort.VEC_DENSE, np.float64)
SENDS = LavaPyType(PyOutPort.VEC_DENSE, np.float64)
STATE = LavaPyType(np.ndarray, np.float64)


class FloatModel:
    """What float models have in common; it comes first among the bases of each.

    The list of tags is given and not added to with ``@tag``, which would keep the tag of the
    fixed-point model.
    """

    tags: ClassVar[list[str]] = ["floating_pt"]
    number: type[np.number[Any]] = np.float64


class FloatSampleSourceModel(FloatModel, SampleSourceModel):
    """Sends the sample of this step."""

    s_out: Member = SENDS


class FloatIntegrateAndFireModel(FloatModel, IntegrateAndFireModel):
    """Integrates, fires and resets, by subtraction or to zero; the units sent stay int64."""

    a_in: Member = RECEIVES
    s_out: Member = SENDS
    v: Member = STATE
    threshold: Member = STATE
    bias: Member = STATE
    initial: Member = STATE


class FloatMaxPoolModel(FloatModel, MaxPoolModel):
    """Sends by how much the maximum of what it has received rose in the step before."""

    s_in: Member = RECEIVES
    a_out: Member = SENDS
    a_buff: Member = STATE
    maximum: Member = STATE
    received: Member = STATE

    lowest = -np.inf


class FloatConcatModel(FloatModel, ConcatModel):
    """Sends what it receives, and counts it for those that read it."""

    s_out: Member = SENDS


class FloatDelayModel(FloatModel, DelayModel):
    """Keeps the last steps in a ring."""

    a_in: Member = RECEIVES
    a_out: Member = SENDS
    buffer: Member = STATE


class FloatReadoutModel(FloatModel, ReadoutModel):
    """Sums, sends the sum of the sample so far, and says how far it is."""

    a_in: Member = RECEIVES
    s_out: Member = SENDS
    v: Member = STATE
    bias: Member = STATE


class FastFloatConvModel(FloatModel, FastConvModel):
    """Equal to ``PyConvModelFloat`` of lava-nc 0.10.0, but for the order of additions."""

    s_in: Member = RECEIVES
    a_out: Member = SENDS
    a_buf: Member = STATE
    weight: Member = STATE

    def held(self, total: Array) -> Array:
        """Return sums as they are."""
        return total


class FastFloatDenseModel(FloatModel, FastDenseModel):
    """Equal to ``PyDenseModelFloat`` of lava-nc 0.10.0, but for the order of additions."""

    s_in: Member = RECEIVES
    a_out: Member = SENDS
    a_buff: Member = STATE
    weights: Member = STATE

    def weight(self) -> Array:
        """Return what an event adds."""
        return np.asarray(self.weights)
