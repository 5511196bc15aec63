"""What a ``.nir`` file holds: nodes by name, and edges; several edges into a node mean a sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .nodes import Neuron, NirNode


@dataclass(frozen=True, kw_only=True, eq=False)
class NirNetwork:
    """A network as its file holds it.

    Attributes:
        nodes: By name, each after those it reads but for edges that go back.
        edges: Pairs of names. One to an earlier node goes back: it carries what was sent in the
            time step before.
        metadata: Texts for people and for readers that know snnc.
        version: Of the package ``nir`` whose files it is one of.
    """

    nodes: Mapping[str, NirNode]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    version: str = "1.0.8"

    @property
    def neurons(self) -> dict[str, Neuron]:
        """All populations, in order."""
        return {n: node for n, node in self.nodes.items() if isinstance(node, Neuron)}

    def sources(self, name: str) -> list[str]:
        """Return the nodes that a node reads."""
        return [source for source, reader in self.edges if reader == name]
