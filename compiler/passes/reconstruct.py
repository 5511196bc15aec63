"""Layer-wise reconstruction: teach every population to undo the error of those before it.

Front to back, each population is fitted to the ANN on calibration samples while it receives
what the populations before it, already fitted, really send in T steps:

1. Weights and bias: ridge regression from the mean payloads it receives to the ANN's
   pre-activation, the penalty chosen on held-out samples (``compiler.least_squares``). Where
   a ReLU is silent on both sides an error does not matter and weighs little.
2. Threshold: for each channel the scale in ``SCALES`` that brings the mean output closest to
   the ANN's activation.
3. Initial membrane: for each channel moved by the mean error that is left, times T, at most
   half a threshold. A reset to zero forgets it with the first spike: there the bias is moved
   instead, by the mean error, before the threshold is chosen and once more behind it.
4. Rounding: weights become what they will be in integers, and the bias makes up for it.

Labels are not used and nothing is trained end to end. Approximate: it changes what the
network computes, for the better on data like the calibration data. The steps are those of
Li et al., *A Free Lunch From ANN*, ICML 2021 (bias, initial potential and weight
calibration); here weights are found in closed form instead of by gradient descent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...ir import IF, Array, Clip, Conv, Graph, Integrator, Linear, Node, Staircase
from ...ir.reference import padded
from ..layerwise import LayerwiseRun
from ..least_squares import HELD_OUT, UNIMPORTANT, Rows, correction
from .normalize import normalized_population
from .payload_units import keeps_channels_apart, rescale_readers, scaled

ROWS = 32768
"""Places of a convolution's output that enter the regression, over all samples."""

ROWS_PER_INPUT = 4
"""Rows that each weight of a neuron needs; with fewer only the bias is fitted."""

DECIDING = 8
"""Outputs whose weights mostly tell inputs apart; comparing all takes copies of the weights."""

SCALES = np.arange(0.6, 1.31, 0.05)
"""Candidates for the threshold, relative to the threshold rule's."""

GAIN = 1e-3
"""What a new threshold must gain to be worth the risk that rare large values are cut off."""

SCALE_SAMPLES = 128
"""Samples on which the candidates are compared."""

FEWEST = 1000
"""Values of a channel that a choice of its own needs; below that the population chooses."""

MOVES = 3
"""Times that initial membranes or biases are moved."""

DAMPING = 0.7
"""Share of a move that is made: a shift of the membrane moves the mean by less than it says."""

SILENT = -0.25
"""In thresholds: where wanted and given current of a ReLU are both below, neither matters."""

Progress = Callable[[int, int], None]
Rounded = Callable[[IF | Integrator, Sequence[Conv | Linear]], Mapping[str, Array]]


@dataclass(frozen=True)
class Reconstruct:
    """The pass; it needs a normalised, real-valued graph (all thresholds 1).

    Attributes:
        ann: The ANN the graph was made from.
        samples: For each input, calibration samples ``(samples, *shape)``, ANN units.
        timesteps: T.
        progress: Called with populations done and in all.
        rounded: From a normalised population and its synapses to the weights they will be
            rounded to (``Quantize.rounded``), or None where they stay real.
    """

    ann: Graph
    samples: Mapping[str, Array]
    timesteps: int
    progress: Progress | None = None
    rounded: Rounded | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with fitted weights, biases, thresholds and initial membranes.

        A population of a pair that shares one value (code ``rate``) stays as it is, and so do
        the weights of depthwise, grouped and one-to-one synapses.
        """
        run = LayerwiseRun(self.ann, graph, self.samples, self.timesteps, self.progress)
        reconstruction = _Reconstruction(run)
        times = Counter(node.represents for node in graph.of_type(IF))
        for node in run.layers():
            if isinstance(node, Integrator):
                reconstruction.fit(node)
            elif times[node.represents] == 1:
                reconstruction.fit(node)
                reconstruction.tune(node.name)
            if self.rounded:
                reconstruction.round(node.name, self.rounded)
        return run.graph


class _Reconstruction:
    """What is done to each population of a run."""

    def __init__(self, run: LayerwiseRun) -> None:
        self.run = run
        self.rng = np.random.default_rng(0)

    # -- weights and bias ----------------------------------------------------------------------

    def fit(self, node: IF | Integrator) -> None:
        """Fit weights and bias of a population to the current it should receive, on average."""
        run = self.run
        synapses = run.synapses(node)
        means = [run.received(synapse) for synapse in synapses]
        wanted = run.wanted_current(node)
        given = np.broadcast_to(node.bias.astype(np.float32), wanted.shape)
        for synapse, mean in zip(synapses, means, strict=True):
            given = given + run.mean_current(synapse, mean)
        free = [(s, mean) for s, mean in zip(synapses, means, strict=True) if _is_free(s)]
        weights, bias = self._regression(free, wanted, given, self._silent(node))
        replacements: dict[str, Node] = {node.name: replace(node, bias=node.bias + bias)}
        for (s, _), weight in zip(free, weights, strict=True):
            replacements[s.name] = replace(s, weight=s.weight + weight.reshape(s.weight.shape))
        run.replace(replacements)

    def _silent(self, node: IF | Integrator) -> float:
        """Return below which current a population is silent, whatever the current."""
        if isinstance(node, Integrator):
            return -np.inf
        activation = self.run.ann[node.represents]
        behind_relu = isinstance(activation, (Clip, Staircase)) and activation.low == 0
        guarded = node.acc_min == 0 or not node.max_negative
        return SILENT if behind_relu and guarded else -np.inf

    def _regression(
        self, free: list[tuple[Conv | Linear, Array]], wanted: Array, given: Array, silent: float
    ) -> tuple[list[Array], Array]:
        """Return what to add to the weights of each synapse, and to the bias."""
        channels = wanted.shape[1]
        aligned = (channels, *(1,) * (wanted.ndim - 2))
        places = self._places(wanted)
        groups = [tied_inputs(s) for s, _ in free]
        sizes = [int(group.max()) + 1 for group in groups]
        few = self.run.count < 2 * HELD_OUT or len(places[0]) < ROWS_PER_INPUT * sum(sizes)
        if not free or few:
            bias = (wanted - given).mean(axis=(0, *range(2, wanted.ndim)))
            return [np.zeros(s.weight.shape) for s, _ in free], bias.reshape(aligned)
        rows = Rows(
            features=np.concatenate(
                [
                    _summed(_features(s, mean, places), group)
                    for (s, mean), group in zip(free, groups, strict=True)
                ],
                axis=1,
            ),
            wanted=_at(wanted, places),
            given=_at(given, places),
        )
        held = places[0] % HELD_OUT == HELD_OUT - 1
        change, bias = correction(rows, held, silent)
        parts = np.split(change, np.cumsum(sizes)[:-1], axis=1)
        spread = [part[:, group] for part, group in zip(parts, groups, strict=True)]
        return spread, bias.reshape(aligned)

    def _places(self, values: Array) -> tuple[Array, ...]:
        """Return sample, row and column of the places that enter the regression."""
        count = len(values)
        if values.ndim == 2:
            return (np.arange(count),)
        height, width = values.shape[2:]
        each = min(height * width, max(1, ROWS // count))
        sample = np.repeat(np.arange(count), each)
        row, column = np.divmod(
            np.concatenate(
                [self.rng.choice(height * width, each, replace=False) for _ in range(count)]
            ),
            width,
        )
        return sample, row, column

    # -- rounding ------------------------------------------------------------------------------

    def round(self, name: str, rounded: Rounded) -> None:
        """Give the synapses of a population the weights they will be rounded to.

        The bias takes over what that changes in the mean current of each channel, where it
        matters; the populations behind learn to live with the rest.
        """
        run = self.run
        run.graph = normalized_population(run.graph, name)
        node = run.graph[name]
        assert isinstance(node, (IF, Integrator))
        synapses = run.synapses(node)
        weights = rounded(node, synapses)
        lost: Array = np.zeros(1)
        replacements: dict[str, Node] = {}
        for synapse in synapses:
            whole = replace(synapse, weight=weights[synapse.name])
            replacements[synapse.name] = whole
            gap = replace(synapse, weight=_difference(synapse.weight, whole.weight))
            lost = lost + run.mean_current(gap, run.received(synapse))
        matters = np.ones(lost.shape, np.float32)
        if isinstance(node, IF):
            matters = np.where(run.wanted_current(node) < self._silent(node), UNIMPORTANT, 1.0)
        axes = (0, *range(2, lost.ndim))
        mean = (matters * lost).sum(axis=axes) / matters.sum(axis=axes)
        bias = node.bias + mean.reshape(-1, *(1,) * (lost.ndim - 2))
        run.replace({**replacements, name: replace(node, bias=bias)})

    # -- threshold and initial membrane --------------------------------------------------------

    def tune(self, name: str) -> None:
        """Choose threshold and initial membrane; readers learn the new payload unit."""
        run = self.run
        node = run.graph[name]
        assert isinstance(node, IF)
        few = slice(0, min(run.count, SCALE_SAMPLES))
        wanted, currents = run.wanted_output(node, few), run.currents(node, few)
        by_channel = (-1, *(1,) * (wanted.ndim - 2))
        hard = node.reset == "zero"
        if hard:
            node = self._with_moved_bias(node, wanted, currents)
        scale = self._best_scale(node, wanted, currents).reshape(by_channel)
        move = self._with_moved_bias if hard else self._with_moved_start
        run.replace({name: move(scaled(node, scale), wanted, currents)})
        run.graph = rescale_readers(run.graph, {name: scale})

    def _with_moved_start(self, node: IF, wanted: Array, currents: Sequence[Array]) -> IF:
        half, start = node.threshold / 2, node.initial
        for _ in range(MOVES):
            shift = self.run.timesteps * self._mean_error(node, wanted, currents)
            moved = node.initial + DAMPING * np.clip(shift, -half, half)
            node = replace(node, initial=np.clip(moved, start - half, start + half))
        return node

    def _with_moved_bias(self, node: IF, wanted: Array, currents: Sequence[Array]) -> IF:
        half = node.threshold / 2
        for _ in range(MOVES):
            shift = self._mean_error(node, wanted, currents)
            node = replace(node, bias=node.bias + DAMPING * np.clip(shift, -half, half))
        return node

    def _mean_error(self, node: IF, wanted: Array, currents: Sequence[Array]) -> Array:
        """Return what each channel sends too little a step, in the unit it had before."""
        error = wanted - self._mean_output(node, currents)
        mean = error.mean(axis=(0, *range(2, wanted.ndim)))
        return np.asarray(mean.reshape(-1, *(1,) * (wanted.ndim - 2)))

    def _best_scale(self, node: IF, wanted: Array, currents: Sequence[Array]) -> Array:
        """Return the best scale of each channel, ``(channels,)``.

        Every other sample chooses; a channel keeps its threshold unless the samples that did
        not choose gain as well, by more than ``GAIN`` of their mean square. Behind a clip no
        threshold grows, and where the neuron bounds what it sends none changes: the upper
        bound, and the bounds counted in units, would no longer be those of the clip. Behind a
        staircase training has chosen the threshold.
        """
        scales = SCALES
        activation = self.run.ann[node.represents]
        bounded = node.acc_min not in (0, None) or node.acc_max is not None
        if bounded or isinstance(activation, Staircase):
            return np.ones(wanted.shape[1])
        if isinstance(activation, Clip) and np.isfinite(activation.high):
            scales = SCALES[SCALES < 1.01]
        errors = np.array(
            [
                _by_channel(np.square(self._mean_output(scaled(node, s), currents) - wanted))
                for s in scales
            ]
        )
        power = _by_channel(np.square(wanted))
        alone = keeps_channels_apart(self.run.graph, node.name)
        if wanted[:, 0].size < FEWEST or not alone:  # the whole population chooses
            errors = np.broadcast_to(errors.mean(axis=2, keepdims=True), errors.shape)
            power = np.broadcast_to(power.mean(axis=1, keepdims=True), power.shape)
        chosen = errors[:, 0].argmin(axis=0)
        unchanged = int(np.argmin(np.abs(scales - 1)))
        gain = errors[unchanged, 1] - np.take_along_axis(errors[:, 1], chosen[None], axis=0)[0]
        return np.where(gain > GAIN * power[1], scales[chosen], 1.0)

    def _mean_output(self, node: IF, currents: Sequence[Array]) -> Array:
        """Return the mean output in the unit the population had before it was tuned."""
        sent = self.run.sent(node, currents).sum(axis=0, dtype=np.int32)
        return np.asarray(sent * node.threshold / self.run.timesteps)


def _by_channel(values: Array) -> Array:
    """Return means for each channel, of the even samples and of the odd: ``(2, channels)``."""
    axes = (0, *range(2, values.ndim))
    odd = values[1::2] if len(values) > 1 else values
    return np.array([values[::2].mean(axis=axes), odd.mean(axis=axes)])


def _difference(weight: Array, other: Array) -> Array:
    """Return a difference in the precision of the run, without one in that of the weights."""
    return np.subtract(weight, other, out=np.empty(weight.shape, np.float32))


def _is_free(node: Conv | Linear) -> bool:
    """Whether the weights of a synapse may change: it mixes channels."""
    if isinstance(node, Conv):
        return node.groups == 1
    square = node.weight.shape[0] == node.weight.shape[1]
    return not (square and np.count_nonzero(node.weight) == np.count_nonzero(np.diag(node.weight)))


def tied_inputs(node: Conv | Linear) -> Array:
    """Return a number for each input of a synapse; equal numbers mean tied weights.

    Inputs that weigh the same for every output, as the places that an average pool joined, keep
    weighing the same: there are then few weights to fit, even behind a large image.
    """
    weight = node.weight.reshape(len(node.weight), -1)
    if isinstance(node, Conv):
        return np.arange(weight.shape[1])
    # Columns are numbered in lexicographic order: a few rows decide it where no two begin alike.
    for rows in (weight[:DECIDING], weight):
        different, group = np.unique(rows, axis=1, return_inverse=True)
        if different.shape[1] == weight.shape[1]:
            break
    return np.asarray(group).reshape(-1)


def _summed(features: Array, group: Array) -> Array:
    """Return the sums of features that belong together, ``(rows, groups)``."""
    if group.max() + 1 == len(group):
        summed = np.empty_like(features)
        summed[:, group] = features
        return summed
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.asarray(np.add.reduceat(features[:, order], begins, axis=1))


def _at(values: Array, places: tuple[Array, ...]) -> Array:
    """Return the values at some places, ``(rows, channels)``, float32."""
    if values.ndim == 2:
        return np.asarray(values[places[0]], np.float32)
    sample, row, column = places
    return np.asarray(values[sample, :, row, column], np.float32)


def _features(node: Conv | Linear, mean: Array, places: tuple[Array, ...]) -> Array:
    """Return what each place of a synapse's output is computed from, ``(rows, inputs)``."""
    if isinstance(node, Linear):
        return mean[places[0]]
    sample, row, column = places
    frames = padded(mean, node.padding)
    height, width = node.weight.shape[2:]
    rows = row[:, None, None] * node.stride[0] + np.arange(height)[:, None] * node.dilation[0]
    columns = column[:, None, None] * node.stride[1] + np.arange(width) * node.dilation[1]
    taps = frames[sample[:, None, None], :, rows, columns]  # (rows, kernel_h, kernel_w, channels)
    return np.ascontiguousarray(taps.transpose(0, 3, 1, 2)).reshape(len(sample), -1)
