"""The rule by which a model is cut into regions, on nothing but the order of its nodes.

1. A node that cannot spike is a host node.
2. A node is placed as early as it can be: host nodes on even levels, spiking ones on odd levels, a
   level behind that of a node of the other kind it reads, on the level of one of its own kind.
   So no region needs a later one, and there are as few levels as any cut has: the longest
   alternation between the two kinds.
3. What is connected within a spiking level joins the host unless it has both constant weights and
   an activation: without weights there is nothing that spikes could save, and weights alone read
   numbers, so that they would multiply at each of the T steps and nothing would spike.
4. A spiking level with less than ``LEAST_SHARE`` of the model's multiplications joins the host: it
   would add T steps to the latency and two conversions between spikes and numbers. The smallest
   goes first, and the others are looked at again. Of more than ``MOST_SMALL`` such levels the
   smaller half goes at once, so that a model of ten thousand levels has its answer soon.

All nodes of a level are one region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx

LEAST_SHARE = 0.01
"""Share of the multiplications that a spiking level has at least."""

MOST_SMALL = 64
"""Levels too small to spike that go one by one."""

IDLE = "nothing would spike here: no weights and activation stand together between host nodes"
TOO_SMALL = "its region would have less than {share:.0%} of the model's multiplications"


@dataclass(frozen=True)
class Candidate:
    """A node of the model as the rule sees it.

    Attributes:
        name: The first tensor it computes.
        before: Names of the nodes it reads.
        spikes: Whether it shall spike.
        synapse: Whether it has constant weights.
        neuron: Whether it is an activation, which neurons compute.
        macs: Its multiply-accumulates for one sample.
    """

    name: str
    before: tuple[str, ...]
    spikes: bool
    synapse: bool = False
    neuron: bool = False
    macs: int = 0


def cut(nodes: Sequence[Candidate]) -> tuple[list[list[str]], dict[str, str]]:
    """Cut a model into regions.

    Args:
        nodes: Its nodes, each behind those it reads.

    Returns:
        The names of the nodes of each region, host regions on even places, spiking ones on odd
        ones, and why nodes that could spike went to the host. A region may be empty.
    """
    joined: dict[str, str] = {}
    while True:
        levels = _levels(nodes)
        moved = _idle(nodes, levels) or _smallest(nodes, levels)
        if not moved:
            break
        joined |= moved
        nodes = [replace(s, spikes=s.spikes and s.name not in moved) for s in nodes]
    regions: list[list[str]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for node in nodes:
        regions[levels[node.name]].append(node.name)
    return regions, joined


def _levels(nodes: Sequence[Candidate]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for node in nodes:
        kind = int(node.spikes)
        earliest = max((levels[name] for name in node.before), default=kind)
        levels[node.name] = earliest + (earliest % 2 != kind)
    return levels


def _idle(nodes: Sequence[Candidate], levels: Mapping[str, int]) -> dict[str, str]:
    spiking = {node.name: node for node in nodes if node.spikes}
    graph = nx.Graph()
    graph.add_nodes_from(spiking)
    for node in spiking.values():
        same = (name for name in node.before if levels[name] == levels[node.name])
        graph.add_edges_from((name, node.name) for name in same)
    return {
        name: IDLE
        for part in nx.connected_components(graph)
        if not any(spiking[name].synapse for name in part)
        or not any(spiking[name].neuron for name in part)
        for name in part
    }


def _smallest(nodes: Sequence[Candidate], levels: Mapping[str, int]) -> dict[str, str]:
    total = sum(node.macs for node in nodes)
    macs: dict[int, int] = {}
    for node in nodes:
        if node.spikes:
            macs[levels[node.name]] = macs.get(levels[node.name], 0) + node.macs
    if not macs:
        return {}
    uncounted = not total and len(macs) * LEAST_SHARE > 1
    small = sorted((m, n) for n, m in macs.items() if m < LEAST_SHARE * total or uncounted)
    if not small:
        return {}
    going = small[: len(small) // 2] if len(small) > MOST_SMALL else small[:1]
    chosen = {level for _, level in going}
    reason = TOO_SMALL.format(share=LEAST_SHARE)
    return {node.name: reason for node in nodes if node.spikes and levels[node.name] in chosen}
