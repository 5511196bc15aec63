"""The two things a backend is made of, and what a run gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ..ir import Array, Graph
from .resources import Resources
from .target import Target

Progress = Callable[[int, int], None]
"""Called with the number of samples done and their total."""


UNLIMITED = Resources()
"""All cores, and what memory that takes."""


class Rows(Protocol):
    """Samples of one input: an array, or something that is read a part at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Array: ...


@dataclass(frozen=True)
class Activity:
    """What one node did in a run; every array is ``(samples, timesteps)``, int64.

    For a node that sends events (a population, a max pool) ``spikes`` and ``units`` count what
    it sent. For a synapse or a product they are what it received, and ``synops`` what that
    caused. A max pool has both: ``synops`` counts the windows that the events it received reached.

    Attributes:
        spikes: Events: nonzero payloads.
        units: The sum of the payloads' magnitudes.
        synops: Events times the synapses each of them reaches (nonzero weights, borders and
            parallel copies counted as they are); 0 for populations.
        unit_synops: Likewise with each event counted by its magnitude.
    """

    spikes: Array
    units: Array
    synops: Array
    unit_synops: Array

    def __add__(self, other: Activity) -> Activity:
        """Return what both count together."""
        return Activity(
            self.spikes + other.spikes,
            self.units + other.units,
            self.synops + other.synops,
            self.unit_synops + other.unit_synops,
        )


@dataclass(frozen=True)
class Result:
    """What a run of a program gave.

    Attributes:
        decoded: For each output name, the decoded output after every step,
            ``(samples, timesteps, *shape)``, float32.
        activity: For each population, max pool and synapse, what it did.
        spikes: For each population and max pool, its payloads ``(samples, timesteps, *shape)``;
            empty unless the run was asked to record.
        settled: Of a network that comes to rest, the step after which a sample did nothing more,
            ``(samples,)``, 0 for one that still moved when the run ended; else None.
        unrounded: Of a recorded run of a real-valued graph, the decoded outputs before they were
            rounded to float32, float64; else empty. Targets are compared by them.
    """

    decoded: Mapping[str, Array]
    activity: Mapping[str, Activity]
    spikes: Mapping[str, Array] = field(default_factory=dict)
    settled: Array | None = None
    unrounded: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        decoded: Mapping[str, Array],
        activity: Mapping[str, Activity],
        spikes: Mapping[str, Array],
        settled: Array | None = None,
        *,
        unrounded: bool,
    ) -> Result:
        """Return a result with its outputs rounded to float32.

        Args:
            decoded: For each output name, ``(samples, timesteps, *shape)``, float64.
            activity: As it stands in the result.
            spikes: Likewise.
            settled: Likewise.
            unrounded: Whether the outputs are kept as they are, too.
        """
        rounded = {key: trace.astype(np.float32) for key, trace in decoded.items()}
        return cls(rounded, activity, spikes, settled, decoded if unrounded else {})

    @property
    def outputs(self) -> Array | dict[str, Array]:
        """The outputs after the last step: one array for one output, else a dict by name."""
        last = {name: trace[:, -1] for name, trace in self.decoded.items()}
        return next(iter(last.values())) if len(last) == 1 else last


class Program(Protocol):
    """A spiking graph made ready for one target.

    Attributes:
        graph: The graph it computes, as the target runs it.
        timesteps: Steps of one sample, or of one element of a sequence.
        depth_latency: Steps the target needs beyond ``timesteps`` for the first sample to
            reach the outputs.
    """

    @property
    def graph(self) -> Graph: ...

    @property
    def timesteps(self) -> int: ...

    @property
    def depth_latency(self) -> int: ...

    def latency_steps(self, elements: int = 1) -> int:
        """Return the steps from the beginning of a sample to its last output.

        Args:
            elements: Elements of the sample; one that is no sequence is its only element.
        """
        ...

    def run(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Result:
        """Run samples one after the other, each from rest.

        Args:
            inputs: For each input's name, samples ``(samples, *shape)`` in ANN units.
            record: Whether to keep every payload (memory: samples x timesteps x neurons).
            progress: Called as samples are finished.
            resources: Memory and cores to use; the result counts as well.

        Raises:
            MissingDependencyError: What the target needs is not installed.
            ExecutionError: The target failed.
            OptionError: The memory does not suffice.
        """
        ...

    def stream(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Iterator[Result]:
        """Run samples and hand over the result of some of them at a time, in their order.

        However many samples there are, memory holds a few blocks of them. What is computed of a
        sample does not depend on the block it is in.

        Args:
            inputs: As for ``run``; they may be read from where they are stored as they are needed.
            record: As for ``run``.
            progress: As for ``run``.
            resources: Memory and cores to use.

        Yields:
            Results of consecutive samples; one, where there are no samples.

        Raises:
            As ``run``.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what the target needs beside the graph into a folder, if anything."""
        ...


class Backend(Protocol):
    """Turns a spiking graph that fits ``target`` into a program."""

    @property
    def target(self) -> Target: ...

    def lower(self, graph: Graph, timesteps: int) -> Program:
        """Prepare a graph.

        Raises:
            DesignRuleError: The graph does not fit the target; every reason is listed.
        """
        ...

    def availability(self) -> str:
        """Return the version of what runs the target here, or "" where it cannot run."""
        ...
