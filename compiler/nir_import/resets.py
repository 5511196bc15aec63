"""What a spike does to a membrane: NIR changed its mind, and a file keeps the meaning it had.

Up to nir 1.0.5 the equations of IF, LIF and CubaLIF said ``v - v_threshold``. From 1.0.6 on they
have a field ``v_reset`` and say ``v = v_reset``; the same library reads an old file as if it had
meant ``v = 0``. So the version in the file decides, and a warning says what was taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...backends.nir_file.file_contract import FileContract
from ...backends.nir_file.neurons import Meaning
from ...backends.nir_file.nodes import Neuron
from ...ir.errors import Problem
from .file import NirFile
from .nodes import NirGraph

HARD_SINCE = (1, 0, 6)
"""The first release of nir that resets to ``v_reset``."""

AUTO, SUBTRACT, ZERO = "auto", "subtract", "zero"
RESETS = (AUTO, SUBTRACT, ZERO)
"""Choices of a user: as the file means it, always subtract, always set."""


@dataclass(frozen=True)
class Resets:
    """What spikes of a file do.

    Attributes:
        choice: One of ``RESETS``.
        release: Of the library that wrote the file, as numbers; empty where it does not say.
        contract: What a file of snnc says of itself, or None.
    """

    choice: str
    release: tuple[int, ...]
    contract: FileContract | None = None

    def meaning(self, name: str, neuron: Neuron) -> Meaning:
        """Return what a neuron does at and after a spike."""
        said = self.contract.meaning(name) if self.contract else None
        zero = np.zeros(1) if said is None else said.reset_to
        reset_to = zero if neuron.v_reset is None else neuron.v_reset
        if said is not None and self.choice == AUTO:
            return replace(said, reset_to=reset_to)
        return Meaning(
            reset="subtract" if self._subtracts(neuron) else "value",
            strict=said is None or said.strict,
            reset_to=reset_to,
        )

    def _subtracts(self, neuron: Neuron) -> bool:
        """Whether a spike takes the threshold off, where the file does not say it in words."""
        if self.choice != AUTO:
            return self.choice == SUBTRACT
        return neuron.v_reset is None and self.release < HARD_SINCE

    def says(self, name: str) -> bool:
        """Whether a file of snnc says what a neuron does, and is asked."""
        said = self.contract.meaning(name) if self.contract else None
        return said is not None and self.choice == AUTO


def reset_warning(file: NirFile, graph: NirGraph, resets: Resets) -> tuple[str, str] | None:
    """Return what to tell of the resets of a network and how to choose another; None for nothing.

    Files of new versions that give ``v_reset`` are clear and need no word.
    """
    spiking = {
        name: node
        for name, node in graph.nodes.items()
        if isinstance(node, Neuron) and node.v_threshold is not None and not resets.says(name)
    }
    silent = [node for node in spiking.values() if node.v_reset is None]
    if not spiking or (resets.choice == AUTO and not silent and file.release >= HARD_SINCE):
        return None
    taken = {resets.meaning(name, node).reset == "subtract" for name, node in spiking.items()}
    words = " or ".join(
        text
        for chosen, text in ((True, "subtract the threshold"), (False, "set the membrane"))
        if chosen in taken
    )
    by = f"nir {file.version}" if file.version else "no version"
    if resets.choice != AUTO:
        why = f"--reset {resets.choice}, whatever the file means ({by})"
    elif silent and file.release < HARD_SINCE:
        why = f"{by} is before 1.0.6, and there is no v_reset"
    elif silent:
        why = f"{by} means v_reset = 0 where there is none"
    else:
        why = f"there is a v_reset, though {by} is before 1.0.6"
    return f"spikes {words}: {why}", "choose with --reset subtract or --reset zero"


def meaningless(graph: NirGraph, resets: Resets) -> list[Problem]:
    """Return the neurons whose spikes subtract a threshold that is not above 0."""
    return [
        Problem(
            f"{name}: a spike subtracts the threshold, which is {node.v_threshold.min():g}",
            "use --reset zero, or a threshold above 0",
        )
        for name, node in graph.nodes.items()
        if isinstance(node, Neuron)
        and node.v_threshold is not None
        and resets.meaning(name, node).reset == "subtract"
        and not (node.v_threshold > 0).all()
    ]
