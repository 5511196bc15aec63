"""One network from file to spikes, and how far its outputs are from ONNX Runtime's.

    python -m examples.benchmarks.coverage.one light light_squeezenet
    python -m examples.benchmarks.coverage.one package "qonnx: mnist-conv/model"

Prints one JSON object; ``status`` is ``compiled`` or ``refused``. ``seconds`` and ``peak_bytes``
are of import and compile: thresholds from random samples, everything else as by default. Errors are
Euclidean norms over all samples, of the difference from the values before a read-out, divided by
the norm of what is wanted; of several outputs the largest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx

import snnc
from examples.benchmarks.coverage.answer import first_line, generalised
from examples.benchmarks.coverage.light import graphs
from examples.benchmarks.coverage.original import Original
from examples.benchmarks.coverage.packages import MODELS, Model, fetch, resized
from snnc.backends import get_backend
from snnc.backends.base import UNLIMITED
from snnc.backends.onnx_runtime import AnnSession
from snnc.backends.resources import most_resident
from snnc.compiler.inspection import Inspection, inspect
from snnc.compiler.onnx_import import Unsupported, load
from snnc.compiler.onnx_import.file import read
from snnc.compiler.options import Options
from snnc.compiler.partition import PartitionedNetwork
from snnc.compiler.partition.network import inputs_of_regions
from snnc.ir import Array, Conv, Graph, Linear, reference
from snnc.ir.errors import OptionError, SnncError

TIMESTEPS = (8, 32)
CALIBRATION, SAMPLES = 32, 8
"""Random samples that thresholds are taken from, and others that outputs are compared on."""

REFERENCE = 2e9
"""Most products of a run at which the reference, which is slow, runs one sample as well."""


def light(name: str, folder: Path) -> dict[str, Any]:
    """Import and compile a well-known network with random weights, on one random image."""
    (source,) = (path for path in graphs() if path.stem == name)
    path = folder / "model.onnx"
    command = [sys.executable, "-m", "examples.benchmarks.coverage.light", str(source), str(path)]
    subprocess.run(command, check=True)  # making weights takes memory too
    graph = onnx.load(source).graph
    weights = {tensor.name for tensor in graph.initializer}
    (image,) = (value for value in graph.input if value.name not in weights)
    sizes = (size.dim_value for size in image.type.tensor_type.shape.dim[1:])
    x = np.random.default_rng(0).uniform(size=(1, *sizes))
    begin = perf_counter()
    network = snnc.compile(path, calibration=x.astype(np.float32))
    seconds = perf_counter() - begin
    peak = most_resident()
    populations = sum(len(reference.spiking_nodes(each.graph)) for each in networks_of(network))
    return {
        "status": "compiled",
        "reasons": [],
        "seconds": seconds,
        "peak_bytes": peak,
        "populations": populations,
        "host_nodes": _host_nodes(network),
        "spiking_share": _share(path),
    }


def networks_of(network: snnc.Network | PartitionedNetwork) -> list[snnc.Network]:
    """Return the spiking networks of a model: one, or those of its regions."""
    if isinstance(network, PartitionedNetwork):
        return list(network.networks.values())
    return [network]


def _host_nodes(network: snnc.Network | PartitionedNetwork) -> int:
    return len(network.division.host) if isinstance(network, PartitionedNetwork) else 0


def package(name: str, folder: Path) -> dict[str, Any]:
    """Put a model to the importer as it is, compile it at its sizes, and compare outputs."""
    (model,) = (model for model in MODELS if model.name == name)
    path = fetch(model)
    record: dict[str, Any] = {
        "name": name,
        "family": model.family,
        "sizes": {key: list(sizes) for key, sizes in model.sizes.items()},
        "as_it_is": _refusal(path),
    }
    try:
        try:
            read(path, input_shapes=model.sizes)
        except OptionError:  # the file fixes sizes, and they are too large for the reference
            path = resized(path, model.sizes, folder / "model.onnx")
        return record | _journey(path, model)
    except SnncError as error:
        return record | _refused(error, path)


def _journey(path: Path, model: Model) -> dict[str, Any]:
    begin = perf_counter()
    options: dict[str, Any] = {"code": model.code, "input_shapes": dict(model.sizes) or None}
    inspection = inspect(path, get_backend("numpy"), Options(**options))
    if inspection.unsupported:
        return _refused_entries(inspection.unsupported)
    calibration = _samples(inspection.inputs, CALIBRATION, model, 0)
    exact = model.code == "exact"  # T is what it needs then
    given: list[dict[str, Any]] = [{}] if exact else [{"timesteps": steps} for steps in TIMESTEPS]
    first = snnc.compile(path, calibration=calibration, **options, **given[0])
    seconds, peak = perf_counter() - begin, most_resident()
    others = (snnc.compile(path, calibration=calibration, **options, **more) for more in given[1:])
    record: dict[str, Any] = {
        "status": "compiled",
        "reasons": [
            f"{e.operator}: {generalised(e.reason)}" for e in inspection.host if not e.follows
        ],
        "code": model.code,
        "seconds": seconds,
        "peak_bytes": peak,
        "spiking_share": inspection.spiking_share,
        "host_nodes": len(inspection.host),
        "regions": len(networks_of(first)),
        "unbatched": inspection.unbatched,
    }
    x = _samples(inspection.inputs, SAMPLES, model, 1)
    wanted, told_by = _wanted(path, model, inspection, first, x)
    record["compared_with"] = told_by
    record["equals_reference"] = _equals_reference(first, {k: v[:1] for k, v in x.items()})
    record["errors"], record["agreement"] = {}, {}
    for network in (first, *others):
        found = {key: trace[:, -1] for key, trace in network.run(x).decoded.items()}
        record["errors"][network.timesteps] = max(_error(found[k], y) for k, y in wanted.items())
        if inspection.cut and len(wanted) == 1:  # a read-out at the end: it tells classes apart
            ((key, scores),) = wanted.items()
            record["agreement"][network.timesteps] = _agreement(found[key], scores)
    return record


def _samples(
    shapes: Mapping[str, Sequence[int]], count: int, model: Model, seed: int
) -> dict[str, Array]:
    """Return uniform random samples for each input, or the number that it takes."""
    rng = np.random.default_rng(seed)
    return {
        name: np.full((count, *shape), model.given[name])
        if name in model.given
        else rng.uniform(model.low, model.high, (count, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def _wanted(
    path: Path,
    model: Model,
    inspection: Inspection,
    network: snnc.Network | PartitionedNetwork,
    x: Mapping[str, Array],
) -> tuple[dict[str, Array], str]:
    """Return what each output is before its read-out, and who says so.

    Files with operators of their own are computed by the imported graph: ONNX Runtime does not
    know them.
    """
    cut = network.division if isinstance(network, PartitionedNetwork) else None
    graph = None if cut else load(path, input_shapes=model.sizes).graph
    named = cut.outputs if cut else graph.outputs if graph else {}
    read = {entry.output for entry in inspection.cut}
    tensors = {key: tensor if cut or key in read else key for key, tensor in named.items()}
    if inspection.unbatched:  # the graph has nodes of its own at its ends
        tensors = {key: key for key in named}
    whole = {name for name in x if inspection.unbatched or (cut and name in cut.whole)}
    try:
        original = Original(path, list(dict.fromkeys(tensors.values())), whole)
        found = original.run(x)
    except Exception as error:  # ONNX Runtime raises a dozen classes
        if graph is None:
            raise
        values = AnnSession(graph).run(x)
        return {key: values[key] for key in graph.outputs}, f"import: {first_line(error)}"
    return {key: found[name] for key, name in tensors.items()}, "ONNX Runtime"


def _equals_reference(
    network: snnc.Network | PartitionedNetwork, x: Mapping[str, Array]
) -> bool | None:
    """Whether every payload and output of a run is the reference's; None where it is too slow."""
    if isinstance(network, PartitionedNetwork):
        arrived = inputs_of_regions(network, x, UNLIMITED)
        found = [_equal(each, arrived[name]) for name, each in network.networks.items()]
        return None if None in found else all(found)
    return _equal(network, x)


def _equal(network: snnc.Network, x: Mapping[str, Array]) -> bool | None:
    graph = network.graph
    products = sum(_products(graph, node.name) for node in graph)
    if products * network.timesteps > REFERENCE:
        return None
    wanted = reference.run(graph, x, network.timesteps)
    found = network.run(dict(x), record=True)
    payloads = all(
        np.array_equal(np.moveaxis(found.spikes[name], 1, 0), spikes)
        for name, spikes in wanted.spikes.items()
    )
    outputs = all(
        np.array_equal(np.moveaxis(found.decoded[key], 1, 0), trace.astype(np.float32))
        for key, trace in wanted.outputs.items()
    )
    return payloads and outputs


def _products(graph: Graph, name: str) -> int:
    """Return the multiplications of a node for one sample and step."""
    node, size = graph[name], graph.types[name].size
    if isinstance(node, Conv):
        return size * int(np.prod(node.weight.shape[1:]))
    return node.weight.size if isinstance(node, Linear) else 0


def _error(found: Array, wanted: Array) -> float:
    difference = found.reshape(wanted.shape).astype(np.float64) - wanted
    return float(np.linalg.norm(difference) / max(float(np.linalg.norm(wanted)), 1e-30))


def _agreement(found: Array, wanted: Array) -> float:
    """Return on which share of the samples the largest output is the same."""
    answers = [scores.reshape(len(scores), -1).argmax(axis=1) for scores in (found, wanted)]
    return float(np.mean(answers[0] == answers[1]))


def _share(path: Path, code: str = "auto") -> float:
    found = inspect(path, get_backend("numpy"), Options(code=code))
    return float(found.to_json()["spiking_share"])


def _refusal(path: Path) -> list[str]:
    """Return why the importer refuses a file as it is; nothing where it takes it."""
    try:
        load(path)
    except SnncError as error:
        reasons: list[str] = _refused(error, path)["reasons"]
        return reasons
    return []


def _refused(error: SnncError, path: Path) -> dict[str, Any]:
    return _reasons(generalised(problem.message, str(path)) for problem in error.problems)


def _refused_entries(entries: Iterable[Unsupported]) -> dict[str, Any]:
    return _reasons(generalised(entry.problem.message) for entry in entries)


def _reasons(found: Iterable[str]) -> dict[str, Any]:
    """Return the reasons of a refusal, the most frequent first, with how often there are any."""
    counts = Counter(found)
    reasons = [f"{reason} ({n} times)" if n > 1 else reason for reason, n in counts.most_common()]
    return {"status": "refused", "reasons": reasons, "peak_bytes": most_resident()}


def main() -> None:
    """Measure one network and print the record."""
    what, name = sys.argv[1:]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="snnc-coverage-") as folder:
        measure = light if what == "light" else package
        try:
            record = measure(name, Path(folder))
        except SnncError as error:
            record = _refused(error, Path(folder) / "model.onnx")
    print(json.dumps(record))


if __name__ == "__main__":
    main()
