"""Is the spiking network of an exact artifact equal to the quantised model it was made from?

The model is imported afresh and computed in integers. Then for every sample the sum of what each
neuron sent has to be the integer that the quantised model has there, and the decoded outputs have
to be equal, as float32, to the bit. Nothing is taken from the artifact but the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.base import UNLIMITED, Progress, Result
from ..backends.resources import Resources
from ..ir import Array, Encoder, Graph, Node, TrackingIF
from ..ir.errors import ArtifactError, OptionError
from ..ir.quantized import Requantize
from ..ir.reference import spiking_nodes, step
from .changed_ann import changed_by
from .data import Inputs
from .float_rounding import Comparison, Runtime
from .integer_ann import IntegerANN
from .network import Network

Observe = Callable[[Mapping[str, Array], Result], None]
"""Called with the values of the quantised model and the result of a run."""

PAYLOADS = 1 << 28
"""Most payloads that are kept at a time; those after the network has settled are never touched."""


@dataclass(frozen=True)
class ModelDifference:
    """The first value that is not the quantised model's: first in the order of the graph.

    Attributes:
        sample: Its number, counted from 0.
        node: The population, max pool, encoder or readout.
        channel: The channel, counted from 0.
        index: Place within the node, channel first.
        expected: The integer of the quantised model; of an output, the output.
        actual: The sum of the payloads; of an output, the output.
        reason: What went wrong.
    """

    sample: int
    node: str
    channel: int
    index: tuple[int, ...]
    expected: float
    actual: float
    reason: str


@dataclass(frozen=True)
class ModelVerification:
    """What the comparison found.

    Attributes:
        equal: Whether every neuron and every output agrees.
        target: The artifact's target.
        executed_on: The target that ran.
        compared_with: ``model``.
        samples: Number of samples.
        outputs_compared: Number of outputs compared.
        values_compared: Number of neurons' values compared, over all samples.
        first_difference: The first in the order of the graph, then by sample; None where all is
            equal.
        onnxruntime: How ONNX Runtime's floating-point run of the model differs from it.
    """

    equal: bool
    target: str
    executed_on: str
    compared_with: str
    samples: int
    outputs_compared: int
    values_compared: int
    first_difference: ModelDifference | None
    onnxruntime: Comparison | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        document = asdict(replace(self, onnxruntime=None))
        document["onnxruntime"] = self.onnxruntime.to_json() if self.onnxruntime else None
        return document


def verify_model(
    network: Network,
    model: str | PathLike[str],
    samples: Inputs,
    *,
    executed_on: str = "",
    onnxruntime: bool = True,
    observe: Observe | None = None,
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> ModelVerification:
    """Compare an exact network with the quantised model on some samples.

    Args:
        network: The network, on the target to be checked.
        model: The ONNX file it was made from.
        samples: For each input, ``(samples, *shape)``.
        executed_on: Name of the target the network was loaded for; its own by default.
        onnxruntime: Whether to compare the integers with ONNX Runtime too.
        observe: Called with what the model computes and what the network did, for some samples
            at a time, in order.
        progress: Called with samples done and in all.
        resources: Memory and cores to use; samples are compared some at a time.

    Raises:
        OptionError: The artifact does not claim to be equal to the file.
        ArtifactError: The artifact was made from another model.
    """
    check_claim(network)
    check_model(network, model)
    options = network.artifact.manifest["options"]
    fixed = options.get("fixed_inputs")
    ann = IntegerANN(integer_graph(model, options.get("input_shapes"), fixed))
    runtime = Runtime(Path(model), ann, fixed) if onnxruntime else None
    count = len(next(iter(samples.values())))
    found: list[ModelDifference] = []
    outputs = values = 0
    size = _block_size(network, resources)
    for begin in range(0, count, size):
        block = {name: x[begin : begin + size] for name, x in samples.items()}
        expected = ann.evaluate(block)
        result = network.program.run(block, record=True, resources=resources)
        found += (
            replace(difference, sample=difference.sample + begin)
            for difference in differences(network, ann.graph, block, expected, result)
        )
        if observe:
            observe(expected, result)
        outputs += sum(trace[:, -1].size for trace in result.decoded.values())
        values += sum(sent[:, -1].size for sent in result.spikes.values())
        if runtime:
            runtime.compare(block, expected)
        if progress:
            progress(min(begin + size, count), count)
    order = {name: place for place, name in enumerate(network.graph.nodes)}
    return ModelVerification(
        equal=not found,
        target=network.target,
        executed_on=executed_on or network.target,
        compared_with="model",
        samples=count,
        outputs_compared=outputs,
        values_compared=values,
        first_difference=min(found, key=lambda d: (order[d.node], d.sample), default=None),
        onnxruntime=runtime.result() if runtime else None,
    )


def claims_equality(network: Network) -> bool:
    """Whether an artifact claims to be equal to the file it was made from."""
    options = network.artifact.manifest["options"]
    return bool(options["code"] == "exact" and not changed_by(network.artifact.manifest))


def check_claim(network: Network) -> None:
    """Raise ``OptionError`` where an artifact does not claim to be equal to its model's file."""
    options = network.artifact.manifest["options"]
    if options["code"] != "exact":
        raise OptionError(
            f"the artifact has the code {options['code']}, which approximates the model and is "
            "not equal to it",
            hint="leave out --data to check the golden samples, leave out --model to check the "
            "target on yours, or compile with --code exact",
        )
    if changed := changed_by(network.artifact.manifest):
        raise OptionError(
            f"the artifact was compiled with {changed}: it is equal to what was quantised then, "
            "not to the file",
            hint="quantise the file first, compile the quantised file, and verify that",
        )


def check_model(network: Network, model: str | PathLike[str]) -> None:
    """Raise ``ArtifactError`` where the artifact was made from another model."""
    check_hash(network.artifact.manifest, model)


def check_hash(manifest: Mapping[str, Any], model: str | PathLike[str]) -> None:
    """Raise ``ArtifactError`` where a manifest is that of another model."""
    from .nir_import import file as nir
    from .onnx_import.file import read

    path = Path(model)
    found = nir.read(path) if nir.is_nir(path) else read(path)
    actual, recorded = found.sha256, manifest["model"]["sha256"]
    if actual != recorded:
        raise ArtifactError(
            f"{model}: has the hash {actual}, but the artifact was compiled from {recorded}",
            hint=f"give the model it was made from, or compile {model} again",
        )


def integer_graph(
    model: str | PathLike[str],
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    fixed_inputs: Mapping[str, Sequence[float]] | None = None,
) -> Graph:
    """Return the quantised ANN of an ONNX file in integers."""
    from .onnx_import import load
    from .passes.to_integer import ToInteger
    from .pipeline import SIMPLIFY, run_passes

    imported = load(model, input_shapes=input_shapes, fixed_inputs=fixed_inputs)
    return run_passes(imported.graph, (*SIMPLIFY, ToInteger()))


def _block_size(network: Network, resources: Resources) -> int:
    neurons = sum(network.graph.types[n.name].size for n in spiking_nodes(network.graph))
    left = resources.left()
    payloads = PAYLOADS if left is None else min(left // 4, PAYLOADS)
    return int(max(1, payloads // (network.steps * max(1, neurons))))


def differences(
    network: Network,
    ann: Graph,
    samples: Inputs,
    expected: Mapping[str, Array],
    result: Result,
) -> Iterator[ModelDifference]:
    """Yield the first difference of each node.

    Args:
        network: What ran.
        ann: The quantised ANN.
        samples: What it ran on.
        expected: The values of the quantised ANN.
        result: What the network did, payloads included.
    """
    outputs = {name: key for key, name in network.graph.outputs.items()}
    settled = result.settled
    moved = settled.max() if settled is not None and settled.all() else network.steps
    for node in network.graph:
        if isinstance(node, Encoder):
            arguments = [np.asarray(samples[name][:], np.float64) for name in node.inputs]
            actual = step(node, arguments, {}, 1)
        elif node.name in result.spikes:
            sent = result.spikes[node.name]
            # Of a sequence, the payloads of the last element are the last ones.
            single = sent.shape[1] == network.steps
            sent = sent[:, :moved] if single else sent[:, -network.steps :]
            actual = sent.sum(axis=1, dtype=np.int64)
        elif node.name in outputs:
            actual = result.decoded[outputs[node.name]][:, -1]
        else:
            continue
        if node.name not in expected:
            raise ArtifactError(
                f"{node.name}: the quantised model has no value of this name",
                hint="compile the model again",
            )
        wanted = expected[node.name].astype(actual.dtype)
        unequal = wanted != actual
        if unequal.any():
            place = np.unravel_index(int(unequal.argmax()), unequal.shape)
            sample, *index = map(int, place)
            last = result.spikes[node.name][place[0], -1] if node.name in result.spikes else None
            moving = last is not None and bool(last[tuple(index)] != 0)
            values = wanted[place].item(), actual[place].item()
            yield ModelDifference(
                sample, node.name, index[0] if index else 0, tuple(index), *values,
                _reason(node, ann[node.name], *values, moving=moving),
            )  # fmt: skip


def _reason(node: Node, ann: Node, expected: float, actual: float, *, moving: bool) -> str:
    """Return why a node that read the right values has a wrong one.

    Args:
        node: The node of the network.
        ann: The node of the quantised ANN.
        expected: The right value.
        actual: The value.
        moving: Whether it sent something at the last step.
    """
    if isinstance(node, Encoder):
        return "the input is quantised otherwise than the model does"
    if not isinstance(node, TrackingIF):
        return f"{type(node).__name__} did not arrive at the model's value"
    assert isinstance(ann, Requantize)
    if not node.low <= actual <= node.high:
        return f"the target let it leave its bounds {node.low} to {node.high}"
    if moving:
        return "not settled: it still sent at the last step; compile with more --timesteps"
    if actual > expected and not node.max_negative:
        return "it sent too much and cannot take it back: it sends no negative payloads"
    altered = [key for key in PARAMETERS if not _same(getattr(node, key), getattr(ann, key))]
    if altered:
        return f"its {', '.join(altered)} differ from the model's"
    return "the target computes this neuron otherwise, or has not settled"


PARAMETERS = ("low", "high", "rounding", "edges", "threshold", "bias", "multiplier")
"""What a tracking neuron shares with the quantiser it stands for."""


def _same(one: Any, other: Any) -> bool:
    return bool(one is other or np.array_equal(one, other))
