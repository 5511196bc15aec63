"""What a file of snnc says of itself in ``metadata/snnc``: read back, by us and by the importer.

Files come from anywhere, so nothing in it is trusted: a contract that is not as it should be is
none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ir import Array
from ...ir.errors import OptionError, Problem
from ...ir.leaky import LEAKY_RESETS
from .continuous import RULES, TimeStep
from .neurons import Meaning

KEY = "snnc"
"""The metadata entry that holds the contract, as JSON."""

FORMAT = 1
"""Version of the contract; what another one says is not known."""

READOUTS = {
    "value": "value of the step",
    "sum": "sum over the steps",
    "mean": "mean over the steps",
}
"""What an output is, in words."""

SAMPLES = {
    "state_reset": "before every sample",
    "latency": "one step crosses the whole network; edges that go back take one step",
}
"""What is said of every network: how samples follow one another, and when answers come."""

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What a document that is something else leads to."""

MOST_WAITING = 1 << 20
"""Most steps that a neuron may be refractory."""


@dataclass(frozen=True)
class OutputMeaning:
    """What is made of what an Output node receives.

    Attributes:
        kind: One of ``READOUTS``.
        offset: Added to it.
    """

    kind: str
    offset: Array


@dataclass(frozen=True)
class FileContract:
    """A contract.

    Attributes:
        step: How equations become steps.
        common: What all spiking neurons without an entry of their own mean.
        meanings: What spiking nodes mean.
        late: Edges that bring what was sent at the step before, or None where it is not said.
        outputs: By node.
    """

    step: TimeStep
    common: Meaning | None = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    late: frozenset[tuple[str, str]] | None = None
    outputs: Mapping[str, OutputMeaning] = field(default_factory=dict)

    def meaning(self, name: str) -> Meaning | None:
        """Return what a spiking node means, or None where it is not said."""
        return self.meanings.get(name, self.common)


def parsed(text: str) -> FileContract | None:
    """Return the contract that a text holds, or None where it holds none."""
    try:
        return _contract(json.loads(text))
    except (*UNREADABLE, OptionError):
        return None


def listed(differences: Iterable[Problem]) -> list[dict[str, str]]:
    """Return where NIR does not mean what a network computes as JSON."""
    return [{"what": each.message, "hint": each.hint} for each in differences]


def meaning_document(meaning: Meaning, *, v_reset: bool) -> dict[str, Any]:
    """Return what a neuron means as JSON.

    Args:
        meaning: Of the neuron.
        v_reset: Whether the file has that field, which says where a reset ends.
    """
    said: dict[str, Any] = {
        "reset": meaning.reset,
        "comparison": ">" if meaning.strict else ">=",
        "reset_delay": int(meaning.delayed),
        "refractory": meaning.refractory,
    }
    if not v_reset and meaning.reset_to.any():
        said["reset_to"] = meaning.reset_to.tolist()
    return said


def _contract(document: dict[str, Any]) -> FileContract:
    if document["format"] != FORMAT:
        raise ValueError("another version")
    neuron, late = document.get("neuron"), document.get("late")
    return FileContract(
        step=TimeStep(float(document["dt"]), str(document.get("discretisation", RULES[0]))),
        common=None if neuron is None else _common(neuron),
        meanings={str(name): _meaning(said) for name, said in document.get("neurons", {}).items()},
        late=None if late is None else frozenset((str(a), str(b)) for a, b in late),
        outputs={str(name): _output(said) for name, said in document["outputs"].items()},
    )


def _common(said: dict[str, Any]) -> Meaning:
    """Return the neuron of a converted network."""
    reset = {"subtract": "subtract", "zero": "value"}[said["reset"]]
    return _meaning({"reset": reset, "comparison": said["comparison"]})


def _meaning(said: dict[str, Any]) -> Meaning:
    reset, comparison = said["reset"], said["comparison"]
    delayed, refractory = int(said.get("reset_delay", 0)), int(said.get("refractory", 0))
    reset_to = np.asarray(said.get("reset_to", [0.0]), np.float64)
    known = reset in LEAKY_RESETS and comparison in (">", ">=") and delayed in (0, 1)
    if not known or not 0 <= refractory <= MOST_WAITING or not np.isfinite(reset_to).all():
        raise ValueError("no neuron of snnc")
    return Meaning(
        reset=reset,
        strict=comparison == ">",
        delayed=bool(delayed),
        refractory=refractory,
        reset_to=reset_to,
    )


def _output(said: dict[str, Any]) -> OutputMeaning:
    kind = {words: kind for kind, words in READOUTS.items()}[said["readout"]]
    offset = np.asarray(said.get("offset", [0.0]), np.float64)
    if not np.isfinite(offset).all():
        raise ValueError("no number")
    return OutputMeaning(kind, offset)
