"""Why each host node runs there: for a reason of its own, or because of the nodes around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from ..onnx_import import Unsupported
from ..onnx_import.naming import first_output, operator, title
from ..onnx_import.survey import Survey
from .levels import Candidate

MOST_NAMED = 2
"""Nodes at fault that a hint names on either side of a node."""

ALONE = "give it constant weights and an activation such as Relu, or leave it on the host"


def host_entries(
    found: Survey, candidates: Sequence[Candidate], joined: Mapping[str, str]
) -> Iterator[Unsupported]:
    """Yield every host node, in order, with the reason and the way round.

    Args:
        found: The nodes.
        candidates: The same, as the rule of the cut sees them.
        joined: Why nodes that could spike went to the host.
    """
    at_fault = {name for name, entry in found.unable.items() if not entry.follows}
    passing = joined.keys() | found.unable.keys() - at_fault
    around = _around(candidates, at_fault, passing)
    called = {first_output(node): f"{title(node)} ({operator(node)})" for node in found.steps}
    for node in found.steps:
        name = first_output(node)
        if name in found.unable:
            yield found.unable[name]
        elif name in joined:
            names = [called[other] for other in around[name]]
            hint = f"make {' and '.join(names)} convertible, and it may spike with its neighbours"
            yield Unsupported(
                *(operator(node), title(node), joined[name], hint if names else ALONE),
                follows=True,
            )


def _around(
    candidates: Sequence[Candidate], at_fault: set[str], passing: AbstractSet[str]
) -> dict[str, tuple[str, ...]]:
    """Return the nodes at fault next before and next behind each node, through host nodes."""
    readers: dict[str, list[str]] = {}
    for each in candidates:
        for name in each.before:
            readers.setdefault(name, []).append(each.name)
    before: dict[str, tuple[str, ...]] = {}
    behind: dict[str, tuple[str, ...]] = {}

    def nearest(names: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        reached = [
            end
            for name in names
            for end in ((name,) if name in at_fault else known[name] if name in passing else ())
        ]
        return tuple(dict.fromkeys(reached))[:MOST_NAMED]

    for each in candidates:
        before[each.name] = nearest(each.before, before)
    for each in reversed(candidates):
        behind[each.name] = nearest(readers.get(each.name, ()), behind)
    return {n: tuple(dict.fromkeys((*near, *behind[n]))) for n, near in before.items()}
