"""A cut model as one network: spiking networks and host regions, one after the other.

Each spiking region runs its T steps to the end, and its decoded outputs go on as real numbers:
the host computes with them and sends what it found into the next region as that one's input. So
latencies add up, and nothing spikes between two regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...backends import Result, get_backend
from ...backends.assembly import assembled
from ...backends.base import UNLIMITED, Progress
from ...backends.onnx_runtime import AnnSession
from ...backends.resources import Resources
from ...ir import Array, Graph
from ...ir.errors import ExecutionError
from ..data import Inputs, Samples, Source, open_samples
from ..network import Network
from ..source_ann import original_ann, source_ann
from .host import HostPart
from .region import Division, Region

BLOCK = 64
"""Samples that go through all regions together."""

Values = dict[str, Array]
"""For each tensor between regions ``(samples, *tensor)``, the tensor with its own batch axis."""


@dataclass(frozen=True)
class SpikingPart:
    """A spiking region and the network that computes it."""

    region: Region
    network: Network

    @cached_property
    def session(self) -> AnnSession:
        """What the network was made from."""
        return AnnSession(source_ann(self.network.artifact))

    @cached_property
    def original_session(self) -> AnnSession:
        """What that was before options changed it; itself where they did not."""
        original = original_ann(self.network.artifact)
        return self.session if original is None else AnnSession(original)


@dataclass(frozen=True)
class PartitionedNetwork:
    """A network of which parts run on the host; the interface is that of ``Network``.

    Attributes:
        division: How the model was cut.
        parts: Its regions, in order.
        golden: For every tensor between regions, and every input, its values on a few samples.
        manifest: What else the artifact says.
    """

    division: Division
    parts: tuple[HostPart | SpikingPart, ...]
    golden: Values
    manifest: Mapping[str, Any]

    def __repr__(self) -> str:
        regions = ", ".join(part.region.name for part in self.parts)
        return f"<PartitionedNetwork for {self.target}: {regions}, T = {self.timesteps}>"

    @property
    def networks(self) -> Mapping[str, Network]:
        """The spiking networks, by the name of their region."""
        return {p.region.name: p.network for p in self.parts if isinstance(p, SpikingPart)}

    @property
    def target(self) -> str:
        """Name of the target of the spiking regions."""
        return next(iter(self.networks.values())).target

    @property
    def timesteps(self) -> int:
        """T: the most steps that one region takes for a sample."""
        return max(network.timesteps for network in self.networks.values())

    @property
    def depth_latency(self) -> int:
        """Steps until the outputs are out, beyond T: those of all regions, one after the other."""
        steps = sum(n.program.latency_steps() for n in self.networks.values())
        return steps - self.timesteps

    @property
    def report(self) -> Mapping[str, Any]:
        """What the compiler did: warnings and approximations of all regions."""
        return dict(self.manifest.get("report", {}))

    def run(
        self,
        data: Source,
        *,
        record: bool = False,
        progress: Progress | None = None,
        memory: int | str | None = None,
        jobs: int | None = None,
    ) -> Result:
        """Run samples through all regions.

        Args:
            data: An ``.npz`` file, an array or a dict of arrays; batch axis first.
            record: Whether to keep every payload.
            progress: Called with samples done and in all.
            memory: As for ``Network.run``.
            jobs: As for ``Network.run``.

        Returns:
            Outputs and activity, as of a ``Network``; a trace of the outputs has only its last
            step, and a node has the name of its region in front: ``1-spiking/conv1``.

        Raises:
            As ``Network.run``.
        """
        resources = Resources.of(memory, jobs)
        samples = open_samples(data, input_graph(self.division), resources)
        results = self.stream(samples, record=record, progress=progress, resources=resources)
        return assembled(results, samples=len(next(iter(samples.values()))))

    def stream(
        self,
        samples: Inputs,
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
        timesteps: int | None = None,
    ) -> Iterator[Result]:
        """Run checked samples, and hand over the result of a block of them at a time.

        Args:
            samples: For each input, ``(samples, *shape)``.
            record: As for ``run``.
            progress: As for ``run``.
            resources: Memory and cores to use.
            timesteps: The step after which each region's outputs are taken; its last by default.

        Yields:
            Results of consecutive samples.
        """
        total = len(next(iter(samples.values())))
        for begin in range(0, total, BLOCK):
            block = {name: np.asarray(x[begin : begin + BLOCK]) for name, x in samples.items()}
            values, results = self.values(
                block, record=record, resources=resources, timesteps=timesteps
            )
            if progress:
                progress(min(begin + BLOCK, total), total)
            yield Result(
                decoded={k: v[:, None] for k, v in self.model_outputs(values).items()},
                activity=_prefixed({name: r.activity for name, r in results.items()}),
                spikes=_prefixed({name: r.spikes for name, r in results.items()}),
            )

    def values(
        self,
        samples: Samples,
        *,
        record: bool = False,
        resources: Resources = UNLIMITED,
        timesteps: int | None = None,
    ) -> tuple[Values, dict[str, Result]]:
        """Return all tensors between regions, and the result of each spiking region."""
        values = self.enter(samples)
        results: dict[str, Result] = {}
        for part in self.parts:
            if isinstance(part, HostPart):
                values |= part.run(values)
                continue
            network = part.network
            inputs = arriving(part, values)
            result = network.program.run(inputs, record=record, resources=resources)
            results[part.region.name] = result
            late = network.timesteps - min(timesteps or network.timesteps, network.timesteps)
            values |= self.leave({n: trace[:, -1 - late] for n, trace in result.decoded.items()})
        return values, results

    @property
    def has_original(self) -> bool:
        """Whether a region knows the model from before options changed it."""
        return any(network.artifact.original is not None for network in self.networks.values())

    def ann_outputs(self, samples: Samples, *, original: bool = False) -> dict[str, Array]:
        """Return the outputs of the source model: no region spikes.

        Args:
            samples: For each input, ``(samples, *shape)``.
            original: Whether of the model before options changed it.
        """
        values = self.enter(samples)
        for part in self.parts:
            if isinstance(part, HostPart):
                values |= part.run(values)
            else:
                session = part.original_session if original else part.session
                values |= self.leave(session.run(arriving(part, values)))
        return self.model_outputs(values)

    def enter(self, samples: Samples) -> Values:
        """Return samples as the tensors that the model reads."""
        return entering(self.division, samples)

    def leave(self, arrays: Mapping[str, Array]) -> Values:
        """Return what a spiking region gave as the tensors that a host reads.

        Args:
            arrays: For each tensor ``(samples, *shape)``.
        """
        return as_tensors(arrays, self.division.batch)

    def model_outputs(self, values: Values) -> dict[str, Array]:
        """Return the outputs of the model, ``(samples, *shape)``.

        Of an output with a batch axis the first row; what a host gives may have none.
        """
        found = {name: values[tensor] for name, tensor in self.division.outputs.items()}
        batch = self.division.batch
        return {n: x[:, 0] if x.ndim > 1 and x.shape[1] == batch else x for n, x in found.items()}

    def on(self, target: str) -> PartitionedNetwork:
        """Return the network with its spiking regions on another target."""
        backend = get_backend(target)
        parts = tuple(
            part
            if isinstance(part, HostPart)
            else replace(
                part,
                network=replace(
                    part.network,
                    program=backend.lower(part.network.graph, part.network.timesteps),
                ),
            )
            for part in self.parts
        )
        return replace(self, parts=parts)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the artifact folder; an artifact that is already there is replaced.

        Raises:
            ArtifactError: The folder exists and is no artifact, or cannot be written.
        """
        from .storage import save

        return save(self, Path(folder))


def input_graph(division: Division) -> Graph:
    """Return the inputs of a model, as data are checked against them."""
    return Graph(division.inputs, {node.name: node.name for node in division.inputs})


def entering(division: Division, samples: Samples) -> Values:
    """Return samples as the tensors that the model reads; what has no batch axis gets none."""
    given = {node.name: samples[node.name] for node in division.inputs}
    whole = {name: x for name, x in given.items() if name in division.whole}
    others = {name: x for name, x in given.items() if name not in division.whole}
    return as_tensors(others, division.batch) | whole


def as_tensors(arrays: Mapping[str, Array], batch: int) -> Values:
    """Return ``(samples, *shape)`` as ``(samples, batch, *shape)``, each sample ``batch`` times."""
    return {name: np.repeat(x[:, None], batch, axis=1) for name, x in arrays.items()}


def arriving(part: SpikingPart, values: Values) -> Samples:
    """Return what a spiking region reads, ``(samples, *shape)``, float32.

    Raises:
        ExecutionError: A host region gave it another shape than it had when the model was cut.
    """
    found = {}
    for name in part.region.inputs:
        shape = part.network.graph.types[name].shape
        tensor = values[name]
        if tensor.ndim < 2 or tensor.shape[2:] != shape or tensor.dtype.kind not in "fiub":
            raise ExecutionError(
                f"{name}: host regions computed {tensor.dtype} {tensor.shape[2:]} of a sample, but "
                f"region {part.region.name} reads numbers {shape}",
                hint="compile the model again; sizes must not depend on the data",
            )
        found[name] = tensor[:, 0].astype(np.float32)
    return found


def inputs_of_regions(
    network: PartitionedNetwork, samples: Inputs, resources: Resources
) -> dict[str, dict[str, Array]]:
    """Return for each spiking region what it reads, ``(samples, *shape)`` each."""
    parts = [part for part in network.parts if isinstance(part, SpikingPart)]
    found: dict[str, list[dict[str, Array]]] = {part.region.name: [] for part in parts}
    for begin in range(0, len(next(iter(samples.values()))), BLOCK):
        block = {name: np.asarray(x[begin : begin + BLOCK]) for name, x in samples.items()}
        values, _ = network.values(block, resources=resources)
        for part in parts:
            found[part.region.name].append(arriving(part, values))
    return {
        region: {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        for region, blocks in found.items()
    }


def _prefixed(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{region}/{node}": each for region, nodes in found.items() for node, each in nodes.items()
    }
