"""The estimate that a report shows: that of ``snnc estimate``, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...backends.base import Progress
from ...ir import Array, Graph
from ..cost import DEFAULT, Hardware, estimate, get_hardware
from ..data import Inputs
from ..network import Network

__all__ = ["HARDWARE", "estimated", "get_hardware"]

HARDWARE = DEFAULT
"""Whose energy per operation, unless told otherwise: the same as for ``snnc estimate``."""


def estimated(
    network: Network,
    ann: Graph | None,
    samples: Inputs,
    labels: Array | None,
    hardware: Hardware,
    progress: Progress,
) -> Mapping[str, Any]:
    """Return what ``snnc estimate --json`` prints.

    Args:
        network: The network.
        ann: Its source model, as it stands in the artifact; None where it never had one.
        samples: For each input, ``(samples, *shape)``.
        labels: ``(samples,)``, or None.
        hardware: The model of energy.
        progress: Called with samples done and in all.
    """
    return estimate(network, ann, samples, hardware, progress, labels=labels).to_json()
