"""The rule of the cut, on graphs that are drawn by hand and at random."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from snnc.compiler.partition.levels import IDLE, LEAST_SHARE, Candidate, cut


def spiking(name: str, *before: str, macs: int = 100) -> Candidate:
    return Candidate(name, before, spikes=True, synapse=True, neuron=True, macs=macs)


def host(name: str, *before: str, macs: int = 0) -> Candidate:
    return Candidate(name, before, spikes=False, macs=macs)


def test_a_host_node_in_the_middle_cuts_in_three() -> None:
    steps = [spiking("a"), spiking("b", "a"), host("h", "b"), spiking("c", "h")]
    assert cut(steps) == ([[], ["a", "b"], ["h"], ["c"]], {})


def test_parallel_branches_share_a_region() -> None:
    steps = [spiking("a"), spiking("b"), host("h", "a", "b"), spiking("c", "h"), spiking("d", "h")]
    regions, _ = cut(steps)
    assert regions == [[], ["a", "b"], ["h"], ["c", "d"]]


def test_a_path_around_a_host_node_waits_for_it() -> None:
    """``b`` reads ``a`` and what a host makes of ``a``: it cannot be in one region with ``a``."""
    regions, _ = cut([spiking("a"), host("h", "a"), spiking("b", "a", "h")])
    assert regions == [[], ["a"], ["h"], ["b"]]


def test_islands_without_weights_or_activation_join_the_host() -> None:
    relu = Candidate("relu", ("h",), spikes=True, neuron=True)
    product = Candidate("product", ("relu2",), spikes=True, synapse=True, macs=100)
    steps = [spiking("a"), host("h", "a"), relu, host("relu2", "relu"), product]
    regions, joined = cut(steps)
    assert regions == [[], ["a"], ["h", "relu", "relu2", "product"]]
    assert joined == {"relu": IDLE, "product": IDLE}


def test_a_level_with_few_multiplications_joins_the_host() -> None:
    small = spiking("b", "h", macs=9)
    regions, joined = cut([spiking("a", macs=1000), host("h", "a"), small])
    assert LEAST_SHARE * 1009 > 9
    assert regions == [[], ["a"], ["h", "b"]]
    assert list(joined) == ["b"]
    regions, joined = cut([spiking("a", macs=1000), host("h", "a"), spiking("b", "h", macs=11)])
    assert regions[-1] == ["b"]
    assert not joined


def test_what_spikes_as_a_whole_is_one_region() -> None:
    assert cut([spiking("a"), spiking("b", "a")]) == ([[], ["a", "b"]], {})


@st.composite
def graphs(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(1, 12))
    steps: list[Candidate] = []
    for place in range(count):
        before = draw(st.sets(st.sampled_from(range(place)), max_size=3)) if place else set()
        make = spiking if draw(st.booleans()) else host
        steps.append(make(str(place), *map(str, sorted(before))))
    return steps


@given(graphs())
def test_no_region_needs_a_later_one_and_there_are_no_more_than_must_be(
    steps: list[Candidate],
) -> None:
    regions, _ = cut(steps)
    where = {name: place for place, names in enumerate(regions) for name in names}
    assert sorted(where) == sorted(step.name for step in steps)
    kinds = {step.name: step.spikes for step in steps}
    for step in steps:
        assert where[step.name] % 2 == step.spikes
        for name in step.before:
            assert where[name] <= where[step.name]
            assert where[name] < where[step.name] or kinds[name] == step.spikes
    changes = nx.DiGraph()
    changes.add_nodes_from(kinds)
    changes.add_weighted_edges_from(
        (name, step.name, kinds[name] != step.spikes) for step in steps for name in step.before
    )
    longest = nx.dag_longest_path_length(changes)
    assert len(regions) - 1 <= longest + 1  # one more where a spiking node stands at the start
