"""When the processes of a network send: their depths, and the idle steps that loops need.

Element n of a sequence passes a process of depth d in the T steps from ``d + 1 + n P`` on, where
the period P is T plus some idle steps. What ``Previous`` carries from a source of depth d has
arrived in full when element n - 1 has passed the source, at step ``d + (n - 1) P + T``. It is
delivered at the first step of element n, at a depth p: ``p + 1 + n P``. Hence

    d - p <= idle + 1        for every carried value.

Around a loop the differences of depths add up to 0. So every loop must have at most ``idle + 1``
processes that take a step for each value it carries, and the fewest idle steps are those of the
loop with the largest such ratio. A loop of one neuron and one synapse needs none: its value is
delivered while other currents of the next element are still on their way to the neuron. These
are the difference constraints of retiming (Leiserson and Saxe, 1991); the least depths that
keep them are longest paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir import Concat, Encoder, Feedback, Graph, Input, Integrator, Population
from ...ir.depth import depths, takes_a_step


@dataclass(frozen=True)
class Alignment:
    """When each node sends.

    Attributes:
        depth: For each node, the steps by which what it sends is later than the samples.
        idle: Steps between two elements in which nothing happens.
    """

    depth: Mapping[str, int]
    idle: int


def align(graph: Graph) -> Alignment:
    """Return the fewest idle steps, and with them the least depths.

    Carried values alone are delivered later than they could be, as late as nothing waits for
    them: each delay that this saves is a process less.
    """
    idle = 0
    while (earliest := _deliveries(graph, idle)) is None:
        idle += 1
    depth = depths(graph, earliest)
    latest = _latest(graph, depth)
    # Not later than the source: two elements on their way to a delivery are enough to keep.
    delivered = {name: min(latest[name], depth[s]) for name, s in graph.carried.items()}
    return Alignment(depths(graph, {**earliest, **delivered}), idle)


def closes(graph: Graph) -> bool:
    """Whether loops between time steps, if there are any, take no longer than they may.

    What comes back after a step was sent at a depth d and is needed one step later: it may go out
    at ``d - 1``, because the synapse it passes takes that step. A loop with more synapses than
    such edges would take more steps than the graph says.
    """
    return not graph.of_type(Feedback) or _deliveries(graph, 0) is not None


def _deliveries(graph: Graph, idle: int) -> dict[str, int] | None:
    """Return the least depths of all carried values, or None where a loop needs more idle steps.

    Likewise of what comes back a time step later, for which there are no idle steps.

    A longest path without a loop passes each carried value once at most, so the depths are
    found after as many rounds as there are values, unless a loop makes them grow for ever.
    """
    found = dict.fromkeys(graph.feedback, 0)
    waits = dict.fromkeys(graph.feedback, 0) | dict.fromkeys(graph.carried, idle)
    for _ in range(len(found) + 1):
        depth = depths(graph, found)
        before = found
        found = {name: max(0, depth[s] - waits[name] - 1) for name, s in graph.feedback.items()}
        if found == before:
            return found
    return None


def _latest(graph: Graph, depth: Mapping[str, int]) -> dict[str, int]:
    """Return how deep each node could be so that no neuron, join or carried source gets deeper."""
    found: dict[str, int] = {}
    fixed = (Input, Encoder, Population, Integrator, Concat)
    for node in reversed(tuple(graph)):
        name = node.name
        found[name] = depth[name]
        if not isinstance(node, fixed) and name not in graph.carried.values():
            readers = {user.name for user in graph.users[name]}
            room = [found[reader] - takes_a_step(graph, reader) for reader in readers]
            found[name] = min(room, default=depth[name])
    return found
