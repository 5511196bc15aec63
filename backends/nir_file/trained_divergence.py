"""What each reader makes of the file of a trained network, beside what the network itself does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...ir import Array
from .divergence import OWN, Reading
from .file_contract import KEY, FileContract, parsed
from .network import NirNetwork
from .nodes import Delay, Neuron, Threshold
from .readers import READERS, Reader
from .trained_execution import execute_trained
from .trained_program import TrainedNirProgram
from .trained_readers import CORRECTIONS, NotReadError, neurons_of, unlike_structure

NOT_KNOWN = "not known"
"""How sure a row is that has no figures."""


def trained_readings(
    program: TrainedNirProgram,
    samples: Mapping[str, Array],
    labels: Array | None = None,
    readers: Sequence[Reader] = READERS,
) -> list[Reading]:
    """Return what the network itself does, then what each reader makes of its file.

    Args:
        program: A network with one output.
        samples: For each input, ``(samples, *shape)`` or ``(samples, timesteps, *shape)``.
        labels: ``(samples,)``, or None.
        readers: Whose rules to compute.
    """
    network = program.network
    meant = parsed(network.metadata[KEY])
    assert meant is not None, "snnc writes contracts that it reads"
    inputs = program.encoded(samples)
    own = _Run(program, execute_trained(network, inputs, program.timesteps, meant), meant)
    found = [_reading(own, own, labels, OWN, "the contract in the file", "computed", "")]
    for each in readers:
        try:
            read = computed(each, network, meant)
        except NotReadError as reason:
            found.append(_refused(each, str(reason)))
            continue
        kept = execute_trained(network, inputs, program.timesteps, meant, read)
        run = _Run(program, kept, meant)
        about = (each.name, each.version, each.basis)
        found.append(_reading(run, own, labels, *about, CORRECTIONS.get(each.name, "")))
    return found


def computed(read: Reader, network: NirNetwork, meant: FileContract) -> dict[str, Any]:
    """Return what a reader computes for each node with state, in its first step.

    Raises:
        NotReadError: It does not read the file, or what it makes of it is not modelled.
    """
    late = meant.late or frozenset()
    ends = [end for start, end in network.edges if not _is_late(network, (start, end), late)]
    reason = unlike_structure(read, len(late), len(ends) > len(set(ends)), network.version)
    if reason:
        raise NotReadError(reason)
    rule = neurons_of(read.name)
    made = {}
    for name, node in network.nodes.items():
        if isinstance(node, (Neuron, Threshold, Delay)):
            try:
                made[name] = rule(node, meant.step)
            except NotReadError as why:
                raise NotReadError(f"{name}: {why}") from None
    return made


def _is_late(network: NirNetwork, edge: tuple[str, str], late: frozenset[tuple[str, str]]) -> bool:
    """Whether an edge brings what was sent at the step before, maybe through linear maps."""
    start, _ = edge
    if edge in late or isinstance(network.nodes[start], (Neuron, Threshold, Delay)):
        return edge in late
    before = [(source, start) for source in network.sources(start)]
    return bool(before) and all(_is_late(network, each, late) for each in before)


class _Run:
    """What a run gave.

    Attributes:
        spikes: For each population, ``(samples, timesteps, *shape)``.
        answers: The index of the largest output after the last step, ``(samples,)``.
    """

    def __init__(
        self, program: TrainedNirProgram, kept: Mapping[str, Array], meant: FileContract
    ) -> None:
        self.spikes = {name: kept[node] for name, (node,) in program.layout.populations.items()}
        (key,) = program.graph.outputs
        last = program.read_out(key, kept, meant)[:, -1]
        self.answers = last.reshape(len(last), -1).argmax(axis=1)


def _reading(
    run: _Run,
    own: _Run,
    labels: Array | None,
    name: str,
    version: str,
    basis: str,
    correction: str,
) -> Reading:
    places = sum(spikes.size for spikes in own.spikes.values())
    other = sum(np.count_nonzero(spikes != own.spikes[name]) for name, spikes in run.spikes.items())
    return Reading(
        reader=name,
        version=version,
        basis=basis,
        rates={name: float(spikes.mean()) for name, spikes in run.spikes.items()},
        agreement=float(np.mean(run.answers == own.answers)),
        accuracy=None if labels is None else float(np.mean(run.answers == labels)),
        correction=correction if other else "",
        unlike=other / places if places else 0.0,
    )


def _refused(read: Reader, reason: str) -> Reading:
    return Reading(
        reader=read.name,
        version=read.version,
        basis=NOT_KNOWN,
        rates={},
        agreement=None,
        accuracy=None,
        correction="",
        refused=reason,
    )
