"""Events between cores: who sends to whom, how often, and over which links of the mesh.

An event travels once to each core that holds a neuron it reaches through one projection, as it
takes one output axon for each. Zero weights count as synapses. Routing is first along the row,
then along the column (XY), in both directions of a link apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...ir import Array
from .layers import Layer, Projection
from .memory import Block
from .mesh import Mesh
from .partition import Core


@dataclass(frozen=True)
class Traffic:
    """What cores send each other; three arrays of one length, one entry for a pair.

    Attributes:
        source: The core that sends.
        target: The core that receives; it can be the same.
        events: Events a step.
        axons: Neurons of the source that reach the target, through each projection.
        projection: Number of the projection, among ``projections``.
        projections: Their names.
    """

    source: Array
    target: Array
    events: Array
    axons: Array
    projection: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    projections: tuple[str, ...] = ()

    def axons_out(self, cores: int) -> Array:
        """Return the output axons of each core, int64."""
        return np.bincount(self.source, self.axons, minlength=cores).astype(np.int64)

    @property
    def between_cores(self) -> float:
        """Events a step that leave their core."""
        return float(self.events[self.source != self.target].sum())


def traffic(layers: Sequence[Layer], cores: Sequence[Core], events: Array) -> Traffic:
    """Return what the cores of a partition send each other.

    Args:
        layers: The layers of a graph.
        cores: Their partition.
        events: Mean events a step of every neuron.
    """
    home = _homes(layers, cores)
    names = tuple(each.name for layer in layers for each in layer.projections)
    found: list[tuple[Array, ...]] = []
    for number, core in enumerate(cores):
        layer = layers[core.layer]
        for projection in layer.projections:
            senders = reaching(projection, layer, core.block)
            sent = np.bincount(home[senders], events[senders], minlength=len(cores))
            axons = np.bincount(home[senders], minlength=len(cores))
            (source,) = np.nonzero(axons)
            through = np.full_like(source, names.index(projection.name))
            target = np.full_like(source, number)
            found.append((source, target, sent[source], axons[source], through))
    if not found:
        none = np.zeros(0, np.int64)
        return Traffic(none, none, none.astype(float), none, none, names)
    whole = [np.concatenate(part) for part in zip(*found, strict=True)]
    return Traffic(whole[0], whole[1], whole[2], whole[3], whole[4], names)


def _homes(layers: Sequence[Layer], cores: Sequence[Core]) -> Array:
    """Return the core of every neuron."""
    home = np.empty(layers[-1].first + layers[-1].size, np.int32)
    for number, core in enumerate(cores):
        layer, block = layers[core.layer], core.block
        own = home[layer.first : layer.first + layer.size].reshape(layer.shape)
        own[slice(*block.channels), slice(*block.rows), slice(*block.columns)] = number
    return home


def reaching(projection: Projection, layer: Layer, block: Block) -> Array:
    """Return the neurons that reach a block through a projection."""
    size = layer.shape[0] // projection.groups
    first, last = block.channels[0] // size, (block.channels[1] - 1) // size
    inputs = projection.inputs_per_group
    channels = projection.source[first * inputs : (last + 1) * inputs]
    rows = projection.rows.reads(*block.rows) > 0
    columns = projection.columns.reads(*block.columns) > 0
    return np.asarray(channels[:, rows][:, :, columns].ravel())


class Link(NamedTuple):
    """A link of the mesh in one direction: its two routers, each as ``(column, row)``."""

    source: tuple[int, int]
    target: tuple[int, int]

    def turned(self, backwards: int) -> Link:
        """Return the other direction of the link, if backwards."""
        return Link(self.target, self.source) if backwards else self


@dataclass(frozen=True)
class Load:
    """What a placement means for the mesh, events a step.

    Attributes:
        event_hops: Events times the links each passes.
        hottest: Events on the busiest link.
        link: That link.
        between_chips: Events that leave their chip.
    """

    event_hops: float
    hottest: float
    link: Link
    between_chips: float


def load(traffic: Traffic, slots: Array, mesh: Mesh) -> Load:
    """Return the load of the mesh.

    Args:
        traffic: What cores send each other.
        slots: For each core of the partition its place on the mesh.
        mesh: The mesh.
    """
    columns, rows = mesh.columns, mesh.rows
    start, end = slots[traffic.source], slots[traffic.target]
    x, y, to_x, to_y = mesh.x[start], mesh.y[start], mesh.x[end], mesh.y[end]
    along_rows = _passes(y, x, to_x, traffic.events, (rows, columns))
    along_columns = _passes(to_x, y, to_y, traffic.events, (columns, rows))
    links = []
    for backwards in (0, 1):
        row, column = _largest(along_rows[backwards])
        ends = Link((column, row), (column + 1, row))
        links.append((along_rows[backwards, row, column], ends.turned(backwards)))
        column, row = _largest(along_columns[backwards])
        ends = Link((column, row), (column, row + 1))
        links.append((along_columns[backwards, column, row], ends.turned(backwards)))
    hottest, link = max(links, key=lambda entry: float(entry[0]))
    hops = np.abs(x - to_x) + np.abs(y - to_y)
    away = mesh.chip[start] != mesh.chip[end]
    between_chips = float(traffic.events[away].sum())
    return Load(float(traffic.events @ hops), float(hottest), link, between_chips)


def _passes(line: Array, start: Array, end: Array, events: Array, shape: tuple[int, int]) -> Array:
    """Return the events on each link of parallel lines, in both directions.

    Args:
        line: On which line each flow runs.
        start: Where on the line it begins.
        end: Where it ends.
        events: How large it is.
        shape: Number of lines, and routers on a line.

    Returns:
        ``(2, lines, routers)``; the entry of a router is the link to the next one.
    """
    change = np.zeros((2, *shape))
    for direction, forward in enumerate((start < end, start > end)):
        low, high = np.minimum(start, end)[forward], np.maximum(start, end)[forward]
        np.add.at(change[direction], (line[forward], low), events[forward])
        np.subtract.at(change[direction], (line[forward], high), events[forward])
    return np.cumsum(change, axis=2)


def _largest(links: Array) -> tuple[int, int]:
    row, column = np.unravel_index(int(links.argmax()), links.shape)
    return int(row), int(column)
