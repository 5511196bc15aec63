"""The program of the target ``nir`` for trained spiking networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...ir import Array, Encoder, Feedback, Input
from ...ir.errors import ArtifactError
from ...ir.reference import step
from ..base import Result
from .file_contract import KEY, FileContract, parsed
from .from_trained import TrainedLayout
from .network import NirNetwork
from .program import NirProgram, given
from .trained_execution import execute_trained


@dataclass(frozen=True)
class TrainedNirProgram(NirProgram):
    """A trained network as a ``.nir`` file; see ``NirProgram``.

    Attributes:
        layout: What the file holds, where the nodes of the graph are in it, and what NIR cannot
            say of them.
    """

    layout: TrainedLayout = field(repr=False)

    def _payloads(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return what encoders send, ``(samples, timesteps, *shape)``."""
        found = {}
        for node in self.graph.of_type(Encoder):
            source = self.graph[node.inputs[0]]
            assert isinstance(source, Input)
            steps = (self.timesteps,) if source.stepwise else ()
            x = given(source, inputs, (*steps, *source.type.shape))
            flat = step(node, [x.reshape(-1, *source.type.shape)], {}, 1)
            if source.stepwise:
                found[node.name] = flat.reshape(x.shape)
            else:
                found[node.name] = np.repeat(flat[:, None], self.timesteps, axis=1)
        return found

    def _computed(self, network: NirNetwork, inputs: Mapping[str, Array], record: bool) -> Result:
        meant = parsed(network.metadata.get(KEY, ""))
        if meant is None:
            raise ArtifactError(
                "network.nir has no contract of snnc in its metadata", hint="compile it again"
            )
        sending = set(self.layout.sent.values())
        fed = self.encoded(inputs)
        kept = execute_trained(network, fed, self.timesteps, meant, sending=sending)
        spikes = {
            name: kept[node].astype(np.int8) for name, (node,) in self.layout.populations.items()
        }
        decoded = {key: self.read_out(key, kept, meant) for key in self.graph.outputs}
        sent = {name: x.swapaxes(0, 1) for name, x in self._payloads(inputs).items()}
        for name, node in self.layout.sent.items():
            counted = spikes.get(name, kept[node])
            sent.setdefault(name, counted.swapaxes(0, 1))
        for late in self.graph.of_type(Feedback):
            source = sent[late.source]
            sent[late.name] = np.concatenate([np.zeros_like(source[:1]), source[:-1]])
        return Result.of(
            decoded,
            self._counted(sent, spikes),
            spikes if record else {},
            unrounded=record and self._real,
        )

    def read_out(self, key: str, kept: Mapping[str, Array], meant: FileContract) -> Array:
        """Return an output after each step.

        Args:
            key: Its name.
            kept: What the nodes of the file had at each step; see ``execute_trained``.
            meant: What the file says of itself.
        """
        name = self.graph.outputs[key]
        received = kept[self.layout.outputs[key]]
        said = meant.outputs[self.layout.outputs[key]]
        shape = self.graph.types[name].shape
        if said.kind == "value":
            return received.reshape(*received.shape[:2], *shape)
        total = received.cumsum(axis=1) + said.offset
        if said.kind == "mean":
            steps = np.arange(1, self.timesteps + 1)
            total = total / steps.reshape(1, -1, *[1] * len(shape))
        return np.asarray(total)
