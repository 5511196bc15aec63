"""What a spike does to a membrane: NIR changed its mind, and a file keeps the meaning it had.

Up to nir 1.0.5 the equations of IF, LIF and CubaLIF said ``v - v_threshold``. From 1.0.6 on they
have a field ``v_reset`` and say ``v = v_reset``; the same library reads an old file as if it had
meant ``v = 0``. So the version in the file decides, and a warning says what was taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import Array
from ...ir.errors import Problem
from .file import NirFile
from .nodes import Neuron, NirGraph

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
    """

    choice: str
    release: tuple[int, ...]

    def subtracts(self, neuron: Neuron) -> bool:
        """Whether a spike takes the threshold off, instead of setting the membrane."""
        if self.choice != AUTO:
            return self.choice == SUBTRACT
        return neuron.v_reset is None and self.release < HARD_SINCE

    def reset_to(self, neuron: Neuron) -> Array:
        """Return the membrane after a spike that sets it."""
        return np.zeros(1) if neuron.v_reset is None else neuron.v_reset


def reset_warning(file: NirFile, graph: NirGraph, resets: Resets) -> tuple[str, str] | None:
    """Return what to tell of the resets of a network and how to choose another; None for nothing.

    Files of new versions that give ``v_reset`` are clear and need no word.
    """
    spiking = [
        node
        for node in graph.nodes.values()
        if isinstance(node, Neuron) and node.v_threshold is not None
    ]
    silent = [node for node in spiking if node.v_reset is None]
    if not spiking or (resets.choice == AUTO and not silent and file.release >= HARD_SINCE):
        return None
    taken = {resets.subtracts(node) for node in spiking}
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
        and resets.subtracts(node)
        and not (node.v_threshold > 0).all()
    ]
