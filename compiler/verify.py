"""Proof that a target computes what the compiler meant: outputs and payloads, one by one.

Golden samples carry the answers that the simulator gave when the model was compiled. They are
replayed on the artifact's target and compared: for an integer network every output and every
payload must be equal, bit for bit. In a real-valued network payloads must be equal too, while
outputs may differ by ``REAL_TOLERANCE``: the order of additions is the target's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..backends.artifact import Golden
from ..backends.base import Progress
from ..backends.numpy_sim import NumpyBackend
from ..ir import Array
from ..ir import reference as ir_reference
from ..ir.bounds import is_quantized
from ..ir.errors import ArtifactError, ExecutionError
from ..ir.types import is_integer
from .data import Samples, sequence_length
from .network import Network

REAL_TOLERANCE = 1e-6
"""Relative to the largest expected output of a sample's step: outputs are read as float32,
whose rounding is 6e-8, and sums of some thousand products lose another digit."""

REFERENCE_SAMPLES = 16
"""Most samples that ``ir.reference``, made to be read and not to be fast, is asked for."""


@dataclass(frozen=True)
class Difference:
    """The earliest value that is not the expected one.

    Attributes:
        sample: Its number, counted from 0.
        node: The node: a population, a max pool, or the integrator of an output.
        index: Place within the node, counted from 0, channels first.
        step: The time step, counted from 1, in a sequence through all its elements.
        expected: The right payload or decoded output.
        actual: What the target computed.
    """

    sample: int
    node: str
    index: tuple[int, ...]
    step: int
    expected: float
    actual: float


@dataclass(frozen=True)
class Verification:
    """What a comparison found.

    Attributes:
        equal: Whether everything agrees.
        target: The artifact's target.
        executed_on: The target that ran.
        compared_with: Where the expected values are from: ``golden``, ``simulator`` or
            ``reference``.
        samples: Number of samples.
        outputs_compared: Number of decoded values compared, over all time steps.
        spike_counts_compared: Number of payloads compared: each is what one neuron sent in
            one time step, zeros included.
        first_difference: The earliest step of the first wrong sample, and there the first
            node in the order of the graph; None where all is equal.
    """

    equal: bool
    target: str
    executed_on: str
    compared_with: str
    samples: int
    outputs_compared: int
    spike_counts_compared: int
    first_difference: Difference | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return asdict(self)


def verify(
    network: Network,
    samples: Samples | None = None,
    *,
    executed_on: str = "",
    progress: Progress | None = None,
) -> Verification:
    """Run a network and compare everything it does with what it must do.

    Args:
        network: The network, on the target to be checked.
        samples: Samples to compare on instead of the golden ones. The expected values are
            then the simulator's; the simulator itself is held against ``ir.reference``, on
            at most ``REFERENCE_SAMPLES`` of them.
        executed_on: Name of the target the network was loaded for; its own by default.
        progress: Called with samples done and in all.

    Raises:
        ArtifactError: The golden data do not fit the graph.
    """
    executed_on = executed_on or network.target
    if samples is None:
        golden, source = network.golden, "golden"
    elif executed_on == "numpy":
        few = {name: x[:REFERENCE_SAMPLES] for name, x in samples.items()}
        golden, source = reference_answers(network, few), "reference"
    else:
        golden, source = simulator_answers(network, samples), "simulator"
    result = network.run(dict(golden.inputs), record=bool(golden.spikes), progress=progress)
    found = Verification(
        equal=True,
        target=network.target,
        executed_on=executed_on,
        compared_with=source,
        samples=len(next(iter(golden.inputs.values()))),
        outputs_compared=sum(trace.size for trace in golden.decoded.values()),
        spike_counts_compared=sum(sent.size for sent in golden.spikes.values()),
        first_difference=None,
    )
    before = (sequence_length(network.graph, golden.inputs) - 1) * network.steps
    read_out = _differences(network, golden.decoded, result.decoded, network.graph.outputs)
    differences = [
        *_differences(network, golden.spikes, result.spikes, {}),
        *(replace(difference, step=before + difference.step) for difference in read_out),
    ]
    if not differences:
        return found
    order = {name: place for place, name in enumerate(network.graph.nodes)}
    first = min(differences, key=lambda d: (d.sample, d.step, order[d.node]))
    return replace(found, equal=False, first_difference=first)


def simulator_answers(network: Network, samples: Samples) -> Golden:
    """Return what the simulator answers to some samples."""
    program = NumpyBackend().lower(network.graph, network.timesteps)
    result = program.run(samples, record=True)
    return Golden(samples, result.decoded, result.spikes)


def reference_answers(network: Network, samples: Samples) -> Golden:
    """Return what ``ir.reference`` answers to some samples."""
    trace = ir_reference.run(network.graph, samples, network.timesteps)

    def by_sample(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array.swapaxes(0, 1) for name, array in arrays.items()}

    decoded = {name: array.astype(np.float32) for name, array in by_sample(trace.outputs).items()}
    return Golden(samples, decoded, by_sample(trace.spikes))


def _differences(
    network: Network,
    expected: Mapping[str, Array],
    actual: Mapping[str, Array],
    nodes: Mapping[str, str],
) -> Iterator[Difference]:
    """Yield the earliest difference of each array; ``nodes`` gives the node of an output."""
    integer = is_quantized(network.graph)
    for key, wanted in expected.items():
        node = nodes.get(key, key)
        if node not in network.graph.nodes:
            raise ArtifactError(
                f"golden.npz has values of {node!r}, which is no node of the graph",
                hint="compile the model again",
            )
        if key not in actual:
            raise ExecutionError(
                f"{node}: the target did not record what it computed", hint="report this as a bug"
            )
        if wanted.shape != actual[key].shape:
            raise ArtifactError(
                f"{node}: golden.npz holds {wanted.shape} but the network gives "
                f"{actual[key].shape}",
                hint="compile the model again",
            )
        # Real payloads exist too: those of a max pool on an input that was not quantised.
        unequal = _unequal(wanted, actual[key], exact=integer or is_integer(wanted))
        # The axes are (samples, steps, *shape), so row-major order is sample, step, place.
        if unequal.any():
            place = np.unravel_index(int(unequal.argmax()), unequal.shape)
            sample, step, *index = map(int, place)
            yield Difference(
                sample,
                node,
                tuple(index),
                step + 1,
                wanted[place].item(),
                actual[key][place].item(),
            )


def _unequal(expected: Array, actual: Array, *, exact: bool) -> Array:
    if exact:
        return np.asarray(expected != actual)
    axes = tuple(range(2, expected.ndim))
    scale = np.abs(expected).max(axis=axes, keepdims=True, initial=0.0)
    return np.asarray(~(np.abs(expected - actual) <= REAL_TOLERANCE * scale))
