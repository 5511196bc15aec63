"""Placements: never worse than in order, the same for the same seed, counted right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.chips import LOIHI2
from snnc.compiler.placement.mesh import mesh_of
from snnc.compiler.placement.place import _Search as Search
from snnc.compiler.placement.place import in_order, links_of, place
from snnc.compiler.placement.traffic import Traffic, load


def random_traffic(cores: int, seed: int) -> Traffic:
    rng = np.random.default_rng(seed)
    count = 3 * cores
    source, target = rng.integers(0, cores, (2, count))
    return Traffic(source, target, rng.random(count) * 100, np.ones(count, np.int64))


@given(cores=st.integers(1, 140), seed=st.integers(0, 1000))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_never_worse_than_in_order(cores: int, seed: int) -> None:
    traffic, mesh = random_traffic(cores, seed), mesh_of(LOIHI2, cores)
    places = place(traffic, cores, mesh)
    assert len(set(places.tolist())) == cores
    before = load(traffic, in_order(cores), mesh).event_hops
    assert load(traffic, places, mesh).event_hops <= before * (1 + 1e-9)


def test_the_seed_decides() -> None:
    traffic, mesh = random_traffic(60, 3), mesh_of(LOIHI2, 60)
    first, again, other = (place(traffic, 60, mesh, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_gains_are_what_a_swap_gains() -> None:
    cores = 140
    traffic, mesh = random_traffic(cores, 5), mesh_of(LOIHI2, cores)
    search = Search(links_of(traffic, cores, mesh.places), mesh, in_order(cores))
    rng = np.random.default_rng(0)
    for _ in range(40):
        one, other = rng.choice(mesh.places, 2, replace=False).tolist()
        expected = search.cost + search.gains(one)[other]
        search.swap(one, other)
        assert search.cost == pytest.approx(expected)
        assert search.cost == pytest.approx(load(traffic, search.places[:cores], mesh).event_hops)


def test_a_chain_comes_close_together() -> None:
    """Cores 0 to 3 stand on one router, 4 to 7 on the next: what they exchange decides."""
    flow = np.array([10.0, 10.0, 10.0])
    chain = Traffic(np.array([0, 4, 8]), np.array([4, 8, 12]), flow, np.ones(3, np.int64))
    mesh = mesh_of(LOIHI2, 13)
    before = load(chain, in_order(13), mesh)
    assert (before.event_hops, before.hottest) == (30, 10)
    assert load(chain, place(chain, 13, mesh), mesh).event_hops <= 10, "5 cores, 4 on a router"


def test_routes_run_along_the_row_first() -> None:
    """From router (0, 0) to (2, 1), and from (2, 0) to (2, 1): they share the last link."""
    flows = Traffic(np.array([0, 1]), np.array([2, 2]), np.array([3.0, 4.0]), np.ones(2, int))
    mesh = mesh_of(LOIHI2, 3)
    found = load(flows, np.array([0, 8, 40]), mesh)
    assert found.event_hops == 3 * 3 + 4 * 1
    assert (found.hottest, found.link) == (7, ((2, 0), (2, 1)))
    back = Traffic(flows.target, flows.source, flows.events, flows.axons)
    found = load(back, np.array([0, 8, 40]), mesh)
    assert (found.hottest, found.link) == (4, ((2, 1), (2, 0)))


def test_chips_stand_side_by_side() -> None:
    mesh = mesh_of(LOIHI2, 3 * 128)
    assert (mesh.columns, mesh.rows, mesh.places) == (16, 8, 384)
    assert (mesh.x[128], mesh.y[128], mesh.chip[128]) == (8, 0, 1)
    assert (mesh.x[256], mesh.y[256], mesh.chip[256]) == (0, 4, 2)
    places = np.array([0, 128])
    flow = Traffic(np.array([0]), np.array([1]), np.array([5.0]), np.ones(1, int))
    assert load(flow, places, mesh).between_chips == 5
