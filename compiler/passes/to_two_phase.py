"""Two-phase corrections: every sample is rehearsed, then run with corrected neurons.

``offset``: a population that ended a rehearsal with a whole threshold left, or below zero, has
sent a spike too few or too many; it starts a spike higher or lower from then on. Layers take
turns, each rehearsing with all before it corrected (Hao et al., ICLR 2023). ``residual``: a
population that ended a rehearsal with nothing left represents an ANN value of 0, and stays
silent from then on; all rehearse together (Hao et al., AAAI 2023).

The network counts all rehearsal steps as latency: ``T + rehearsal * stages``. Published
figures of both methods leave them out of T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir import IF, Graph, Integrator, MaxPool, Node, TwoPhaseIF
from ...ir.errors import ConversionError, Problem


@dataclass(frozen=True)
class ToTwoPhase:
    """The pass, for networks of binary unsigned spikes.

    Attributes:
        rule: ``offset`` or ``residual``.
        rehearsal: Steps of one rehearsal.
    """

    rule: str
    rehearsal: int

    def __call__(self, graph: Graph) -> Graph:
        """Return the network that rehearses.

        Raises:
            ConversionError: It has max pools, whose memory a rehearsal would leave behind.
        """
        pools = [
            Problem(f"{node.name}: remembers the rehearsal", "use average pooling, or another code")
            for node in graph.of_type(MaxPool)
        ]
        if pools:
            lines = "\n".join(f"  - {problem.message}" for problem in pools)
            raise ConversionError(
                f"a two-phase correction cannot express the model:\n{lines}", problems=pools
            )
        stage = self._stages(graph)
        last = max(stage.values(), default=0)  # nothing rehearses where nothing spikes
        return Graph((self._converted(node, stage, last) for node in graph), graph.outputs)

    def _stages(self, graph: Graph) -> dict[str, int]:
        """Return for each population when it looks at itself: the layers before it first."""
        depth: dict[str, int] = {}
        for node in graph:
            before = max((depth[name] for name in node.inputs), default=0)
            depth[node.name] = before + isinstance(node, IF)
        populations = [node.name for node in graph.of_type(IF)]
        return {name: depth[name] if self.rule == "offset" else 1 for name in populations}

    def _converted(self, node: Node, stage: dict[str, int], last: int) -> Node:
        if isinstance(node, Integrator):
            return replace(node, start=self.rehearsal * last + 1)
        if not isinstance(node, IF):
            return node
        return TwoPhaseIF(
            name=node.name,
            inputs=node.inputs,
            threshold=node.threshold,
            bias=node.bias,
            initial=node.initial,
            unit=node.unit,
            represents=node.represents,
            rule=self.rule,
            rehearsal=self.rehearsal,
            stage=stage[node.name],
            stages=last,
        )
