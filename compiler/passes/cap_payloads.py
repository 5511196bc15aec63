"""Gives each population a payload cap of its own; to be run before thresholds are balanced.

The cap of a population with negative events bounds these as well. Exact in itself: what a cap
costs is decided by the thresholds that follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...ir import IF, Graph


@dataclass(frozen=True)
class CapPayloads:
    """The pass.

    Attributes:
        caps: For each ANN value a population stands for, its largest payload.
    """

    caps: Mapping[str, int]

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with these caps."""
        return Graph(
            (self._capped(node) if isinstance(node, IF) else node for node in graph), graph.outputs
        )

    def _capped(self, node: IF) -> IF:
        cap = self.caps[node.represents]
        return replace(node, max_positive=cap, max_negative=cap if node.max_negative else 0)
