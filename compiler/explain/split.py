r"""The error of one layer, split into parts that sum up to it.

From the ANN's activation to what the layer really sent, one thing is changed at a time. Each
part is the difference that its own step makes, so the parts telescope:

.. math:: \hat a - a = \sum_k (v_k - v_{k-1}), \qquad v_0 = a,\quad v_K = \hat a

With :math:`z` the mean of what flows in, :math:`f` the ANN's activation function, :math:`u` the
ANN units of one payload unit, :math:`\theta` the threshold, and :math:`n` units sent in T steps:

===============  ================================================================================
part             the value after its step
===============  ================================================================================
inherited        :math:`f(z)`: the ANN's own weights on what the layers before really sent
weights          the same with the weights rounded to the integers of this layer; of an output
                 also the bias, whose rounding a population makes up for at its start
fit              the same with the weights the network has (``reconstruct`` changes them)
bias             the same with the bias the network has
clipping         the same cut off at what the population can carry:
                 :math:`u\, n_{min}/T` to :math:`u\, n_{max}/T`
guard            the same, with the values that the ANN's activation function cuts off and the
                 population does not (without guard it sends negative ones)
quantisation     rounded to the nearest multiple of :math:`u / T`; behind an activation with few
                 levels with that activation's own offset
initial          :math:`(u/T)\, clip(\lfloor (T z / u) + V(0) / \theta \rfloor, n_{min}, n_{max})`
transient        what was sent: events that came too early or too late, and a saturated membrane
pooling          what a max pool sent, against the maximum of what it received; 0 if it is right
===============  ================================================================================

The last step of a population rests on :math:`\hat a = z - u (V(T) - V(0)) / (\theta T)`, which
every neuron with soft reset obeys: the staircase is right as long as the membrane ends between 0
and the threshold (Bu et al., ICLR 2022, arXiv 2303.04347, eq. 9 to 13, call the rest the
unevenness error).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from ...backends.numpy_sim.kernels import max_pool
from ...ir import IF, Array, Clip, Encoder, MaxPool, Node, Staircase
from ...ir.reference import step
from .afferents import Afferents

PARTS = (
    *("inherited", "weights", "fit", "bias", "clipping", "guard", "quantisation", "initial"),
    *("transient", "pooling"),
)

ROUNDING = 1e-9
"""Slack for rounded quotients, in thresholds: integer currents lie at least 1e-5 apart."""

Parts = dict[str, Array]
"""For some of ``PARTS``, its error in ANN units, ``(samples, *shape)``."""


@dataclass(frozen=True)
class Versions:
    """The afferents of one layer; see ``afferents``."""

    exact: Afferents
    rounded: Afferents
    actual: Afferents

    def stages(
        self, sums: Mapping[str, Array], current: Array, timesteps: int
    ) -> list[tuple[str, Array]]:
        """Return the mean input after each change, in ANN units; the last is the real one.

        Args:
            sums: For each edge, the sum of its payloads over time.
            current: All that really flowed in, in units of current.
            timesteps: T.
        """
        received = current * self.actual.unit / timesteps
        actual, wanted = self.actual, self.rounded
        bias: Array = actual.bias * actual.unit - wanted.bias * wanted.unit
        return [
            ("inherited", self.exact.mean(sums, timesteps)),
            ("weights", self.rounded.mean(sums, timesteps)),
            ("fit", received - bias),
            ("bias", received),
        ]


@dataclass(frozen=True)
class Activation:
    """The activation function in front of a population.

    Attributes:
        low: Lower bound, ``-inf`` for none; ANN units, broadcastable to the layer.
        high: Upper bound.
        levels: What rounds values within the bounds, or None.
    """

    low: Array | float = -inf
    high: Array | float = inf
    levels: Staircase | None = None

    @classmethod
    def of(cls, node: Node) -> Activation:
        """Return the activation function that a node of the ANN is; a linear map has none."""
        if isinstance(node, Clip):
            return cls(node.low, node.high)
        if isinstance(node, Staircase):
            low = -inf if node.low is None else node.low * node.step
            high = inf if node.high is None else node.high * node.step
            return cls(low, high, node)
        return cls()

    def __call__(self, x: Array) -> Array:
        """Return the function's values."""
        return self.cut_off(x) if self.levels is None else step(self.levels, [x], {}, 1)

    def cut_off(self, x: Array) -> Array:
        """Return values within the bounds."""
        return np.clip(x, self.low, self.high)

    @property
    def start(self) -> float:
        """What is added before rounding down, in levels; 1/2 rounds to nearest."""
        return 0.5 if self.levels is None else self.levels.start


@dataclass(frozen=True)
class Population:
    """One population as the split sees it.

    Attributes:
        node: The population.
        versions: What flows into it.
        activation: The ANN's activation function.
        sign: -1 where it carries the negative half of a signed value (code ``rate``).
    """

    node: IF
    versions: Versions
    activation: Activation
    sign: int = 1

    def split(self, target: Array, sums: Mapping[str, Array], timesteps: int) -> Parts:
        """Return the parts of the population's error.

        Args:
            target: What it should send on average: the ANN's activation, ``(samples, *shape)``.
            sums: For each edge, the sum of its payloads over time.
            timesteps: T.
        """
        node, (least, most) = self.node, self._bounds(timesteps)
        unit = node.unit / timesteps
        current = self.versions.actual.current(sums, timesteps)
        means = self.versions.stages(sums, current, timesteps)
        received = means[-1][1]
        stages = [(name, self.activation(mean)) for name, mean in means]
        reached = np.clip(stages[-1][1], least * unit, most * unit)
        within = np.clip(self.activation.cut_off(received), least * unit, most * unit)
        stages += [
            ("clipping", reached),
            ("guard", reached + np.clip(received, least * unit, most * unit) - within),
            ("quantisation", self._at_rest(current, self.activation.start, timesteps) * unit),
            ("initial", self._at_rest(current, self._start, timesteps) * unit),
            ("transient", sums[node.name] * unit),
        ]
        return telescoped(target, stages)

    def _at_rest(self, current: Array, start: Array | float, timesteps: int) -> Array:
        """Return the units sent once the membrane is at rest.

        Args:
            current: All that flowed in.
            start: Membrane at the start, in thresholds.
            timesteps: T.
        """
        units = current / self.node.threshold + start
        return np.asarray(np.clip(np.floor(units + ROUNDING), *self._bounds(timesteps)))

    @property
    def _start(self) -> Array:
        """Membrane at the start, in thresholds; a multi-threshold neuron rounds by itself."""
        node = self.node
        return node.initial / node.threshold + (0.0 if node.select == "count" else 0.5)

    def _bounds(self, timesteps: int) -> tuple[float, float]:
        """Return the fewest and the most units it can have sent after T steps."""
        node = self.node
        least = max(-node.max_negative * timesteps, -inf if node.acc_min is None else node.acc_min)
        most = min(node.max_positive * timesteps, inf if node.acc_max is None else node.acc_max)
        return least, most


def split_output(
    versions: Versions, target: Array, decoded: Array, sums: Mapping[str, Array], timesteps: int
) -> Parts:
    """Return the parts of an output's error; what a saturated sum lost counts as transient."""
    current = versions.actual.current(sums, timesteps)
    stages = versions.stages(sums, current, timesteps)
    return telescoped(target, [*stages, ("transient", decoded)])


def split_pool(node: MaxPool, target: Array, unit: Array, sums: Mapping[str, Array]) -> Parts:
    """Return the parts of a max pool's error, given mean payloads and the meaning of one unit."""
    received = max_pool(node, sums[node.inputs[0]][None])[0]
    stages = [("inherited", received * unit), ("pooling", sums[node.name] * unit)]
    return telescoped(target, stages)


def split_input(node: Encoder, sample: Array, sent: Array) -> Parts:
    """Return the parts of an input's error, given the payloads that are injected."""
    scale = node.scale or 1.0
    reach = np.inf if node.scale is None else scale * node.limit
    stages = [("clipping", np.clip(sample, -reach, reach)), ("quantisation", sent * scale)]
    return telescoped(sample, stages)


def telescoped(target: Array, stages: Iterable[tuple[str, Array]]) -> Parts:
    """Return what each stage adds to the one before; together all that the last is off target."""
    parts: Parts = {}
    before = target
    for name, value in stages:
        parts[name] = value - before
        before = value
    return parts
