"""Runs the network and everything that explains it, on the simulator, and keeps what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ...backends.chips import Chip, get_chip
from ...backends.nir_file import NirProgram
from ...backends.numpy_sim import NumpyBackend
from ...backends.sample_blocks import sequence_length
from ...ir import Array, Graph
from ...ir.errors import Problem, SnncError
from ...ir.reference import spiking_nodes
from ..convert import Progress
from ..data import Inputs, Samples
from ..evaluate import evaluate
from ..explain import explain
from ..network import Network
from ..nir_readers import read_by_others
from ..placement import Fit, fit
from ..verify import verify
from .estimation import estimated, get_hardware
from .findings import Findings
from .recording import Recording, record
from .topology import Topology, topology_of

EXPLAINED_STEPS = 1024
"""Time steps of all samples that are explained, which takes ten times as long as to run them."""

EXPLAINED = (32, 128)
"""Least and most samples that are explained."""

RECORDED = 16
"""Most samples whose payloads are kept, and on which events between cores are counted."""

PAYLOADS = 1 << 26
"""Most payloads that are kept."""

NO_LABELS = Problem("there are no labels", "give data with labels y: --data XY.npz")

Found = TypeVar("Found")


def gather(
    network: Network,
    ann: Callable[[], Graph | None],
    samples: Inputs | None = None,
    labels: Array | None = None,
    *,
    hardware: str,
    chip: str,
    progress: Progress = lambda stage, done, total: None,
) -> Findings:
    """Find out all that a report says.

    Args:
        network: The network, on its own target.
        ann: Returns the source model as it stands in the artifact; None where it never had one.
        samples: For each input, ``(samples, *shape)``; the golden ones by default.
        labels: ``(samples,)``, or None.
        hardware: Name of whose energy per operation.
        chip: Name of the chip to put the network on.
        progress: Called with the name of a stage, what is done of it and in all.

    Raises:
        OptionError: There is no such chip, or no such hardware.
    """
    place, model = get_chip(chip), get_hardware(hardware)
    looked_at = samples if samples is not None else dict(network.golden.inputs)
    total = len(next(iter(looked_at.values())))
    topology = topology_of(network.graph)
    simulated = replace(network, program=NumpyBackend().lower(network.graph, network.timesteps))

    def watch(stage: str) -> Callable[[int, int], None]:
        return partial(progress, stage)

    few = {name: rows[: min(RECORDED, total)] for name, rows in looked_at.items()}
    return Findings(
        network=network,
        source="golden" if samples is None else "data",
        samples=total,
        topology=topology,
        warnings=_warnings(network, looked_at),
        verification=verify(simulated, executed_on="numpy", progress=watch("replay")),
        evaluation=NO_LABELS
        if labels is None
        else _attempt(
            lambda: evaluate(
                *(simulated, looked_at, labels), executed_on="numpy", progress=watch("evaluate")
            )
        ),
        cost=_attempt(
            lambda: estimated(network, ann(), looked_at, labels, model, watch("estimate"))
        ),
        explanation=_attempt(
            lambda: explain(
                network, looked_at, labels, limit=_explained(network), progress=watch("explain")
            )
        ),
        recordings=_attempt(lambda: _recordings(simulated, few, topology, watch("record"))),
        readers=_attempt(lambda: read_by_others(network, looked_at, labels))
        if isinstance(network.program, NirProgram)
        else None,
        fit=_attempt(lambda: _fit(network, place, few, watch("count events"))),
    )


def _explained(network: Network) -> int:
    """Return how many samples are explained: fewer of a long run."""
    least, most = EXPLAINED
    return max(least, min(most, EXPLAINED_STEPS // network.steps))


def _attempt(find: Callable[[], Found]) -> Found | Problem:
    """Return what can be found out, or why it cannot."""
    try:
        return find()
    except SnncError as error:
        return error.problems[0]


def _warnings(network: Network, samples: Inputs) -> tuple[Problem, ...]:
    """Return what the compiler warned of, and inputs that the network was not calibrated for."""
    from ..commands.input_range import CUT_OFF_SHARE

    cut_off = (
        Problem(
            f"{name}: {share:.1%} of the input values lie beyond the range of the calibration data "
            "and are cut off",
            "scale the data as they were scaled for training, or calibrate on such data",
        )
        for name, share in network.cut_off_inputs(samples).items()
        if share > CUT_OFF_SHARE
    )
    return (*(Problem(*pair) for pair in network.report.get("warnings", ())), *cut_off)


def _fit(
    network: Network, chip: Chip, samples: Samples, progress: Callable[[int, int], None]
) -> Fit:
    return fit(network.graph, chip, timesteps=network.timesteps, samples=samples, progress=progress)


def _recordings(
    network: Network,
    samples: Samples,
    topology: Topology,
    progress: Callable[[int, int], None],
) -> Mapping[str, Recording] | Problem:
    """Run as many samples as can be kept whole."""
    neurons = sum(network.graph.types[node.name].size for node in spiking_nodes(network.graph))
    each = max(1, neurons) * network.steps * sequence_length(network.graph, samples)
    if each > PAYLOADS:
        return Problem(
            f"one sample has {each:,} payloads, more than a report keeps", "use `snnc run`"
        )
    few = {name: rows[: PAYLOADS // each] for name, rows in samples.items()}
    return record(network.program.run(few, record=True, progress=progress), topology.layers)
