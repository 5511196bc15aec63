r"""Where on the mesh each core of a partition goes: little traffic, few hops.

The quadratic assignment problem, minimise

.. math:: \sum_{i, j} w_{ij} \, (|x_i - x_j| + |y_i - y_j|),

with :math:`w` the events two cores exchange in a step. Cores in order, and cores put one by one
as near as they can be to those already there, are improved by the best swap of every core until
no swap helps. The better of the two is then shaken and improved again, over and over, and what is
better is kept. The result is never worse than cores in order.

Distances along the two axes add up, so a core's cost at *every* place is the sum of two short
tables: a swap costs one look-up for each other core, and an update of the tables of those that
exchange events with the two that moved. A core is looked at again when one of those has moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .mesh import Mesh
from .traffic import Traffic

SHAKES = 400
"""Most times the best placement is shaken."""
SHAKEN = 0.06
"""Share of the cores that a shake moves."""
WORK = 2**25
"""Shakes times the square of the places: large meshes are shaken less often, not at all at last.
A limit in seconds would let the result depend on the machine."""
DENSE = 200_000
"""With more links than that only the better one of the two first placements is improved, and a
round over all cores that gains little is the last one."""
LITTLE = 0.003
"""Share of the cost that is little."""


@dataclass(frozen=True)
class Links:
    """Who exchanges events with whom, symmetric, without itself: compressed sparse rows.

    Attributes:
        start: For each core where its entries begin, and one more.
        other: The other core of each entry.
        weight: Events a step, both directions together.
    """

    start: Array
    other: Array
    weight: Array

    def of(self, core: int) -> tuple[Array, Array]:
        """Return the cores one core exchanges events with, and how many."""
        own = slice(self.start[core], self.start[core + 1])
        return self.other[own], self.weight[own]


def links_of(traffic: Traffic, cores: int, places: int) -> Links:
    """Return the links between cores; empty places are cores without traffic."""
    apart = traffic.source != traffic.target
    source, target = traffic.source[apart], traffic.target[apart]
    ends = np.concatenate([source, target]), np.concatenate([target, source])
    pairs, inverse = np.unique(ends[0].astype(np.int64) * cores + ends[1], return_inverse=True)
    weight = np.bincount(inverse, np.tile(traffic.events[apart], 2), minlength=len(pairs))
    first, other = np.divmod(pairs, cores)
    start = np.zeros(places + 1, np.int64)
    np.cumsum(np.bincount(first, minlength=places), out=start[1:])
    return Links(start, other, weight)


def in_order(cores: int) -> Array:
    """Return the naive placement: the cores one behind the other."""
    return np.arange(cores)


def place(traffic: Traffic, cores: int, mesh: Mesh, seed: int = 0) -> Array:
    """Return the place of each core.

    Args:
        traffic: What the cores send each other.
        cores: Number of cores.
        mesh: Where they can go.
        seed: Of the shakes.

    Returns:
        int64 ``(cores,)``, places of the mesh.
    """
    links = links_of(traffic, cores, mesh.places)
    rng = np.random.default_rng(seed)
    starts = (in_order(cores), _one_by_one(links, cores, mesh))
    found = [_Search(links, mesh, start) for start in starts]
    little = 0.0
    if len(links.other) > DENSE:
        little = LITTLE
        found = [min(found, key=lambda search: search.cost)]
    for search in found:
        search.improve(rng, np.arange(cores), little)
    best = _shake(min(found, key=lambda search: search.cost), cores, rng)
    return np.asarray(best.places[:cores])


def _shake(best: _Search, cores: int, rng: np.random.Generator) -> _Search:
    """Move some cores at random and improve again, over and over; return the best found."""
    for _ in range(min(SHAKES, WORK // best.mesh.places**2) if cores > 2 else 0):
        again = best.copy()
        moved = rng.choice(cores, max(2, int(SHAKEN * cores)), replace=False)
        for one, other in zip(moved.tolist(), rng.permutation(moved).tolist(), strict=True):
            again.swap(one, other)
        again.improve(rng, moved)
        if again.cost < best.cost:
            best = again
    return best


def _one_by_one(links: Links, cores: int, mesh: Mesh) -> Array:
    """Return each core in turn at the free place nearest to those it exchanges events with."""
    places = np.full(cores, -1)
    free = np.ones(mesh.places, bool)
    across, down = np.arange(mesh.columns), np.arange(mesh.rows)
    for core in range(cores):
        other, weight = links.of(core)
        there = places[other] >= 0
        home, pull = places[other[there]], weight[there]
        cost_x = pull @ np.abs(mesh.x[home][:, None] - across)
        cost_y = pull @ np.abs(mesh.y[home][:, None] - down)
        cost = np.where(free, cost_x[mesh.x] + cost_y[mesh.y], np.inf)
        places[core] = int(cost.argmin())
        free[places[core]] = False
    return places


class _Search:
    """A placement of all cores, empty ones included, and what it would cost to change it."""

    def __init__(self, links: Links, mesh: Mesh, places: Array) -> None:
        self.links, self.mesh = links, mesh
        empty = np.setdiff1d(np.arange(mesh.places), places)
        self.places = np.concatenate([places, empty]).astype(np.int64)
        self.x, self.y = mesh.x[self.places], mesh.y[self.places]
        self.across, self.down = np.arange(mesh.columns), np.arange(mesh.rows)
        self.cost_x = np.zeros((mesh.places, mesh.columns))
        self.cost_y = np.zeros((mesh.places, mesh.rows))
        for core in range(mesh.places):
            other, weight = links.of(core)
            self.cost_x[core] = weight @ np.abs(self.x[other][:, None] - self.across)
            self.cost_y[core] = weight @ np.abs(self.y[other][:, None] - self.down)
        every = np.arange(mesh.places)
        self.now = self.cost_x[every, self.x] + self.cost_y[every, self.y]

    @property
    def cost(self) -> float:
        """Event hops a step."""
        return float(self.now.sum() / 2)

    def copy(self) -> _Search:
        """Return a search that goes on from here."""
        twin = object.__new__(_Search)
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if isinstance(value, np.ndarray) else value)
        return twin

    def improve(self, rng: np.random.Generator, some: Array, little: float = 0.0) -> None:
        """Swap cores with their best partners until no swap helps.

        Args:
            rng: Draws the order.
            some: The cores to look at first; then those that exchange events with what moved.
            little: A round that gains no larger share of the cost is the last one.
        """
        enough = 1e-9 * self.cost
        waiting = np.zeros(self.mesh.places, bool)
        waiting[some] = True
        while waiting.any():
            before = self.cost
            for core in rng.permutation(np.flatnonzero(waiting)).tolist():
                waiting[core] = False
                gain = self.gains(core)
                other = int(gain.argmin())
                if gain[other] < -enough:
                    self.swap(core, other)
                    waiting[self.touched(core, other)] = True
            if self.cost >= (1 - little) * before:
                break

    def touched(self, one: int, other: int) -> Array:
        """Return two cores and all that exchange events with them."""
        return np.concatenate([self.links.of(one)[0], self.links.of(other)[0], [one, other]])

    def gains(self, core: int) -> Array:
        """Return by how much the cost would grow if a core changed places with each other one."""
        x, y = self.x[core], self.y[core]
        gain = self.cost_x[core][self.x] + self.cost_y[core][self.y] - self.now[core]
        gain += self.cost_x[:, x] + self.cost_y[:, y] - self.now
        other, weight = self.links.of(core)
        # Two that change places stay as far apart as they were.
        gain[other] += 2 * weight * (np.abs(self.x[other] - x) + np.abs(self.y[other] - y))
        gain[core] = 0
        return np.asarray(gain)

    def swap(self, one: int, other: int) -> None:
        """Let two cores change places."""
        if one == other:
            return
        for moved, goal in ((one, other), (other, one)):
            near, weight = self.links.of(moved)
            old_x, new_x = self.x[moved], self.x[goal]
            old_y, new_y = self.y[moved], self.y[goal]
            change = np.abs(self.across - new_x) - np.abs(self.across - old_x)
            self.cost_x[near] += weight[:, None] * change
            change = np.abs(self.down - new_y) - np.abs(self.down - old_y)
            self.cost_y[near] += weight[:, None] * change
        for field in (self.places, self.x, self.y):
            field[one], field[other] = field[other], field[one]
        touched = self.touched(one, other)
        self.now[touched] = (
            self.cost_x[touched, self.x[touched]] + self.cost_y[touched, self.y[touched]]
        )
