"""What each reader makes of a file, beside what the network itself does: rates and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...ir import Array
from . import contract, hdf5
from .execution import Execution, execute
from .program import NirProgram
from .readers import READERS, Reader

OWN = "snnc"
"""The name of the first row: the file as its contract says."""


@dataclass(frozen=True)
class Reading:
    """What one reader makes of a file.

    Attributes:
        reader: Its name.
        version: Of what was restated.
        basis: How sure that is, in words.
        rates: For each population, mean spikes per neuron and step; of a pair both together.
        agreement: Share of samples that get the same class as from the network itself, None where
            it does not run.
        accuracy: Share of samples that get the right class, None where labels are not known.
        correction: How to make the reader do what the file means, or "".
        unlike: Share of all places for a spike where the reader has another one than the network
            itself, None where it is not counted.
        refused: Why the reader's rates are not known, or "": what of the file it does not read.
    """

    reader: str
    version: str
    basis: str
    rates: Mapping[str, float]
    agreement: float | None
    accuracy: float | None
    correction: str
    unlike: float | None = None
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def readings(
    program: NirProgram,
    samples: Mapping[str, Array],
    labels: Array | None = None,
    readers: Sequence[Reader] = READERS,
) -> list[Reading]:
    """Return what the network itself does, then what each reader makes of its file.

    Args:
        program: A network with one output.
        samples: For each input, ``(samples, *shape)``, ANN units.
        labels: ``(samples,)``, or None.
        readers: Whose rules to compute.
    """
    network = hdf5.passed_through(program.network)
    inputs = program.encoded(samples)
    own = Reader(
        name=OWN,
        version="the contract in the file",
        source="",
        rule=contract.rule(contract.contract_of(network.metadata)),
    )
    right: Array | None = None
    found = []
    for each in (own, *readers):
        run = execute(
            network, inputs, program.timesteps, each.rule, record=False, ignored=each.ignored
        )
        answers = classes(run)
        right = answers if right is None else right
        found.append(
            Reading(
                reader=each.name,
                version=each.version,
                basis="computed" if each is own else each.basis,
                rates=population_rates(program, run),
                agreement=float(np.mean(answers == right)),
                accuracy=None if labels is None else float(np.mean(answers == labels)),
                correction=each.correction,
            )
        )
    return found


def classes(run: Execution) -> Array:
    """Return the index of the largest mean output, ``(samples,)``."""
    (received,) = run.outputs.values()
    mean = received.mean(axis=1)
    return np.asarray(mean.reshape(len(mean), -1).argmax(axis=1))


def population_rates(program: NirProgram, run: Execution) -> dict[str, float]:
    """Return the rate of each population of the graph."""
    return {
        name: sum(run.rates[node] for node in nodes)
        for name, nodes in program.layout.populations.items()
    }
