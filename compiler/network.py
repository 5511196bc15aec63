"""A compiled network: run it, save it, load it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Program, Result, get_backend
from ..backends.artifact import Artifact, Golden, is_partitioned, is_trained
from ..backends.artifact import load as load_artifact
from ..backends.artifact import save as save_artifact
from ..backends.base import UNLIMITED, Progress, Rows
from ..backends.resources import Resources
from ..ir import Encoder, Graph, Input, Integrator, RadixIF, TrackingIF, latency
from .data import Inputs, Source, check_steps, open_samples
from .target_settings import target_settings

LOOKED_AT = 256
"""Samples whose range is looked at at once."""


def _range(node: Encoder) -> float:
    """Return the largest magnitude an encoder can express, and half a step more."""
    assert node.scale is not None
    return node.scale * (node.limit + 0.5)


def _share_beyond(most: float, rows: Rows) -> float:
    """Return the share of values whose magnitude is larger, looking at some samples at a time."""
    beyond = sum(
        int(np.count_nonzero(np.abs(rows[begin : begin + LOOKED_AT]) > most))
        for begin in range(0, len(rows), LOOKED_AT)
    )
    return beyond / prod(rows.shape)


@dataclass(frozen=True)
class Network:
    """A spiking network compiled for one target.

    Attributes:
        artifact: Graph, golden data, manifest.
        program: The graph made ready for its target.
    """

    artifact: Artifact
    program: Program

    def __repr__(self) -> str:  # the fields hold whole arrays, which nobody reads in a notebook
        ports = ", ".join(f"{node.name} {node.type.shape}" for node in self.graph.of_type(Input))
        outputs = ", ".join(self.graph.outputs)
        return f"<Network for {self.target}: {ports} -> {outputs}, T = {self.timesteps}>"

    @property
    def graph(self) -> Graph:
        """The spiking graph."""
        return self.artifact.graph

    @property
    def target(self) -> str:
        """Name of the target."""
        return self.artifact.target

    @property
    def layer_synchronous(self) -> bool:
        """Whether a layer waits for the last event of the one before."""
        digits = any(node.digits for node in self.graph.of_type(TrackingIF))
        return digits or bool(self.graph.of_type(RadixIF))

    @property
    def timesteps(self) -> int:
        """T: steps of one sample."""
        return self.artifact.timesteps

    @property
    def steps(self) -> int:
        """Steps of a run on the simulator: T, and those that neurons wait or rehearse."""
        return self.timesteps + latency(self.graph)

    @property
    def elements(self) -> int | str | None:
        """Elements of the sequences it reads, ``any number`` included; None where it reads none."""
        lengths = [node.sequence for node in self.graph.of_type(Input) if node.is_sequence]
        return (max(length or 0 for length in lengths) or "any number") if lengths else None

    @property
    def stepwise(self) -> bool:
        """Whether a sample has a value for every time step."""
        return any(node.stepwise for node in self.graph.of_type(Input))

    @property
    def first_answer(self) -> int:
        """The first of the T steps after which the outputs mean something."""
        readouts = self.graph.of_type(Integrator)
        if any(node.decoding == "sum" for node in readouts) and not is_trained(self.artifact):
            return self.timesteps
        late = max((node.start for node in readouts), default=1)
        return max(1, late - latency(self.graph))

    @property
    def report(self) -> Mapping[str, Any]:
        """What the compiler did; see ``report.Report``."""
        return dict(self.artifact.manifest.get("report", {}))

    def run(
        self,
        data: Source,
        *,
        record: bool = False,
        progress: Progress | None = None,
        memory: int | str | None = None,
        jobs: int | None = None,
    ) -> Result:
        """Run samples on the target.

        Args:
            data: An ``.npz`` file, an array or a dict of arrays; batch axis first, ANN units.
            record: Whether to keep every payload.
            progress: Called with samples done and in all.
            memory: Most bytes that the process may hold, or a text such as ``2GB``. The simulator
                keeps to it: the data and the result have to fit as well.
            jobs: Blocks of samples that the simulator computes side by side, each on a thread of
                its own; as many as there are cores by default.

        Returns:
            Outputs and activity; ``.outputs`` is one array where there is one output.

        Raises:
            DataError: The data do not fit the model's inputs.
            MissingDependencyError: What the target needs is not installed.
            OptionError: The memory does not suffice.
        """
        resources = Resources.of(memory, jobs)
        samples = self.opened(data, resources)
        return self.program.run(samples, record=record, progress=progress, resources=resources)

    def stream(
        self,
        data: Source,
        *,
        record: bool = False,
        progress: Progress | None = None,
        memory: int | str | None = None,
        jobs: int | None = None,
    ) -> Iterator[Result]:
        """Run samples on the target, and hand over the result of a block of them at a time.

        So there may be more samples, and larger results, than memory holds.

        Args:
            data: As for ``run``.
            record: As for ``run``.
            progress: As for ``run``.
            memory: As for ``run``; a file that takes more than a quarter of it stays on the disk.
            jobs: As for ``run``.

        Yields:
            Results of consecutive samples.

        Raises:
            As ``run``.
        """
        resources = Resources.of(memory, jobs)
        samples = self.opened(data, resources)
        yield from self.program.stream(
            samples, record=record, progress=progress, resources=resources
        )

    def opened(self, data: Source, resources: Resources = UNLIMITED) -> Inputs:
        """Return samples for all inputs, checked; see ``data.open_samples``.

        Raises:
            DataError: The data do not fit the model's inputs, or its time steps.
        """
        samples = open_samples(data, self.graph, resources)
        check_steps(self.graph, samples, self.timesteps)
        return samples

    def cut_off_inputs(self, samples: Inputs) -> dict[str, float]:
        """Return for each quantised input the share of its values that lie out of range.

        Such values saturate: they lie beyond the largest magnitude of the calibration data. An
        input that the model itself quantises is left out: it saturates there as well.
        """
        return {
            node.inputs[0]: _share_beyond(_range(node), samples[node.inputs[0]])
            for node in self.graph.of_type(Encoder)
            if node.scale is not None and node.bounds is None
        }

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the artifact folder; an artifact that is already there is replaced.

        Raises:
            ArtifactError: The folder exists and is no artifact, or cannot be written.
        """
        path = Path(folder)
        save_artifact(self.artifact, path, self.program.save)
        return path

    @property
    def golden(self) -> Golden:
        """A few inputs with the answers the network must give."""
        return self.artifact.golden


def load(
    folder: str | PathLike[str], *, on: str | None = None
) -> Network | Any:  # of any class: users of a whole network need not ask which
    """Load a compiled network.

    Args:
        folder: An artifact folder.
        on: A target to run it on instead of its own.

    Returns:
        A ``Network``, or, where parts of it run on the host, a ``partition.PartitionedNetwork``.

    Raises:
        ArtifactError: No artifact, or one that was changed.
        UnknownTargetError: No backend has that name.
    """
    if is_partitioned(Path(folder)):
        from .partition.storage import load as load_partitioned

        return load_partitioned(Path(folder), on)
    return load_whole(folder, on=on)


def load_whole(folder: str | PathLike[str], *, on: str | None = None) -> Network:
    """Load a compiled network that spikes as a whole.

    Args:
        folder: An artifact folder.
        on: A target to run it on instead of its own.

    Raises:
        ArtifactError: No artifact, or one that was changed.
        UnknownTargetError: No backend has that name.
    """
    artifact = load_artifact(Path(folder))
    target = on or artifact.target
    backend = get_backend(target, target_settings(target, artifact.manifest["options"]))
    return Network(artifact, backend.lower(artifact.graph, artifact.timesteps))
