"""Populations that follow a schedule over the steps of a run.

The neuron of ``neurons.IF`` treats all steps alike. These do not: they wait for their layer's
turn, weigh steps differently, or rehearse before they count. Each is a node of its own, so
that a target runs what it knows and refuses the others by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from .errors import ShapeError
from .neurons import SELECTIONS, Population
from .node import Node
from .types import TensorType, is_integer

CORRECTIONS = ("offset", "residual")
"""Rules of ``TwoPhaseIF``."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RadixIF(Population):
    r"""Integrates, then sends its value digit by digit, most significant first.

    With :math:`w_k = base^{digits - 1 - k}` the weight of digit :math:`k = 0, 1, \dots`,
    emitted at step ``start + k``:

    .. math::
        V \leftarrow V + I, \qquad
        e = w_k \, clip(\lfloor V / (\theta w_k) \rfloor, 0, base - 1), \qquad
        V \leftarrow V - e\,\theta

    The payload carries the weight, so a reader simply adds; on a chip with binary events the
    weight is a shift known from the step. The payloads sum up to
    :math:`clip(\lfloor V_{start} / \theta \rfloor, 0, base^{digits} - 1)`, whatever arrives
    before ``start`` counts, and what arrives later would break the value: the layers of a
    network take turns (layer-synchronous), each waiting for the last digit of those before.
    The bias belongs to ``initial``: it is added once. Their sum times ``unit`` stands for an
    ANN value. Wang et al., arXiv 2105.06943 (general radix); Datta et al., TMLR 2025 (the
    neuron: firing postponed until after the accumulation).

    Attributes:
        base: The radix, >= 2; for 2 a digit is a spike.
        digits: Digits of a value: T.
        start: The step of the first digit, counted from 1.
    """

    base: int = 2
    digits: int
    start: int

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        return 0, int((self.base - 1) * self.base ** (self.digits - 1))

    @property
    def latency(self) -> int:
        """The steps it waits."""
        return self.start - 1

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        if self.base < 2 or self.digits < 1 or self.start < 1:
            raise ShapeError(f"{self.name}: needs base >= 2, digits >= 1 and start >= 1")
        return type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DifferentialIF(Population):
    r"""A multi-threshold neuron in differential coding: an event at step t is worth 1/t.

    Rate coding divides all it has sent by t and so wears old evidence down; here an event
    corrects the value that stands. With :math:`r` what the neuron should still say and
    :math:`c` what it has said, both as means:

    .. math::
        r &\leftarrow r + I / t \quad (+\, b \text{ at the first step}) \\
        e &= select(t\,r / \theta + V_0 / \theta) \quad\text{(see ``IF``)} \\
        r &\leftarrow r - e\,\theta / t, \qquad c \leftarrow c + e / t

    A negative event is sent only while the value said stays at or above 0 where ``guard`` is
    set. The sum of :math:`e / t` times ``unit`` stands for an ANN value; the sample is injected
    once. Real-valued only. Huang et al., ICML 2025 (arXiv 2503.00301); there a step 0 without
    input measures what the biases alone cause, here the biases are part of the first step.

    Attributes:
        levels: Number of thresholds: payloads are +-1, 2, 4, ... up to ``2**(levels - 1)``.
        guard: Whether the value said stays at or above 0.
        select: ``nearest``, ``greedy``, or ``count`` for one level: +1 at or above one
            threshold, -1 below 0.
    """

    levels: int = 1
    guard: bool = True
    select: str = "nearest"

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        most = 2 ** (self.levels - 1)
        return -most, most

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.levels < 1 or self.select not in SELECTIONS:
            raise ShapeError(f"{self.name}: needs levels >= 1 and a rule of {SELECTIONS}")
        if is_integer(self.threshold):
            raise ShapeError(f"{self.name}: divides by the step, and its parameters are integers")
        return super().infer(*inputs)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TwoPhaseIF(Population):
    r"""Binary soft-reset neurons that rehearse, correct themselves, and only then count.

    A run is ``stages`` rehearsals of ``rehearsal`` steps each, then the T steps that count.
    Every stage begins with the membrane at its start. In its own stage ``stage`` a population
    notes how it fares; at the stage's end it corrects itself, for all that follows:

    - ``offset`` (Hao et al., ICLR 2023): with a membrane below 0 and a spike sent, the start
      moves down by :math:`\max(\theta, v_{fired} - 0.999\,\theta)`, ``v_fired`` the least
      membrane that fired: one spike less. With a membrane of a threshold or more left it moves
      up by :math:`\max(\theta, 1.001\,\theta - v_{silent})`, ``v_silent`` the largest that did
      not fire: one spike more.
    - ``residual`` (Hao et al., AAAI 2023): a population whose membrane is left at or below
      :math:`0.001\,\theta` is taken for an ANN value of 0 and stays silent.

    Layers take their stages in order for ``offset``; for ``residual`` all share one stage. The
    rehearsals are part of the run and of its latency. In integers the corrections are rounded
    up. The mean of the payloads over the last T steps times ``unit`` stands for an ANN value.

    Attributes:
        rule: ``offset`` or ``residual``.
        rehearsal: Steps of one stage.
        stage: The stage in which this population looks at itself, from 1.
        stages: Number of stages.
    """

    rule: str
    rehearsal: int
    stage: int
    stages: int

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        return 0, 1

    @property
    def latency(self) -> int:
        """The steps of all rehearsals."""
        return self.rehearsal * self.stages

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        if self.rule not in CORRECTIONS:
            raise ShapeError(f"{self.name}: no correction {self.rule!r}")
        if self.rehearsal < 1 or not 1 <= self.stage <= self.stages:
            raise ShapeError(f"{self.name}: needs rehearsal >= 1 and 1 <= stage <= stages")
        return type


def latency(graph: Iterable[Node]) -> int:
    """Return the steps that a run of a spiking graph takes beyond T."""
    return max((node.latency for node in graph if isinstance(node, Population)), default=0)
