"""Outputs without threshold: integrators at the end of a network, and sums of what they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .dynamics import Source, step_of
from .polynomial import Polynomial, close
from .refusal import NotRecognisedError
from .structure import Structure


@dataclass(frozen=True, eq=False)
class Integration:
    """Leaky integrators, as ``ir.LI`` and ``ir.CubaLI``; arrays with the batch axis in front.

    Attributes:
        decay: What is left of the membrane after a step; 1 for a plain sum.
        current_decay: What is left of the synaptic current; None where there is none.
        sources: The currents.
        step: The step that the sources were taken from.
    """

    decay: Array
    current_decay: Array | None
    sources: tuple[Source, ...]
    step: int


def integration_of(
    values: Sequence[Polynomial], structure: Structure, last: int | None = None
) -> Integration:
    """Return the integrator whose membrane a value is.

    Args:
        values: The membranes of all steps, or that of the last one alone.
        structure: How currents are made.
        last: The number of the last step, where it is given alone.

    Raises:
        NotRecognisedError: There is none.
    """
    number = last or len(values)
    step = step_of(values[-1], None, number, structure)
    if np.any(step.fixed):
        raise NotRecognisedError("a constant is added")
    sources, responses = [], []
    for key in dict.fromkeys(key for key, _ in step.currents):
        lags = sorted(lag for other, lag in step.currents if other == key and lag is not None)
        if not lags:
            raise NotRecognisedError("it integrates an input without neurons between")
        if lags != list(range(lags[0], lags[0] + len(lags))):
            raise NotRecognisedError("it weighs steps in no order that is known")
        response = [step.currents[key, lag][0] for lag in lags]
        sources.append(Source(key, step.currents[key, lags[0]][1], lags[0], response[0]))
        responses.append((response, number - lags[0]))
    if not sources:
        raise NotRecognisedError("it does not depend on the network")
    decay, current_decay = _decays(responses)
    return Integration(decay, current_decay, tuple(sources), number)


def _decays(responses: Sequence[tuple[Sequence[Array], int]]) -> tuple[Array, Array | None]:
    """Return the decays of membrane and current from the answers to single currents."""
    found: tuple[Array, Array | None] | None = None
    for response, possible in responses:
        if len(response) == 1:
            each: tuple[Array, Array | None] = (np.zeros(()), None)
            if possible <= 1:
                continue
        else:
            each = _two_decays(response)
        if found is not None and not all(
            a is b or (a is not None and b is not None and close(a, b))
            for a, b in zip(found, each, strict=True)
        ):
            raise NotRecognisedError("its currents decay differently")
        found = each
    return found or (np.zeros(()), None)


def _two_decays(response: Sequence[Array]) -> tuple[Array, Array | None]:
    """Return the decays of a response of one exponential or two.

    Through two leaky stages in a row a pulse leaves ``h(n) = sum of a**j c**(n - j)``: with
    ``h(0) = 1``, ``a + c = h(1)`` and ``a c = h(1)**2 - h(2)``.
    """
    if not np.all(response[0]):
        raise NotRecognisedError("a current has no effect at first")
    h = [each / response[0] for each in response]
    if _falls(h, h[1], np.zeros(())):
        return h[1], None
    total, product = h[1], h[1] ** 2 - h[2]
    root = np.sqrt(np.maximum(total**2 / 4 - product, 0))
    slow, fast = total / 2 + root, total / 2 - root
    if not _falls(h, slow, fast):
        raise NotRecognisedError("it weighs steps in no order that is known")
    return slow, fast


def _falls(h: Sequence[Array], slow: Array, fast: Array) -> bool:
    membrane = current = np.ones(())
    for each in h:
        if np.max(np.abs(each - membrane)) > 1e-5:
            return False
        current = fast * current
        membrane = slow * membrane + current
    return True
