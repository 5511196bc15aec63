"""The artifact of a cut model: one folder, its spiking regions artifacts of their own.

::

    manifest.json              kind partitioned, the cut, options, report, hashes of all files
    golden.npz                 every tensor between regions, on a few samples
    regions/0-host/model.onnx  what the host computes
    regions/1-spiking/...      an artifact like any other, with its own manifest
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ValueInfoProto

from ...backends.artifact import (
    FORMAT,
    PARTITIONED,
    VERSION,
    check_files,
    read_manifest,
    seal_folder,
    write_folder,
)
from ...ir import Array, Input
from ...ir.errors import ArtifactError, ModelError
from ...ir.extent import MOST_ELEMENTS
from ...ir.storage import read_arrays, write_arrays
from ..network import load_whole
from ..onnx_import.file import read_extracted
from ..onnx_import.values import RefusalError
from .host import HostPart
from .host_limits import MOST_NUMBERS, expect_room, most_numbers
from .network import PartitionedNetwork, SpikingPart
from .region import Division, Region

REGIONS = "regions"
MODEL = "model.onnx"


def save(network: PartitionedNetwork, folder: Path) -> Path:
    """Write the artifact folder.

    Raises:
        ArtifactError: The folder exists and is no artifact, or cannot be written.
    """

    def write(temporary: Path) -> None:
        for part in network.parts:
            room = temporary / REGIONS / part.region.name
            if isinstance(part, HostPart):
                room.mkdir(parents=True)
                (room / MODEL).write_bytes(part.model)
            else:
                part.network.save(room)
        arrays = {str(i): array for i, array in enumerate(network.golden.values())}
        write_arrays(temporary / "golden.npz", arrays)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "kind": PARTITIONED,
            "target": network.target,
            "timesteps": network.timesteps,
            "depth_latency": network.depth_latency,
            **network.manifest,
            "partition": network.division.to_json(),
            # Names of tensors may hold anything, so entries of golden.npz are numbered.
            "golden": {"tensors": list(network.golden)},
        }
        seal_folder(temporary, manifest)

    write_folder(folder, write)
    return folder


def load(folder: Path, on: str | None = None) -> PartitionedNetwork:
    """Load a cut model.

    Args:
        folder: An artifact folder.
        on: A target for the spiking regions instead of their own.

    Raises:
        ArtifactError: No such artifact, or one that was changed.
        UnknownTargetError: No backend has that name.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest["files"], ["golden.npz"])
    try:
        division = Division.from_json(manifest["partition"])
        arrays = read_arrays(folder / "golden.npz")
        golden = {str(n): arrays[str(i)] for i, n in enumerate(manifest["golden"]["tensors"])}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"manifest.json is incomplete or damaged: {error}", hint="compile the model again"
        ) from error
    if not any(region.spikes for region in division.regions):
        raise ArtifactError("manifest.json has no spiking region", hint="compile the model again")
    for region in division.regions:
        if Path(region.name).name != region.name or region.name in ("", ".", ".."):
            raise ArtifactError(
                f"manifest.json names a region {region.name!r}, which leaves the folder",
                hint="do not use this artifact: snnc never writes such names",
            )
        file = f"{REGIONS}/{region.name}/{'manifest.json' if region.spikes else MODEL}"
        if file not in manifest["files"]:
            raise ArtifactError(
                f"manifest.json does not list {file}", hint="compile the model again"
            )
    _check_sizes(division)
    _check_wiring(division)
    allowed = manifest["options"].get("max_elements")
    most = most_numbers(allowed if isinstance(allowed, int) else MOST_ELEMENTS, division.batch)
    parts = tuple(
        _spiking_part(folder, region, on)
        if region.spikes
        else _host_part(folder, region, division.batch, golden, most)
        for region in division.regions
    )
    return PartitionedNetwork(division, parts, golden, manifest)


def _check_sizes(division: Division) -> None:
    """Raise ``ArtifactError`` where samples could not be held: each stands in a whole batch."""
    sides = [side for node in division.inputs for side in node.type.shape]
    largest = max((node.type.size for node in division.inputs), default=0)
    if division.batch < 1 or min(sides, default=0) < 0 or division.batch * largest > MOST_NUMBERS:
        raise ArtifactError(
            f"manifest.json has a batch of {division.batch} samples with {largest} numbers each",
            hint="compile the model again",
        )


def _check_wiring(division: Division) -> None:
    """Raise ``ArtifactError`` where a tensor is read that nothing before gives."""
    given = {node.name for node in division.inputs}
    read: list[str] = []
    for region in division.regions:
        read += [name for name in region.inputs if name not in given]
        given.update(region.outputs)
    read += [name for name in division.outputs.values() if name not in given]
    if read:
        raise ArtifactError(
            f"manifest.json reads the tensor {read[0]!r}, which no region before gives",
            hint="compile the model again",
        )


def _spiking_part(folder: Path, region: Region, on: str | None) -> SpikingPart:
    network = load_whole(folder / REGIONS / region.name, on=on)
    graph = network.graph
    reads = {node.name for node in graph.of_type(Input)}
    if not (reads <= {*region.inputs} and {*region.outputs} <= graph.outputs.keys()):
        raise _unfit(region)
    return SpikingPart(region, network)


def _host_part(
    folder: Path, region: Region, batch: int, golden: Mapping[str, Array], most: int
) -> HostPart:
    """Return a host region whose model was checked as one that is imported.

    ONNX Runtime gets nothing else: the file is written anew from what was read and checked.
    """
    file = f"{REGIONS}/{region.name}/{MODEL}"
    shapes = {name: golden[name].shape[1:] for name in region.inputs if name in golden}
    try:
        model = read_extracted(folder / file)
        graph = model.graph
        reads = tuple(value.name for value in graph.input)
        gives = tuple(value.name for value in graph.output)
        known = shapes.keys() == {*region.inputs} and all(map(_is_tensor, graph.input))
        if not (known and reads == region.inputs and gives == region.outputs):
            raise _unfit(region)
        expect_room(model, shapes, most)
    except ModelError as error:
        raise ArtifactError(error.problems[0].message, hint="compile the model again") from error
    except RefusalError as refusal:
        raise ArtifactError(f"{file}: {refusal.reason}", hint=refusal.hint) from None
    return HostPart(region, model.SerializeToString(), batch)


def _is_tensor(value: ValueInfoProto) -> bool:
    return bool(value.type.HasField("tensor_type"))


def _unfit(region: Region) -> ArtifactError:
    return ArtifactError(
        f"manifest.json does not fit the inputs and outputs of region {region.name}",
        hint="compile the model again",
    )
