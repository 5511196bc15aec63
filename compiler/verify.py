"""Proof that a target computes what the compiler meant: outputs and payloads, one by one.

Golden samples carry the answers that the simulator gave when the model was compiled. They are
replayed on the artifact's target and compared: for an integer network every output and every
payload must be equal, bit for bit. In a real-valued network the order of additions is the
target's own: what that may change, and how it is counted, says ``backends.comparison``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..backends.artifact import Golden, golden_answers
from ..backends.assembly import result_bytes
from ..backends.base import UNLIMITED, Progress, Result
from ..backends.comparison import (
    Answers,
    Comparison,
    Difference,
    compare,
    earliest,
    tolerance,
)
from ..backends.numpy_sim import NumpyBackend
from ..backends.resources import Resources
from ..backends.sample_blocks import sequence_length
from ..ir import Array
from ..ir import reference as ir_reference
from ..ir.bounds import is_quantized
from ..ir.errors import ArtifactError, ExecutionError
from .data import Inputs, Samples
from .network import Network

REFERENCE_SAMPLES = 16
"""Most samples that ``ir.reference``, made to be read and not to be fast, is asked for."""

BLOCK_BYTES = 1 << 33
"""Memory for what is compared at once, unless there is a limit: building a network takes time."""


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
        payloads_at_edges: Of a real-valued network, payloads that differ because the membrane
            lies within 1e-9 of an edge, so that rounding decides. They are not wrong.
        payloads_that_followed: Payloads that differ because of those.
        output_difference: Of a real-valued network, the largest difference of two outputs, or,
            in a sample with such payloads, from what the run's own payloads give.
    """

    equal: bool
    target: str
    executed_on: str
    compared_with: str
    samples: int
    outputs_compared: int
    spike_counts_compared: int
    first_difference: Difference | None
    payloads_at_edges: int = 0
    payloads_that_followed: int = 0
    output_difference: float | None = None

    def followed_by(self, other: Verification) -> Verification:
        """Return the result for these samples and those of another comparison behind them."""
        first, differences = (
            self.first_difference,
            (self.output_difference, other.output_difference),
        )
        if first is None and (later := other.first_difference) is not None:
            first = replace(later, sample=self.samples + later.sample)
        return replace(
            self,
            equal=self.equal and other.equal,
            samples=self.samples + other.samples,
            outputs_compared=self.outputs_compared + other.outputs_compared,
            spike_counts_compared=self.spike_counts_compared + other.spike_counts_compared,
            first_difference=first,
            payloads_at_edges=self.payloads_at_edges + other.payloads_at_edges,
            payloads_that_followed=self.payloads_that_followed + other.payloads_that_followed,
            output_difference=max((d for d in differences if d is not None), default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return asdict(self)


def verify(
    network: Network,
    samples: Inputs | None = None,
    *,
    executed_on: str = "",
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> Verification:
    """Run a network and compare everything it does with what it must do.

    Args:
        network: The network, on the target to be checked.
        samples: Samples to compare on instead of the golden ones. The expected values are
            then the simulator's; the simulator itself is held against ``ir.reference``, on
            at most ``REFERENCE_SAMPLES`` of them.
        executed_on: Name of the target the network was loaded for; its own by default.
        progress: Called with samples done and in all.
        resources: Memory and cores to use; samples are compared some at a time.

    Raises:
        ArtifactError: The golden data do not fit the graph.
    """
    check = _Check(network, executed_on or network.target, resources)
    if samples is None:
        return check.against(network.golden, "golden", progress)
    if check.executed_on == "numpy":
        few = {name: x[:REFERENCE_SAMPLES] for name, x in samples.items()}
        return check.against(reference_answers(network, few), "reference", progress)
    total = len(next(iter(samples.values())))
    size = check.block_size(samples)
    whole: Verification | None = None
    for begin in range(0, total, size):

        def advance(done: int, _: int, begin: int = begin) -> None:
            if progress:
                progress(begin + done, total)

        block = {name: x[begin : begin + size] for name, x in samples.items()}
        answers = simulator_answers(network, block, resources)
        found = check.against(answers, "simulator", advance)
        whole = whole.followed_by(found) if whole else found
    assert whole is not None
    return whole


@dataclass(frozen=True)
class _Check:
    """A comparison of a network with what is expected of it."""

    network: Network
    executed_on: str
    resources: Resources

    def block_size(self, samples: Inputs) -> int:
        """Return how many samples are compared at once: payloads expected, and those sent."""
        network = self.network
        each = result_bytes(network.graph, network.steps, record=True)
        left = self.resources.left()
        most = BLOCK_BYTES if left is None else min(left, BLOCK_BYTES)
        return max(1, most // (8 * each * sequence_length(network.graph, samples)))

    def against(
        self, golden: Golden, source: str, progress: Progress | None = None
    ) -> Verification:
        """Run samples and compare with the answers expected to them."""
        network = self.network
        result = network.program.run(
            golden.inputs,
            record=bool(golden.spikes),
            progress=progress,
            resources=self.resources,
        )
        found = Verification(
            equal=True,
            target=network.target,
            executed_on=self.executed_on,
            compared_with=source,
            samples=len(next(iter(golden.inputs.values()))),
            outputs_compared=sum(trace.size for trace in golden.decoded.values()),
            spike_counts_compared=sum(sent.size for sent in golden.spikes.values()),
            first_difference=None,
        )
        _check_fit(network, golden.spikes, result.spikes, {})
        _check_fit(network, golden.decoded, result.decoded, network.graph.outputs)
        wrong: Iterable[Difference]
        if is_quantized(network.graph):
            wrong = _unequal(network, golden, result)
        else:
            compared = _compared(network, golden, result)
            wrong = [*compared.wrong, *_rounded_wrongly(network, result)]
            found = replace(
                found,
                payloads_at_edges=compared.at_edges,
                payloads_that_followed=compared.followed,
                output_difference=compared.output_difference,
            )
        before = (sequence_length(network.graph, golden.inputs) - 1) * network.steps
        outputs = set(network.graph.outputs.values())
        differences = [
            replace(each, step=before + each.step) if each.node in outputs else each
            for each in wrong
        ]
        if not differences:
            return found
        order = {name: place for place, name in enumerate(network.graph.nodes)}
        first = min(differences, key=lambda d: (d.sample, d.step, order[d.node]))
        return replace(found, equal=False, first_difference=first)


def simulator_answers(
    network: Network, samples: Samples, resources: Resources = UNLIMITED
) -> Golden:
    """Return what the simulator answers to some samples."""
    program = NumpyBackend().lower(network.graph, network.timesteps)
    return golden_answers(samples, program.run(samples, record=True, resources=resources))


def reference_answers(network: Network, samples: Samples) -> Golden:
    """Return what ``ir.reference`` answers to some samples."""
    trace = ir_reference.run(network.graph, samples, network.timesteps)

    def by_sample(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array.swapaxes(0, 1) for name, array in arrays.items()}

    decoded = by_sample(trace.outputs)
    number = np.float32 if is_quantized(network.graph) else np.float64
    decoded = {name: array.astype(number) for name, array in decoded.items()}
    return Golden(samples, decoded, by_sample(trace.spikes))


def _check_fit(
    network: Network,
    expected: Mapping[str, Array],
    actual: Mapping[str, Array],
    nodes: Mapping[str, str],
) -> None:
    """Raise an error where arrays cannot be compared; ``nodes`` gives the node of an output."""
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


def _unequal(network: Network, golden: Golden, result: Result) -> Iterator[Difference]:
    """Yield the earliest difference of each array of an integer network."""
    samples = range(len(next(iter(golden.decoded.values()))))
    for name, wanted in golden.spikes.items():
        got = result.spikes[name]
        yield from earliest(samples, name, wanted != got, wanted, got)
    for key, wanted in golden.decoded.items():
        node, got = network.graph.outputs[key], result.decoded[key]
        yield from earliest(samples, node, wanted != got, wanted, got)


def _compared(network: Network, golden: Golden, result: Result) -> Comparison:
    """Compare a run of a real-valued network with what was expected."""
    expected = Answers(golden.spikes, golden.decoded)
    actual = Answers(result.spikes, result.unrounded or result.decoded)
    return compare(network.graph, golden.inputs, expected, actual)


def _rounded_wrongly(network: Network, result: Result) -> Iterator[Difference]:
    """Yield outputs that are other ones in float32 than in float64."""
    for key, wanted in result.unrounded.items():
        got = result.decoded[key]
        wrong = ~(np.abs(wanted - got) <= tolerance(wanted, got))
        yield from earliest(range(len(got)), network.graph.outputs[key], wrong, wanted, got)
