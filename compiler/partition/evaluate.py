"""Accuracy of a cut model, beside its source model.

An answer after t steps is what the whole gives if each spiking region is stopped after t steps:
every region reads what the ones before it gave then. So unlike those of a network that spikes as
a whole, answers after fewer steps take a run each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...backends.base import UNLIMITED, Progress, Result
from ...backends.resources import Resources
from ...ir import Array
from ...ir.errors import OptionError
from ..changed_ann import changed_by
from ..data import Inputs
from ..evaluate import Evaluation, Prefix, check_labels, scored
from ..event_counts import total_activity
from .network import BLOCK, PartitionedNetwork


def evaluate_cut(
    network: PartitionedNetwork,
    samples: Inputs,
    labels: Array,
    timesteps: Sequence[int] = (),
    *,
    executed_on: str = "",
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> Evaluation:
    """Measure a cut model on labelled samples.

    Args:
        network: The network, its spiking regions on the target they shall run on.
        samples: For each input, ``(samples, *shape)``.
        labels: ``(samples,)``, the index of the right output.
        timesteps: The steps after which each region is stopped; by default T.
        executed_on: Name of the target it was loaded for; its own by default.
        progress: Called with samples done and in all, run by run.
        resources: Memory and cores to use.

    Raises:
        OptionError: There are more steps than the compiled T, or too few for an answer.
        DataError: The network is no classifier of these labels.
        ArtifactError: The artifact has no source model.
    """
    steps = tuple(timesteps) or (network.timesteps,)
    first = max(each.first_answer for each in network.networks.values())
    if max(steps) > network.timesteps or min(steps) < first:
        raise OptionError(
            f"--timesteps {','.join(map(str, steps))}: answers are there after {first} to "
            f"{network.timesteps} steps",
            hint=f"give numbers from {first} to {network.timesteps}",
        )
    return Evaluation(
        target=network.target,
        executed_on=executed_on or network.target,
        samples=len(labels),
        timesteps=network.timesteps,
        depth_latency=network.depth_latency,
        layer_synchronous=any(each.layer_synchronous for each in network.networks.values()),
        ann_accuracy=_ann_accuracy(network, samples, labels),
        snn=tuple(_stopped(network, samples, labels, t, progress, resources) for t in steps),
        ann_changed_by=changed_by(network.manifest),
        original_accuracy=_ann_accuracy(network, samples, labels, original=True)
        if network.has_original
        else None,
    )


def _ann_accuracy(
    network: PartitionedNetwork, samples: Inputs, labels: Array, *, original: bool = False
) -> float:
    """Return the share of samples that the source model gets right."""
    right = 0
    for begin in range(0, len(labels), BLOCK):
        block = {name: np.asarray(x[begin : begin + BLOCK]) for name, x in samples.items()}
        scores = _scores(network.ann_outputs(block, original=original), labels)
        right += int(np.sum(scores.argmax(axis=1) == labels[begin : begin + BLOCK]))
    return right / len(labels)


def _stopped(
    network: PartitionedNetwork,
    samples: Inputs,
    labels: Array,
    timesteps: int,
    progress: Progress | None,
    resources: Resources,
) -> Prefix:
    """Return what the network does if each region is stopped after some steps."""
    results = network.stream(samples, progress=progress, resources=resources, timesteps=timesteps)
    right, done = 0, 0
    counts = np.zeros(4)
    for result in results:
        scores = _scores({name: x[:, -1] for name, x in result.decoded.items()}, labels)
        right += int(np.sum(scores.argmax(axis=1) == labels[done : done + len(scores)]))
        done += len(scores)
        counts += _counts(network, result, timesteps)
    return Prefix(timesteps, right / done, *map(float, counts / done))


def _counts(network: PartitionedNetwork, result: Result, timesteps: int) -> Array:
    """Return spikes, units and operations of all regions up to a step, over all samples."""
    counts = np.zeros(4)
    for region, each in network.networks.items():
        activity = {
            name.removeprefix(f"{region}/"): done
            for name, done in result.activity.items()
            if name.startswith(f"{region}/")
        }
        found = total_activity(each.graph, activity)
        last = max(0, each.timesteps - timesteps)
        parts = (found.spikes, found.units, found.synops, found.unit_synops)
        counts += [part[:, : part.shape[1] - last].sum() for part in parts]
    return counts


def _scores(outputs: dict[str, Array], labels: Array) -> Array:
    """Return the class scores, ``(samples, classes)``."""
    output, classes = scored({name: x.shape[1:] for name, x in outputs.items()})
    check_labels(labels, output, classes)
    return outputs[output].reshape(-1, classes)
