"""Layer-wise reconstruction: teach every population to undo the error of those before it.

Front to back, each population is fitted to the ANN on calibration samples while it receives
what the populations before it, already fitted, really send in T steps:

1. Weights and bias: ridge regression from the mean payloads it receives to the ANN's
   pre-activation, the penalty chosen on held-out samples (``compiler.least_squares``).
2. Threshold: for each channel the scale in ``SCALES`` that brings the mean output closest to
   the ANN's activation.
3. Initial membrane: for each channel moved by the mean error that is left, times T, at most
   half a threshold.

Labels are not used and nothing is trained end to end. Approximate: it changes what the
network computes, for the better on data like the calibration data. The steps are those of
Li et al., *A Free Lunch From ANN*, ICML 2021 (bias, initial potential and weight
calibration); here weights are found in closed form instead of by gradient descent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...backends.numpy_sim.kernels import max_pool, population, synapse
from ...ir import (
    IF,
    Array,
    Clip,
    Conv,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
    Staircase,
)
from ...ir.reference import padded, step
from ..least_squares import HELD_OUT, Moments, correction
from .payload_units import rescale_readers

FRAMES = 8192
"""Samples times steps that are simulated: more steps need fewer samples for the same noise."""

ROWS = 32768
"""Places of a convolution's output that enter the regression, over all samples."""

ROWS_PER_INPUT = 4
"""Rows that each weight of a neuron needs; with fewer only the bias is fitted."""

VALUES = 1 << 29
"""Activations of the ANN held in memory: samples are left out beyond 2 GiB."""

BLOCK = 64
"""Samples simulated at once."""

SCALES = np.arange(0.6, 1.31, 0.05)
"""Candidates for the threshold, relative to the threshold rule's."""

GAIN = 1e-3
"""What a new threshold must gain to be worth the risk that rare large values are cut off."""

SCALE_SAMPLES = 128
"""Samples on which the candidates are compared."""

FEWEST = 1000
"""Values of a channel that a choice of its own needs; below that the population chooses."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reconstruct:
    """The pass; it needs a normalised, real-valued graph (all thresholds 1).

    Attributes:
        ann: The ANN the graph was made from.
        samples: For each input, calibration samples ``(samples, *shape)``, ANN units.
        timesteps: T.
        progress: Called with populations done and in all.
    """

    ann: Graph
    samples: Mapping[str, Array]
    timesteps: int
    progress: Progress | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with fitted weights, biases, thresholds and initial membranes.

        A population of a pair that shares one value (code ``rate``) stays as it is, and so do
        the weights of depthwise, grouped and one-to-one synapses.
        """
        return _Reconstruction(self, graph).result()


class _Reconstruction:
    """One reconstruction under way: the graph so far, and what its populations send."""

    def __init__(self, options: Reconstruct, graph: Graph) -> None:
        self.ann, self.timesteps = options.ann, options.timesteps
        self.progress = options.progress
        self.graph = graph
        self.pairs = {
            value
            for value, times in Counter(n.represents for n in graph.of_type(IF)).items()
            if times > 1
        }
        self.samples = self._chosen(options.samples)
        self.count = len(next(iter(self.samples.values())))
        self.values = self._ann_values()
        self.trains: dict[str, Array] = {}
        self.rng = np.random.default_rng(0)

    def result(self) -> Graph:
        layers = [n.name for n in self.graph if isinstance(n, (IF, Integrator))]
        done = 0
        for name in list(self.graph.nodes):
            node = self.graph[name]
            if isinstance(node, Encoder):
                x = np.asarray(self.samples[node.inputs[0]], np.float64)
                self.trains[name] = step(node, [x], {}, 1)[None]
            elif isinstance(node, Reshape) and node.inputs[0] in self.trains:
                sent = self.trains[node.inputs[0]]
                self.trains[name] = sent.reshape(*sent.shape[:2], *node.shape)
            elif isinstance(node, MaxPool):
                self.trains[name] = max_pool(node, self.trains[node.inputs[0]])
            elif isinstance(node, (IF, Integrator)):
                self._layer(node)
                done += 1
                if self.progress:
                    self.progress(done, len(layers))
            self._forget(name)
        return self.graph

    # -- the data ----------------------------------------------------------------------------

    def _chosen(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        available = len(next(iter(samples.values())))
        values = sum(type.size for type in self.ann.types.values())
        count = min(available, max(1, FRAMES // self.timesteps), max(1, VALUES // values))
        return {name: x[:count] for name, x in samples.items()}

    def _ann_values(self) -> dict[str, Array]:
        from ...backends.onnx_runtime import AnnSession

        wanted: set[str] = set(self.ann.outputs.values())
        for node in self.graph.of_type(IF):
            wanted |= {node.represents, self._pre_activation(node.represents)}
        session = AnnSession(self.ann, extra=sorted(wanted))
        found = session.run(self.samples, batch=BLOCK)
        return {name: found[name] for name in wanted}

    def _pre_activation(self, name: str) -> str:
        node = self.ann[name]
        return node.inputs[0] if isinstance(node, (Clip, Staircase)) else name

    def _forget(self, done: str) -> None:
        """Drop trains that no node further on reads."""
        order = list(self.graph.nodes)
        later = {name for n in order[order.index(done) + 1 :] for name in self.graph[n].inputs}
        for name in order[: order.index(done) + 1]:
            if isinstance(self.graph[name], (Conv, Linear)) and name in later:
                later |= set(self.graph[name].inputs)
        for name in [name for name in self.trains if name not in later]:
            del self.trains[name]

    # -- one layer -----------------------------------------------------------------------------

    def _layer(self, node: IF | Integrator) -> None:
        if isinstance(node, Integrator):
            outputs = {self._readout(name): value for name, value in self._outputs().items()}
            self._fit(node, outputs[node.name])
            return
        if node.represents not in self.pairs:
            self._fit(node, self.values[self._pre_activation(node.represents)] / node.unit)
            fitted = self.graph[node.name]
            assert isinstance(fitted, IF)
            node = self._tuned(fitted)
        self.trains[node.name] = self._sent(node, slice(None))

    def _outputs(self) -> dict[str, Array]:
        return {
            name: self.values[self.ann.outputs[key]] for key, name in self.graph.outputs.items()
        }

    def _readout(self, name: str) -> str:
        while isinstance(node := self.graph[name], Reshape):
            (name,) = node.inputs
        return name

    def _synapses(self, node: IF | Integrator) -> list[Conv | Linear]:
        found = [self.graph[name] for name in node.inputs]
        return [synapse for synapse in found if isinstance(synapse, (Conv, Linear))]

    def _fit(self, node: IF | Integrator, wanted: Array) -> None:
        """Fit weights and bias of a population to the current it should receive, on average."""
        synapses = self._synapses(node)
        shape = self.graph.types[node.inputs[0]].shape
        wanted = wanted.reshape(self.count, *shape)
        means = [self.trains[s.inputs[0]].mean(axis=0, dtype=np.float32) for s in synapses]
        given = np.broadcast_to(node.bias.astype(np.float32), wanted.shape)
        for s, mean in zip(synapses, means, strict=True):
            given = given + self._currents(s, mean[None], slice(None))[0]
        free = [(s, mean) for s, mean in zip(synapses, means, strict=True) if _is_free(s)]
        weights, bias = self._regression(free, (wanted - given).astype(np.float32))
        replacements: dict[str, Node] = {node.name: replace(node, bias=node.bias + bias)}
        for (s, _), weight in zip(free, weights, strict=True):
            replacements[s.name] = replace(s, weight=s.weight + weight.reshape(s.weight.shape))
        self._replace(replacements)

    def _regression(
        self, free: list[tuple[Conv | Linear, Array]], missing: Array
    ) -> tuple[list[Array], Array]:
        """Return what to add to the weights of each synapse, and to the bias."""
        channels = missing.shape[1]
        aligned = (channels, *(1,) * (missing.ndim - 2))
        places = self._places(missing)
        inputs = sum(s.weight[0].size for s, _ in free)
        if not free or len(places[0]) < ROWS_PER_INPUT * inputs or self.count < 2 * HELD_OUT:
            bias = missing.mean(axis=(0, *range(2, missing.ndim)))
            return [np.zeros(s.weight.shape) for s, _ in free], bias.reshape(aligned)
        features = np.concatenate([_features(s, mean, places) for s, mean in free], axis=1)
        residuals = missing[places[0]] if missing.ndim == 2 else _at(missing, places)
        held = places[0] % HELD_OUT == HELD_OUT - 1
        change, bias = correction(
            Moments.of(features[~held], residuals[~held]),
            Moments.of(features[held], residuals[held]),
        )
        ends = np.cumsum([s.weight[0].size for s, _ in free])
        return np.split(change, ends[:-1], axis=1), bias.reshape(aligned)

    def _places(self, values: Array) -> tuple[Array, ...]:
        """Return sample, row and column of the places that enter the regression."""
        if values.ndim == 2:
            return (np.arange(self.count),)
        height, width = values.shape[2:]
        each = min(height * width, max(1, ROWS // self.count))
        sample = np.repeat(np.arange(self.count), each)
        row, column = np.divmod(
            np.concatenate(
                [self.rng.choice(height * width, each, replace=False) for _ in range(self.count)]
            ),
            width,
        )
        return sample, row, column

    def _tuned(self, node: IF) -> IF:
        """Choose threshold and initial membrane; readers learn the new payload unit."""
        few = slice(0, min(self.count, SCALE_SAMPLES))
        wanted = (self.values[node.represents][few] / node.unit).astype(np.float32)
        currents = [self._currents(s, self.trains[s.inputs[0]], few) for s in self._synapses(node)]
        by_channel = (-1, *(1,) * (wanted.ndim - 2))
        scale = self._best_scale(node, wanted, currents).reshape(by_channel)
        tuned = _scaled(node, scale)
        axes = (0, *range(2, wanted.ndim))
        for _ in range(3):
            error = wanted - self._mean_output(tuned, currents)
            shift = self.timesteps * error.mean(axis=axes).reshape(scale.shape)
            # Damped, because a shift of the membrane moves the mean by less than it says.
            shift = 0.7 * np.clip(shift, -tuned.threshold / 2, tuned.threshold / 2)
            tuned = replace(tuned, initial=np.clip(tuned.initial + shift, 0, tuned.threshold))
        self._replace({node.name: tuned})
        self.graph = rescale_readers(self.graph, {node.name: scale})
        return tuned

    def _best_scale(self, node: IF, wanted: Array, currents: list[Array]) -> Array:
        """Return the best scale of each channel, ``(channels,)``.

        Every other sample chooses; a channel keeps its threshold unless the samples that did
        not choose gain as well, by more than ``GAIN`` of their mean square. Behind a clip no
        threshold grows, and where the neuron bounds what it sends none changes: the upper
        bound, and the bounds counted in units, would no longer be those of the clip. Behind a
        staircase training has chosen the threshold.
        """
        scales = SCALES
        activation = self.ann[node.represents]
        bounded = node.acc_min not in (0, None) or node.acc_max is not None
        if bounded or isinstance(activation, Staircase):
            return np.ones(wanted.shape[1])
        if isinstance(activation, Clip) and np.isfinite(activation.high):
            scales = SCALES[SCALES < 1.01]
        errors = np.array(
            [
                _by_channel(np.square(self._mean_output(_scaled(node, s), currents) - wanted))
                for s in scales
            ]
        )
        power = _by_channel(np.square(wanted))
        if wanted[:, 0].size < FEWEST:  # the whole population chooses
            errors = np.broadcast_to(errors.mean(axis=2, keepdims=True), errors.shape)
            power = np.broadcast_to(power.mean(axis=1, keepdims=True), power.shape)
        chosen = errors[:, 0].argmin(axis=0)
        unchanged = int(np.argmin(np.abs(scales - 1)))
        gain = errors[unchanged, 1] - np.take_along_axis(errors[:, 1], chosen[None], axis=0)[0]
        return np.where(gain > GAIN * power[1], scales[chosen], 1.0)

    def _mean_output(self, node: IF, currents: list[Array]) -> Array:
        """Return the mean output in the unit the population had before it was tuned."""
        sent = population(node, currents, self.timesteps).sum(axis=0, dtype=np.int32)
        return np.asarray(sent * node.threshold / self.timesteps)

    def _sent(self, node: IF, samples: slice) -> Array:
        parts = []
        for begin in range(0, self.count, BLOCK):
            block = slice(begin, begin + BLOCK)
            currents = [
                self._currents(s, self.trains[s.inputs[0]], block) for s in self._synapses(node)
            ]
            parts.append(population(node, currents, self.timesteps))
        return np.concatenate(parts, axis=1)

    def _currents(self, node: Conv | Linear, trains: Array, samples: slice) -> Array:
        trains = trains[:, samples]
        parts = [
            synapse(node, trains[:, begin : begin + BLOCK], np.float32)
            for begin in range(0, trains.shape[1], BLOCK)
        ]
        return np.concatenate(parts, axis=1)

    def _replace(self, nodes: Mapping[str, Node]) -> None:
        self.graph = Graph((nodes.get(n.name, n) for n in self.graph), self.graph.outputs)


def _by_channel(values: Array) -> Array:
    """Return means for each channel, of the even samples and of the odd: ``(2, channels)``."""
    axes = (0, *range(2, values.ndim))
    odd = values[1::2] if len(values) > 1 else values
    return np.array([values[::2].mean(axis=axes), odd.mean(axis=axes)])


def _scaled(node: IF, scale: Array | float) -> IF:
    """Return a population (threshold 1) with another threshold, its events worth as much more."""
    one = np.asarray(scale, np.float64)
    return replace(
        node, threshold=node.threshold * one, initial=node.initial * one, unit=node.unit * one
    )


def _is_free(node: Conv | Linear) -> bool:
    """Whether the weights of a synapse may change: it mixes channels."""
    if isinstance(node, Conv):
        return node.groups == 1
    square = node.weight.shape[0] == node.weight.shape[1]
    return not (square and np.count_nonzero(node.weight) == np.count_nonzero(np.diag(node.weight)))


def _at(images: Array, places: tuple[Array, ...]) -> Array:
    """Return the values at some places, ``(rows, channels)``."""
    sample, row, column = places
    return images[sample, :, row, column]


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
