"""What readers of NIR make of a network compiled for target ``nir``, on some samples."""

from __future__ import annotations

from collections.abc import Sequence

from ..backends.nir_file.divergence import Reading, readings
from ..backends.nir_file.program import NirProgram
from ..backends.nir_file.trained_divergence import trained_readings
from ..backends.nir_file.trained_program import TrainedNirProgram
from ..ir import Array
from ..ir.errors import OptionError
from .data import Inputs
from .evaluate import check_labels, class_scores
from .explain.explain import taken_evenly
from .network import Network

SAMPLES = 256
"""Most samples that are computed for each reader."""


def read_by_others(
    network: Network, samples: Inputs, labels: Array | None = None, limit: int = SAMPLES
) -> list[Reading]:
    """Return what the network does, then what each reader makes of its file.

    Args:
        network: A network compiled for target ``nir``.
        samples: For each input, ``(samples, *shape)``.
        labels: ``(samples,)``, or None.
        limit: Most samples to compute, taken evenly.

    Raises:
        DataError: The network does not score classes, or these are no labels of them.
        MissingDependencyError: h5py is not installed.
        OptionError: The network is for another target.
    """
    program = network.program
    if not isinstance(program, NirProgram):
        raise OptionError(
            f"readers of NIR read no network for target {network.target!r}",
            hint="use --target nir",
        )
    output, classes = class_scores(network.graph)
    if labels is not None:
        check_labels(labels, output, classes)
    taken, kept = taken_evenly(samples, labels, limit)
    given = None if labels is None else kept
    if isinstance(program, TrainedNirProgram):
        return trained_readings(program, taken, given)
    return readings(program, taken, given)


def rows(found: Sequence[Reading]) -> list[tuple[str, ...]]:
    """Return the rows of a table, as many cells as it has heads."""
    return [
        (
            each.reader,
            _share(each.accuracy),
            _share(each.agreement),
            *([_share(each.unlike, digits=2)] if _counted(found) else []),
            "" if each.refused else f"{mean_rate(each):.4f}",
            "" if each.refused else _ratio(each, found[0]),
            each.refused or each.basis,
        )
        for each in found
    ]


def heads(found: Sequence[Reading]) -> tuple[str, ...]:
    """Return the heads of such a table."""
    unlike = (">other spikes",) if _counted(found) else ()
    rate = (">spikes/neuron/step", ">x snnc's")
    return ("reader", ">accuracy", ">same answer", *unlike, *rate, "basis")


def _counted(found: Sequence[Reading]) -> bool:
    """Whether spikes were compared one by one."""
    return any(each.unlike is not None for each in found)


def _share(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}%}"


def mean_rate(reading: Reading) -> float:
    """Return the mean rate of the populations, each counted once."""
    rates = list(reading.rates.values())
    return sum(rates) / len(rates) if rates else 0.0


def _ratio(reading: Reading, own: Reading) -> str:
    wanted = mean_rate(own)
    return f"{mean_rate(reading) / wanted:.2f}" if wanted else ""
