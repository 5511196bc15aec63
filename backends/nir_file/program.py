"""The program of the target ``nir``: a file, and a run of what stands in it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ...ir import Array, Conv, Encoder, Input, Integrator, Linear, Signal
from ...ir.errors import DataError, Problem
from ...ir.reference import step
from ..assembly import result_bytes
from ..base import Activity, Result
from ..block_program import BlockProgram, Request
from ..counting import activity, fan_out
from ..readouts import decoded_by_step, readout
from ..sample_blocks import block_size, one_by_one
from . import contract, hdf5
from .execution import execute
from .from_graph import Layout
from .network import NirNetwork

FILE = "network.nir"

BLOCK_BYTES = 1 << 27
"""Memory for the results of the samples that are computed at once, unless there is a limit."""

GRID = 1e-6
"""Sums of an integer network's outputs are as near as this to whole numbers, or are wrong."""


@dataclass(frozen=True)
class NirProgram(BlockProgram):
    """A network as a ``.nir`` file; see ``backends.base.Program``.

    A run writes the file into memory, reads it back, and computes the equations of its nodes with
    the neuron that the contract in its metadata describes. No other package than h5py is used.

    Attributes:
        layout: What the file holds, and where the nodes of the graph are in it.
        differences: Where NIR does not mean what the network computes.
    """

    layout: Layout = field(repr=False)
    differences: tuple[Problem, ...] = ()

    @property
    def network(self) -> NirNetwork:
        """What the file holds."""
        return self.layout.network

    def save(self, folder: Path) -> None:
        """Write the file."""
        hdf5.save(self.network, folder / FILE)

    def _results(self, asked: Request) -> Iterator[Result]:
        network = hdf5.passed_through(self.network)
        each = 8 * result_bytes(self.graph, self.timesteps, record=True)
        size = block_size(each, BLOCK_BYTES, asked.resources)
        compute = partial(self._computed, network, record=asked.record)
        yield from one_by_one(asked.inputs, size, compute, asked.progress)

    def encoded(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the file is fed, float64.

        Args:
            inputs: Samples, by name.

        Returns:
            For each input of the file ``(samples, *shape)``, of a trained network ``(samples,
            timesteps, *shape)``.
        """
        payloads = self._payloads(inputs)
        return {
            self.layout.inputs[node.name]: payloads[node.name] * (node.scale or 1.0)
            for node in self.graph.of_type(Encoder)
        }

    def _payloads(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = {}
        for node in self.graph.of_type(Encoder):
            source = self.graph[node.inputs[0]]
            assert isinstance(source, Input)
            x = given(source, inputs, source.type.shape)
            found[node.name] = step(node, [x], {}, 1)
        return found

    def _computed(self, network: NirNetwork, inputs: Mapping[str, Array], record: bool) -> Result:
        meant = contract.contract_of(network.metadata)
        run = execute(network, self.encoded(inputs), self.timesteps, contract.rule(meant))
        spikes: dict[str, Array] = {}
        for name, nodes in self.layout.populations.items():
            sent = [run.spikes[node].astype(np.int8) for node in nodes]
            spikes[name] = sent[0] - sent[1] if len(sent) > 1 else sent[0]
        decoded = {
            key: self._decoded(name, run.outputs) for key, name in self.graph.outputs.items()
        }
        return Result.of(
            decoded,
            self._activity(self._payloads(inputs), spikes),
            spikes if record else {},
            unrounded=record and self._real,
        )

    def _decoded(self, name: str, outputs: Mapping[str, Array]) -> Array:
        """Return an output after each step; the sums of an integer network are whole numbers."""
        node = self.graph[readout(self.graph, name)]
        assert isinstance(node, Integrator)
        total = outputs[self.layout.outputs[node.name]].cumsum(axis=1) / node.scale
        if not self._real:
            whole = np.rint(total)
            total = np.where(np.abs(total - whole) < GRID, whole, total)
        return decoded_by_step(self.graph, name, total)

    @cached_property
    def _reach(self) -> dict[str, Array]:
        synapses = self.graph.of_type(Conv) + self.graph.of_type(Linear)
        return {node.name: fan_out(self.graph, node.name) for node in synapses}

    def _activity(
        self, payloads: Mapping[str, Array], spikes: Mapping[str, Array]
    ) -> dict[str, Activity]:
        """Return what each population sent, and what each synapse received."""
        sent = {name: array.swapaxes(0, 1) for name, array in spikes.items()}
        for name, payload in payloads.items():
            sent[name] = np.broadcast_to(payload, (self.timesteps, *payload.shape))
        return self._counted(sent, spikes)

    def _counted(self, sent: dict[str, Array], populations: Container[str]) -> dict[str, Activity]:
        """Return what populations sent, and what synapses received.

        Args:
            sent: Of each source, what it sent, ``(timesteps, samples, *shape)``; views are added.
            populations: Nodes that are counted themselves.
        """
        done: dict[str, Activity] = {}
        for node in self.graph:
            if self.graph.types[node.name].signal is not Signal.SPIKES:
                continue
            if node.name not in sent:  # a view of other edges, or several joined
                read = [sent[name] for name in node.inputs]
                flat = [x.reshape(-1, *x.shape[2:]) for x in read]
                moved = step(node, flat, {}, 1)
                sent[node.name] = moved.reshape(*read[0].shape[:2], *moved.shape[1:])
            readers = [user for user in self.graph.users[node.name] if user.name in self._reach]
            reaches = [self._reach[user.name] for user in readers]
            own, *felt = activity(sent[node.name], reaches)
            if node.name in populations:
                done[node.name] = own
            done |= {user.name: each for user, each in zip(readers, felt, strict=True)}
        return done


def given(source: Input, inputs: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """Return the samples of an input, float64, ``(samples, *shape)``.

    Raises:
        DataError: There are none, or they have another shape.
    """
    if source.name not in inputs:
        raise DataError(
            f"{source.name}: there is no such array among the inputs",
            hint=f"name the samples {source.name!r}",
        )
    x = np.asarray(inputs[source.name], np.float64)
    if x.shape[1:] != shape:
        raise DataError(
            f"{source.name}: has samples of shape {x.shape[1:]} but needs {shape}",
            hint="give samples of that shape, with the axis of samples in front",
        )
    return x
