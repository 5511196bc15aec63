"""The program of the target ``lava``: a laid-out graph that can be simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ir import Array, Input
from ...ir.errors import DataError
from ...ir.reference import step
from ...ir.settling import is_exact
from ..assembly import result_bytes
from ..base import UNLIMITED, Progress, Result, Rows
from ..block_program import BlockProgram, Request
from ..readouts import decoded_by_step, readout
from ..resources import Resources
from ..sample_blocks import block_size, blocks, number_of_samples, sequence_length
from .layout import to_lava
from .plan import Plan, SourcePlan
from .recording import Recording

BLOCK_BYTES = 1 << 28
"""Memory for the results of the samples that run at once, unless there is a limit."""


@dataclass(frozen=True)
class LavaProgram(BlockProgram):
    """A spiking graph laid out for Lava; see ``backends.base.Program``.

    Attributes:
        plan: The Lava processes.
    """

    plan: Plan = field(repr=False)

    @property
    def depth_latency(self) -> int:
        """Steps until the first sample has reached the deepest process."""
        return self.plan.depth_latency

    def latency_steps(self, elements: int = 1) -> int:
        """Return the steps from a sample to its outputs; see ``backends.base.Program``."""
        return self.plan.steps(elements, self.timesteps)

    def run(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
        fast: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Stream samples through the network, one after the other.

        Sequences follow each other as their own elements do: without a gap but for the idle
        steps of the plan.

        Args:
            inputs: For each input's name, samples ``(samples, *shape)`` in ANN units, sequences
                ``(samples, elements, *shape)``.
            record: Whether to keep every payload.
            progress: Called as samples are finished.
            resources: Not looked at: Lava starts a process for each of the network's.
            fast: Whether Lava's connection processes run on our process models, which give
                the same numbers many times faster than its own.
            timeout: Seconds until the run is given up; None waits as long as it advances.

        Raises:
            DataError: An input is missing or has the wrong shape.
            MissingDependencyError: lava-nc is not installed.
            ExecutionError: A process failed or died, or the network stopped advancing.
        """
        samples = self.encoded(inputs)
        count, elements = next(iter(samples.values())).shape[:2]
        recording = Recording(self.plan, count, self.timesteps, elements=elements, record=record)
        if count:
            self.simulate(samples, recording, fast=fast, progress=progress, timeout=timeout)
        decoded = {
            key: decoded_by_step(self.graph, name, recording.total(readout(self.graph, name)))
            for key, name in self.graph.outputs.items()
        }
        return Result.of(
            decoded,
            recording.activity(samples),
            recording.spikes(),
            recording.settled() if is_exact(self.graph) else None,
            unrounded=record and self.plan.arithmetic == "real",
        )

    def _results(self, asked: Request) -> Iterator[Result]:
        """Run blocks as large as their results allow: the network is built anew for each."""
        done, total = 0, number_of_samples(asked.inputs)
        elements = sequence_length(self.graph, asked.inputs)
        each = elements * result_bytes(self.graph, self.timesteps, record=asked.record)
        for block in blocks(asked.inputs, block_size(each, BLOCK_BYTES, asked.resources)):

            def advance(further: int, _: int, before: int = done) -> None:
                if asked.progress:
                    asked.progress(before + further, total)

            yield self.run(block, record=asked.record, progress=advance)
            done += number_of_samples(block)

    def simulate(self, samples: Mapping[str, Array], recording: Recording, **options: Any) -> None:
        """Run the processes of the plan; see ``runtime.simulate``."""
        from .runtime import simulate

        simulate(self.plan, samples, recording, timesteps=self.timesteps, **options)

    def encoded(self, inputs: Mapping[str, Rows]) -> dict[str, Array]:
        """Return what each source injects, ``(samples, elements, *lava_shape)``."""
        number = np.int32 if self.plan.arithmetic == "integer" else np.float64
        encoders = {p.name: p.encoder for p in self.plan.processes if isinstance(p, SourcePlan)}
        given = {name: self._checked(node.inputs[0], inputs) for name, node in encoders.items()}
        if len({len(x) for x in given.values()}) > 1:
            raise DataError("the inputs differ in their numbers of samples")
        elements = max(x.shape[1] for x in given.values())
        samples: dict[str, Array] = {}
        for name, x in given.items():
            if x.shape[1] not in (1, elements):
                raise DataError("the sequences differ in their numbers of elements")
            grid = x.ndim - len(self.graph.types[name].shape)  # samples, elements, perhaps steps
            flat = x.reshape(-1, *x.shape[grid:])
            payloads = to_lava(step(encoders[name], [flat], {}, 1)).astype(number)
            each = payloads.reshape(*x.shape[:grid], *payloads.shape[1:])
            samples[name] = np.repeat(each, elements // x.shape[1], axis=1)
        return samples

    def _checked(self, name: str, inputs: Mapping[str, Rows]) -> Array:
        """Return an input; one that is no sequence is its only element."""
        if name not in inputs:
            raise DataError(f"{name}: there is no such array among the inputs")
        node, x = self.graph[name], np.asarray(inputs[name][:], np.float64)
        assert isinstance(node, Input)
        found, shape = x.shape[1:], node.type.shape
        if node.stepwise:
            shape = (self.timesteps, *shape)
        if node.is_sequence:
            shape = (node.sequence or max(1, *found[:1]), *shape)
        if found != shape:
            raise DataError(f"{name}: has samples of shape {found} but needs {shape}")
        if not np.isfinite(x).all():
            raise DataError(f"{name}: contains NaN or infinity")
        return x if node.is_sequence else x[:, None]
