"""The program of the target ``onnx``: its files, and runs of them in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import ModelProto

from ...ir import Array, Input
from ...ir.settling import is_exact
from ..assembly import result_bytes
from ..base import Result, Rows
from ..block_program import BlockProgram, Request
from ..onnx_runtime import AnnSession
from ..resources import Resources
from ..sample_blocks import number_of_samples, one_by_one, sequence_length
from . import models
from .activity import Counting
from .models import Recorded
from .step import digits_end

NETWORK = "network.onnx"
STEP = "step.onnx"
INITIAL_STATE = "initial_state.onnx"

BLOCK_BYTES = 1 << 25
"""Memory for the payloads of the samples that run at once, unless there is a limit."""

WORKING = 4
"""A run takes about so many times the memory of its results: ONNX Runtime keeps what a loop gives
out step by step, and joins it in the end."""


@dataclass(frozen=True)
class OnnxProgram(BlockProgram):
    """A spiking graph as ONNX models; see ``backends.base.Program``."""

    def save(self, folder: Path) -> None:
        """Write the three models."""
        for name, model in self.models().items():
            (folder / name).write_bytes(model.SerializeToString())

    def models(self) -> dict[str, ModelProto]:
        """Return what is written, by the names of the files."""
        return {
            NETWORK: models.network(self.graph, self.timesteps),
            STEP: models.step(self.graph, self.timesteps),
            INITIAL_STATE: models.initial_state(self.graph, self.timesteps),
        }

    def _results(self, asked: Request) -> Iterator[Result]:
        size = self._block_size(asked.inputs, asked.resources)
        session = AnnSession(self._recording[0], threads=asked.resources.threads)
        compute = partial(self._run_block, session, record=asked.record)
        yield from one_by_one(asked.inputs, size, compute, asked.progress)

    @cached_property
    def _recording(self) -> tuple[ModelProto, Recorded]:
        return models.recording(self.graph, self.timesteps)

    @cached_property
    def _counting(self) -> Counting:
        return Counting(self.graph, self.steps)

    def _block_size(self, inputs: Mapping[str, Rows], resources: Resources) -> int:
        """Return how many samples run at once."""
        left = resources.left()
        room = BLOCK_BYTES if left is None else min(BLOCK_BYTES, max(left, 0) // 2)
        elements = sequence_length(self.graph, inputs)
        each = WORKING * elements * result_bytes(self.graph, self.steps, record=True)
        return max(1, room // each)

    def _run_block(self, session: AnnSession, inputs: Mapping[str, Array], record: bool) -> Result:
        samples, names = number_of_samples(inputs), self._recording[1]
        inputs = {n.name: self._given(n, inputs[n.name]) for n in self.graph.of_type(Input)}
        if not samples:  # one that is left out again, for the shapes
            inputs = {n: np.zeros((1, *x.shape[1:]), np.float32) for n, x in inputs.items()}
        found = session.run_once(inputs)
        traces = {name: self._padded(found[output]) for name, output in names.spikes.items()}
        carried = {name: found[output] for name, output in names.carried.items()}
        decoded = {
            key: self._padded(found[output], "edge")[-self.steps :].swapaxes(0, 1)[:samples]
            for key, output in names.decoded.items()
        }
        settled = None
        if is_exact(self.graph):
            waiting = [self._padded(found[output]) for output in names.waiting.values()]
            settled = self._settled(traces, waiting, max(samples, 1))[:samples]
        return Result.of(
            decoded,
            self._counting.activity(inputs, traces | carried, samples),
            {
                name: np.ascontiguousarray(sent.swapaxes(0, 1)[:samples])
                for name, sent in traces.items()
            }
            if record
            else {},
            settled,
            unrounded=record and self._real,
        )

    def _given(self, node: Input, x: Array) -> Array:
        """Return an input; a stepwise one as long as the run, 0 where no more is given."""
        if not node.stepwise:
            return x
        missing = max(0, self.timesteps - x.shape[1])
        return np.pad(x[:, : self.timesteps], [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))

    def _padded(self, trace: Array, mode: Literal["constant", "edge"] = "constant") -> Array:
        """Return a trace of all steps, also of those in which nothing happened any more."""
        missing = max(0, self.steps - len(trace))
        return np.pad(trace, [(0, missing)] + [(0, 0)] * (trace.ndim - 1), mode)

    def _settled(self, traces: Mapping[str, Array], waiting: list[Array], samples: int) -> Array:
        """Return the step after which no population did anything more, 0 where one was not done.

        Args:
            traces: For each node that sends, ``(all steps, samples, *shape)``.
            waiting: For each tracking population, the most that a neuron had left to send,
                ``(all steps, samples)``.
            samples: Number of samples.

        Returns:
            ``(samples,)``; of a sequence, that of its slowest element.
        """
        slowest = np.full(samples, digits_end(self.graph))
        for trace in traces.values():
            slowest = np.maximum(slowest, self._last(trace).max(axis=0))
        unfinished = np.zeros(samples, bool)
        for left in waiting:
            unfinished |= self._by_element(left)[:, -1].any(axis=0)
        unfinished |= self.steps < digits_end(self.graph)
        return np.asarray(np.where(unfinished, 0, slowest))

    def _by_element(self, trace: Array) -> Array:
        """Return where a trace is not 0, ``(elements, steps, samples)``."""
        active = trace.reshape(*trace.shape[:2], -1).any(axis=2)
        return np.asarray(active.reshape(-1, self.steps, active.shape[1]))

    def _last(self, trace: Array) -> Array:
        """Return the last step with an event, at least 1, ``(elements, samples)``."""
        steps = np.arange(1, self.steps + 1)[:, None]
        return np.asarray(np.maximum((self._by_element(trace) * steps).max(axis=1), 1))
