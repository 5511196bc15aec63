"""Accuracy and activity of a compiled network over time, beside its source model.

All entries are prefixes of one run: after ``t`` of ``T`` steps the outputs so far, divided by
``t``, are a valid answer of a rate-type code. A layer-synchronous code has only the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

from ..backends.artifact import Artifact, is_trained
from ..backends.base import UNLIMITED, Progress, Result
from ..backends.resources import Resources
from ..ir import Array, Graph
from ..ir.errors import DataError, OptionError
from .changed_ann import changed_by
from .data import Inputs
from .event_counts import total_activity
from .network import Network

NO_ANN = "trained as a spiking network: there is no source ANN"

ANN_BYTES = 1 << 28
"""Memory for the values of the ANN's layers, of the samples that it computes at once."""


@dataclass(frozen=True)
class Prefix:
    """The network after some of its time steps; all but the accuracy are means per sample.

    Attributes:
        timesteps: Steps counted from the first.
        accuracy: Share of samples whose largest output is the label.
        spikes_per_sample: Events of populations and max pools; the input is not counted.
        payload_units_per_sample: The sum of their payloads' magnitudes.
        synops_per_sample: Synaptic operations these events cause: events times fan-out.
        unit_synops_per_sample: Likewise, each event counted by its magnitude.
    """

    timesteps: int
    accuracy: float
    spikes_per_sample: float
    payload_units_per_sample: float
    synops_per_sample: float
    unit_synops_per_sample: float


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        target: The artifact's target.
        executed_on: The target that ran.
        samples: Number of samples.
        timesteps: The compiled T.
        depth_latency: Steps beyond T until the outputs of a sample are out.
        layer_synchronous: Whether a layer waits for the last event of the one before.
        ann_accuracy: Accuracy of the source model in ONNX Runtime, on the same samples; None for
            a network that was trained as a spiking one.
        snn: One entry for each prefix asked for.
        ann_changed_by: Options that made the source model another one than its file's, or "".
        original_accuracy: Accuracy of the model before they did; None where there is none, or
            the artifact does not have it.
    """

    target: str
    executed_on: str
    samples: int
    timesteps: int
    depth_latency: int
    layer_synchronous: bool
    ann_accuracy: float | None
    snn: tuple[Prefix, ...]
    ann_changed_by: str = ""
    original_accuracy: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; accuracies are fractions."""
        return {
            "target": self.target,
            "executed_on": self.executed_on,
            "samples": self.samples,
            "timesteps": self.timesteps,
            "depth_latency": self.depth_latency,
            "layer_synchronous": self.layer_synchronous,
            **self._original(),
            "ann": self._ann(),
            "snn": [
                asdict(entry) | {"accuracy_interval_95": wilson(entry.accuracy, self.samples)}
                for entry in self.snn
            ],
        }

    def _original(self) -> dict[str, Any]:
        if self.original_accuracy is None:
            return {}
        interval = wilson(self.original_accuracy, self.samples)
        found = {"accuracy": self.original_accuracy, "accuracy_interval_95": interval}
        return {"original_ann": found}

    def _ann(self) -> dict[str, Any]:
        if self.ann_accuracy is None:
            return {"accuracy": None, "accuracy_interval_95": None, "reason": NO_ANN}
        interval = wilson(self.ann_accuracy, self.samples)
        found = {"accuracy": self.ann_accuracy, "accuracy_interval_95": interval}
        return found | ({"changed_by": self.ann_changed_by} if self.ann_changed_by else {})


def evaluate(
    network: Network,
    samples: Inputs,
    labels: Array,
    timesteps: Sequence[int] = (),
    *,
    executed_on: str = "",
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> Evaluation:
    """Measure a network on labelled samples.

    Args:
        network: The network, on the target it shall run on.
        samples: For each input, ``(samples, *shape)``.
        labels: ``(samples,)``, the index of the right output.
        timesteps: The prefixes; by default the powers of two below T, and T.
        executed_on: Name of the target the network was loaded for; its own by default.
        progress: Called with samples done and in all.
        resources: Memory and cores to use; a few blocks of samples are held at a time.

    Raises:
        OptionError: A prefix is longer than the compiled T, or the memory does not suffice.
        DataError: The network is no classifier of these labels.
        ArtifactError: The artifact has no source model.
    """
    first = network.first_answer
    steps = tuple(timesteps) or tuple(t for t in default_steps(network.timesteps) if t >= first)
    if max(steps) > network.timesteps:
        raise OptionError(
            f"--timesteps {max(steps)}: the network was compiled for T = {network.timesteps}",
            hint=f"give at most {network.timesteps}, or compile with --timesteps {max(steps)}",
        )
    if min(steps) < first:
        raise OptionError(
            f"--timesteps {min(steps)}: the network has no answer before step {first}",
            hint=f"give {first} or more, up to {network.timesteps}",
        )
    output, classes = class_scores(network.graph)
    check_labels(labels, output, classes)
    ann, original = _anns(network.artifact)  # before a long run
    results = network.program.stream(samples, progress=progress, resources=resources)
    correct, counts = _tallied(network, results, labels, output)
    total = len(labels)

    def accuracy_of(model: Graph | None) -> float | None:
        batch = _ann_batch(network.graph, resources)
        return None if model is None else _accuracy(model, samples, labels, output, batch)

    return Evaluation(
        target=network.target,
        executed_on=executed_on or network.target,
        samples=total,
        timesteps=network.timesteps,
        depth_latency=network.program.depth_latency,
        layer_synchronous=network.layer_synchronous,
        ann_accuracy=accuracy_of(ann),
        snn=tuple(
            Prefix(t, float(correct[t - 1] / total), *map(float, counts[:, t - 1] / total))
            for t in steps
        ),
        ann_changed_by=changed_by(network.artifact.manifest),
        original_accuracy=accuracy_of(original),
    )


def _anns(artifact: Artifact) -> tuple[Graph | None, Graph | None]:
    """Return the source model of an artifact, and that from before options changed it."""
    from .source_ann import original_ann, source_ann

    return (None if is_trained(artifact) else source_ann(artifact)), original_ann(artifact)


def _accuracy(model: Graph, samples: Inputs, labels: Array, output: str, batch: int) -> float:
    """Return the share of samples that an ANN gets right, so many computed at once."""
    from ..backends.onnx_runtime import AnnSession

    right = done = 0
    for scores in AnnSession(model).stream(samples, batch=batch):
        answers = _classes(scores[output])
        right += int(np.sum(answers == labels[done : done + len(answers)]))
        done += len(answers)
    return right / len(labels)


def default_steps(timesteps: int) -> tuple[int, ...]:
    """Return the powers of two below T, and T.

    >>> default_steps(12)
    (1, 2, 4, 8, 12)
    """
    return (*(2**i for i in range((timesteps - 1).bit_length())), timesteps)


def class_scores(graph: Graph) -> tuple[str, int]:
    """Return the output that scores classes, and their number.

    Raises:
        DataError: There are several outputs, or the only one does not score classes.
    """
    return scored({output: graph.types[name].shape for output, name in graph.outputs.items()})


def scored(outputs: Mapping[str, tuple[int, ...]]) -> tuple[str, int]:
    """Return which of some outputs scores classes, and their number; see ``class_scores``.

    Args:
        outputs: Their shapes, without the samples.
    """
    if len(outputs) > 1:
        raise DataError(
            f"the network has {len(outputs)} outputs ({', '.join(map(repr, outputs))}), and "
            "accuracy is defined for one vector of class scores",
            hint="export a model with one output, or compare the outputs of `snnc run` yourself",
        )
    ((output, shape),) = outputs.items()
    classes = prod(shape)
    if classes != max(shape, default=1) or classes < 2:
        raise DataError(
            f"output {output!r} has the shape {shape}, and accuracy is defined for one "
            "vector of class scores",
            hint="compare the outputs of `snnc run` yourself",
        )
    return output, classes


def check_labels(labels: Array, output: str, classes: int) -> None:
    """Raise ``DataError`` unless all labels ``(samples,)`` are classes of an output."""
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"labels reach from {labels.min()} to {labels.max()}, but output {output!r} has "
            f"{classes} classes",
            hint=f"give labels from 0 to {classes - 1}",
        )


def wilson(share: float, samples: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson, *J. Am. Stat. Assoc.* 22, 1927).

    >>> low, high = wilson(0.99, 500)
    >>> round(low, 4), round(high, 4)
    (0.9768, 0.9957)
    """
    z = 1.959964  # the 97.5 % quantile of the normal distribution
    centre = share + z * z / (2 * samples)
    spread = z * sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
    scale = 1 + z * z / samples
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _tallied(
    network: Network, results: Iterable[Result], labels: Array, output: str
) -> tuple[Array, Array]:
    """Return right answers ``(T,)`` and cumulated counts ``(4, T)``, summed over samples.

    What happens while neurons wait or rehearse counts for the first of the T steps.
    """
    correct: Array = np.zeros(network.timesteps, np.int64)
    counts: Array = np.zeros((4, network.timesteps), np.int64)
    done = 0
    for result in results:
        answers = _classes(result.decoded[output], axes=2)[:, -network.timesteps :]
        correct += np.sum(answers == labels[done : done + len(answers), None], axis=0)
        done += len(answers)
        found = total_activity(network.graph, result.activity)
        sums = (found.spikes, found.units, found.synops, found.unit_synops)
        cumulated = np.stack([part.sum(axis=0) for part in sums]).cumsum(axis=1)
        counts += cumulated[:, -network.timesteps :]
    return correct, counts


def _classes(scores: Array, axes: int = 1) -> Array:
    """Return the index of the largest score behind the leading axes."""
    return np.asarray(scores.reshape(*scores.shape[:axes], -1).argmax(axis=-1))


def _ann_batch(graph: Graph, resources: Resources) -> int:
    """Return how many samples the ANN computes at once; its layers are of the network's size."""
    memory = min(resources.memory or ANN_BYTES, ANN_BYTES) // 4
    return int(min(64, max(1, memory // (4 * sum(type.size for type in graph.types.values())))))
