"""The artifact of a cut model: one folder, its spiking regions artifacts of their own.

::

    manifest.json              kind partitioned, the cut, options, report, hashes of all files
    golden.npz                 every tensor between regions, on a few samples
    regions/0-host/model.onnx  what the host computes
    regions/1-spiking/...      an artifact like any other, with its own manifest
"""

from __future__ import annotations

from pathlib import Path

from ...backends.artifact import (
    FORMAT,
    PARTITIONED,
    VERSION,
    check_files,
    read_manifest,
    seal_folder,
    write_folder,
)
from ...ir.errors import ArtifactError
from ...ir.storage import read_arrays, write_arrays
from ..network import load_whole
from .host import HostPart
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
    parts = tuple(_part(folder, region, division.batch, on) for region in division.regions)
    return PartitionedNetwork(division, parts, golden, manifest)


def _part(folder: Path, region: Region, batch: int, on: str | None) -> HostPart | SpikingPart:
    room = folder / REGIONS / region.name
    if region.spikes:
        return SpikingPart(region, load_whole(room, on=on))
    return HostPart(region, (room / MODEL).read_bytes(), batch)
