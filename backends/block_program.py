"""Programs that compute some samples after others: what the runs of all targets have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..ir import Graph, latency
from ..ir.bounds import is_quantized
from .assembly import assembled
from .base import UNLIMITED, Progress, Result, Rows
from .resources import Resources
from .sample_blocks import number_of_samples


@dataclass(frozen=True)
class Request:
    """What a run is asked for; see ``Program.run``.

    Attributes:
        inputs: For each input's name, samples.
        record: Whether to keep every payload.
        progress: Called as samples are finished.
        resources: Memory and cores to use.
        kept: Whether all results are held in the end, or each is handed over.
    """

    inputs: Mapping[str, Rows]
    record: bool
    progress: Progress | None
    resources: Resources
    kept: bool


@dataclass(frozen=True)
class BlockProgram(ABC):
    """A program that computes its samples in blocks; see ``backends.base.Program``.

    Attributes:
        graph: The graph it computes.
        timesteps: Steps of one sample, or of one element of a sequence.
    """

    graph: Graph
    timesteps: int

    @property
    def depth_latency(self) -> int:
        """Steps that neurons wait or rehearse beyond T, where a synapse takes no time."""
        return latency(self.graph)

    @property
    def steps(self) -> int:
        """All steps of a run, or of one element of a sequence."""
        return self.timesteps + self.depth_latency

    def latency_steps(self, elements: int = 1) -> int:
        """Return the steps from a sample to its outputs; see ``Program``."""
        return elements * self.steps

    def save(self, folder: Path) -> None:  # noqa: B027 (a target may need no file)
        """Write nothing: the graph is all that is needed."""

    def run(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Result:
        """Compute samples in blocks; see ``Program.run``."""
        asked = Request(inputs, record, progress, resources, kept=True)
        return assembled(self._results(asked), number_of_samples(inputs))

    def stream(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Iterator[Result]:
        """Compute samples in blocks; see ``Program.stream``."""
        return self._results(Request(inputs, record, progress, resources, kept=False))

    @abstractmethod
    def _results(self, asked: Request) -> Iterator[Result]:
        """Yield the results of consecutive blocks, in order."""

    @cached_property
    def _real(self) -> bool:
        return not is_quantized(self.graph)
