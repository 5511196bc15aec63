"""From a model that does not spike as a whole to a network of which parts run on the host."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from ...backends import get_backend
from ...ir.errors import ModelError, SnncError, UnsupportedOperatorError
from ..api import compile_imported
from ..convert import Progress
from ..data import Delivered, Source, load_samples, synthetic_samples
from ..golden import GOLDEN_SAMPLES
from ..onnx_import.examine import examine_file, required_model
from ..onnx_import.file import read
from ..onnx_import.values import RefusalError
from ..options import Options
from ..pipeline import After
from ..versions import installed_versions
from ..wording import share_in_words
from .divide import Cutting, divide
from .host import HostPart
from .host_limits import expect_room, most_numbers
from .network import (
    PartitionedNetwork,
    SpikingPart,
    arriving,
    as_tensors,
    entering,
    input_graph,
)
from .region import Division, Region

MOST_LISTED = 8
"""Nodes that a warning lists one by one; the manifest has all of them."""

WHOLE = {TensorProto.BOOL, TensorProto.INT32, TensorProto.INT64}
WHOLE |= {TensorProto.UINT32, TensorProto.UINT64}
"""Types of inputs that are indices or masks: synthetic ones are 0 or 1, which is in every table."""


class CutWarning(UserWarning):
    """Part of a model runs on the host."""


def compile_cut(
    path: Path,
    target: str,
    options: Options,
    calibration: Source | None,
    refusal: SnncError,
    *,
    include_ann: bool = True,
    after: After | None = None,
    progress: Progress | None = None,
) -> PartitionedNetwork:
    """Compile a model in parts.

    The regions are compiled in their order, each like a model of its own. It is calibrated on what
    the regions before it give in ONNX Runtime, without spikes.

    Args:
        path: The file.
        target: Name of the target of the spiking regions.
        options: The options of their conversion.
        calibration: Training samples for the whole model.
        refusal: Why the model does not convert as a whole; raised where a cut does not help.
        include_ann: As for ``compile``.
        after: Called with the name and the result of each pass; the region's name stands before.
        progress: As for ``compile``.

    Raises:
        As ``compile``.
    """
    # Again: a model that spikes as a whole is not kept beside its graph.
    file = read(path, options.max_elements, options.input_shapes, options.fixed_inputs)
    try:
        cutting = divide(path, file, get_backend(target, options.settings_for(target)), options)
    except UnsupportedOperatorError as nothing:
        raise (nothing if isinstance(refusal, UnsupportedOperatorError) else refusal) from None
    except ModelError:
        raise refusal from None
    division = cutting.division
    if not division.host:
        raise refusal
    warnings.warn(CutWarning("\n".join(cut_warning(division))), stacklevel=3)
    given = _samples(cutting, calibration, options.seed)
    samples, origin = given.samples, given.origin
    values = entering(division, samples)
    parts: list[HostPart | SpikingPart] = []
    most = most_numbers(options.max_elements, division.batch)
    for region, model in zip(division.regions, cutting.models, strict=True):
        content = model.SerializeToString()
        if not region.spikes:
            shapes = {name: values[name].shape[1:] for name in region.inputs}
            _expect_room(model, region, shapes, most)
            host = HostPart(region, content, division.batch)
            values |= host.run(values)
            parts.append(host)
            continue
        opened = replace(file, proto=model, sha256=sha256(content).hexdigest())
        inputs = {name: values[name][:, 0].astype(np.float32) for name in region.inputs}
        network = compile_imported(
            required_model(path, examine_file(path, opened, unbatched=False)),
            f"{path.name}, region {region.name}",
            target,
            options,
            Delivered(inputs, origin),
            after=_prefixed(after, region.name),
            progress=progress,
        )
        part = SpikingPart(region, network)
        values |= as_tensors(part.session.run(arriving(part, values)), division.batch)
        parts.append(part)
    compiled = PartitionedNetwork(division, tuple(parts), {}, {})
    few = {name: x[:GOLDEN_SAMPLES] for name, x in samples.items()}
    golden, _ = compiled.on("numpy").values(few)  # as regions have theirs from the simulator
    manifest = {
        "model": {"file": path.name, "sha256": file.sha256},
        "options": options.to_json(),
        "report": _report(division, compiled),
        "versions": installed_versions(get_backend(target)),
    }
    kept = tuple(parts) if include_ann else tuple(map(_without_ann, parts))
    return PartitionedNetwork(division, kept, golden, manifest)


def _expect_room(
    model: ModelProto, region: Region, shapes: Mapping[str, tuple[int, ...]], most: int
) -> None:
    """Raise ``ModelError`` where a host region would hold too large a tensor."""
    try:
        expect_room(model, shapes, most)
    except RefusalError as refusal:
        raise ModelError(f"region {region.name}: {refusal.reason}", hint=refusal.hint) from None


def cut_warning(division: Division) -> tuple[str, str]:
    """Return what a user has to be told of a cut, and the way out."""
    entries = division.host
    first = [entry for entry in entries if not entry.follows][:MOST_LISTED]
    listed = [f"{entry.named}: {entry.reason}" for entry in first]
    more = len(entries) - len(listed)
    listed += [f"and {more} more, which `snnc inspect` lists"] * (more > 0)
    return (
        f"{len(entries)} of the model's nodes run on the host, "
        f"{share_in_words(division.spiking_share)} of its multiply-accumulates spike: "
        f"{'; '.join(listed)}",
        "see `snnc inspect` for the way round each; --require-full refuses a cut",
    )


def _samples(cutting: Cutting, source: Source | None, seed: int) -> Delivered:
    """Return samples of the whole model."""
    division = cutting.division
    graph = input_graph(division)
    if source is not None:
        origin = "file" if isinstance(source, (str, PathLike)) else "array"
        return Delivered(load_samples(source, graph, what="calibration data"), origin)
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for model in cutting.models
        for value in model.graph.input
    }
    whole = {name for name, kind in kinds.items() if kind in WHOLE}
    samples = synthetic_samples(graph, dict.fromkeys(whole, (0.0, 2.0)), seed)
    floored = {name: np.floor(x) if name in whole else x for name, x in samples.items()}
    return Delivered(floored, "synthetic")


def _report(division: Division, network: PartitionedNetwork) -> dict[str, Any]:
    """Return the report of all regions together; each region has its own beside."""
    reports = {name: each.report for name, each in network.networks.items()}
    told = dict.fromkeys(
        tuple(entry) for report in reports.values() for entry in report["warnings"]
    )
    return {
        "partition": division.to_json(),
        "cut": [f"{c.operator} ({c.node}) before output {c.output!r}" for c in division.cut],
        "warnings": [cut_warning(division), *told],
        "approximations": [
            f"{name}: {text}"
            for name, report in reports.items()
            for text in report["approximations"]
        ],
        "search": None,
    }


def _prefixed(after: After | None, region: str) -> After | None:
    """Return a callback that puts the name of a region before that of a pass."""
    if after is None:
        return None
    return lambda name, graph: after(f"{region}_{name}", graph)


def _without_ann(part: HostPart | SpikingPart) -> HostPart | SpikingPart:
    if isinstance(part, HostPart):
        return part
    artifact = replace(part.network.artifact, ann=None, original=None)
    return replace(part, network=replace(part.network, artifact=artifact))
