"""Which neurons share a core.

A core holds neurons of one layer. A layer is cut into blocks of channels, rows and columns of
one size: as few channel groups as fit (each group needs all of the input again), then as few
tiles as fit, then the tallest. With ``tiling = "columns"`` a tile has a power of two of columns,
the last tile in part empty, and all rows as long as one column fits: so are the input layer and
all five convolutions in the logs of Intel's compiler for Loihi 2, and this rule gives each of
their core counts. Fewer cores would often do; what that compiler would take is the safer answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

from ...backends.chips import Chip
from ...ir.errors import Problem
from .layers import Layer
from .memory import Block, Need, Range, need


@dataclass(frozen=True)
class Core:
    """What one core holds.

    Attributes:
        layer: Index of the layer.
        block: Which of its neurons.
        need: What they take.
    """

    layer: int
    block: Block
    need: Need


class Cut(NamedTuple):
    """The size of the blocks a layer is cut into: channels, rows, columns."""

    channels: int
    rows: int
    columns: int


def partition(
    layers: Sequence[Layer], chip: Chip, neurons: Sequence[int] = ()
) -> tuple[tuple[Core, ...], tuple[Problem, ...]]:
    """Cut layers into blocks that fit a core.

    Args:
        layers: The layers of a graph.
        chip: What a core holds.
        neurons: For each layer the most neurons a core may hold; the chip's own by default.

    Returns:
        The cores, layer by layer, and one problem for each limit that even one neuron breaks.
        The layer of such a neuron is cut by the number of neurons alone.
    """
    cores: list[Core] = []
    problems: list[Problem] = []
    for index, layer in enumerate(layers):
        limit = neurons[index] if neurons else int(chip.neurons.value)
        broken = tuple(_too_much_for_one_neuron(layer, chip))
        problems += broken
        found = cut(layer, chip, limit, neurons_only=bool(broken))
        cores += (Core(index, block, need(layer, block, chip)) for block in blocks(layer, found))
    return tuple(cores), tuple(problems)


def cut(layer: Layer, chip: Chip, neurons: int, *, neurons_only: bool = False) -> Cut:
    """Return the sizes of the blocks of a layer.

    Args:
        layer: One neuron of it fits a core.
        chip: What a core holds.
        neurons: The most neurons of the chip's limit on a core.
        neurons_only: Whether memory and axons do not count.
    """
    smallest = Cut(1, 1, 1)
    for channels in sizes(layer.shape[0]):
        if not neurons_only and not _fits(layer, Cut(channels, 1, 1), chip):
            continue
        for tile in _tiles(layer, chip, channels, neurons):
            if neurons_only or _fits(layer, tile, chip):
                return tile
    return smallest


def sizes(length: int) -> list[int]:
    """Return the sizes of the largest part when a length is cut into 1, 2, 3, ... parts.

    >>> sizes(10)
    [10, 5, 4, 3, 2, 1]
    """
    found: list[int] = []
    parts = 1
    while not found or found[-1] > 1:
        found.append(ceil(length / parts))
        parts = ceil(length / (found[-1] - 1)) if found[-1] > 1 else parts
    return found


def _tiles(layer: Layer, chip: Chip, channels: int, neurons: int) -> list[Cut]:
    """Return the tiles with so many channels that hold few enough neurons, the best first."""
    _, height, width = layer.shape
    high, wide = sizes(height), sizes(width)
    if chip.tiling == "columns":
        wide = [2**power for power in reversed(range((width - 1).bit_length() + 1))]
        if channels * height * layer.weight <= neurons:
            high = [height]
    found = [
        Cut(channels, rows, columns)
        for rows in high
        for columns in wide
        if channels * rows * columns * layer.weight <= neurons
    ]
    return sorted(found, key=lambda c: (ceil(height / c.rows) * ceil(width / c.columns), -c.rows))


def blocks(layer: Layer, size: Cut) -> Iterator[Block]:
    """Yield the blocks of a layer: channel groups outside, columns inside."""
    ranges = [list(_ranges(length, step)) for length, step in zip(layer.shape, size, strict=True)]
    for channels in ranges[0]:
        for rows in ranges[1]:
            for columns in ranges[2]:
                yield Block(channels, rows, columns)


def _ranges(length: int, step: int) -> Iterator[Range]:
    for start in range(0, length, step):
        yield start, min(start + step, length)


def _fits(layer: Layer, size: Cut, chip: Chip) -> bool:
    """Whether memory and input axons of blocks suffice.

    Blocks in the middle need most, as no border cuts their windows; with groups it also counts
    how many of them a range of channels touches.
    """
    grouped = any(projection.groups > 1 for projection in layer.projections)
    channels, rows, columns = (
        list(_ranges(length, step)) for length, step in zip(layer.shape, size, strict=True)
    )
    if not grouped:
        channels = channels[:1]
    for some in channels:
        block = Block(some, rows[len(rows) // 2], columns[len(columns) // 2])
        taken = need(layer, block, chip)
        if taken.words > chip.synaptic_memory.value or taken.axons_in > chip.axons_in.value:
            return False
    return True


def _too_much_for_one_neuron(layer: Layer, chip: Chip) -> Iterator[Problem]:
    """Yield the limits that one neuron in the middle of a layer breaks, each with a cure."""
    channels, height, width = (length // 2 for length in layer.shape)
    middle = Block((channels, channels + 1), (height, height + 1), (width, width + 1))
    taken = need(layer, middle, chip)
    for used, limit, what in (
        (taken.words, chip.synaptic_memory, "words of synaptic memory"),
        (taken.axons_in, chip.axons_in, "input axons"),
    ):
        if used > limit.value:
            yield Problem(
                f"{layer.name}: one of its neurons needs {used:,} {what}, and a core of "
                f"{chip.title} has {limit.value:,.0f} ({limit.certainty.value})",
                _cure(layer, middle, chip, used / limit.value, what),
            )


def _cure(layer: Layer, block: Block, chip: Chip, excess: float, what: str) -> str:
    """Return what would make one neuron fit."""
    smaller = (
        f"make the layer before it smaller, or use grouped or strided convolutions: at most "
        f"{int(layer.fan_in / excess):,} of its {layer.fan_in:,} inputs fit; or split the sum over "
        f"{ceil(excess)} populations"
    )
    if "memory" not in what:
        return smaller
    most = max(projection.weight_bits for projection in layer.projections)
    for bits in range(most - 1, 1, -1):
        if need(with_weight_bits(layer, bits), block, chip).words <= chip.synaptic_memory.value:
            return f"compile with --weight-bits {bits}; or {smaller}"
    return smaller


def with_weight_bits(layer: Layer, bits: int) -> Layer:
    """Return a layer whose weights are no wider than some bits."""
    narrow = tuple(
        replace(projection, weight_bits=min(projection.weight_bits or bits, bits))
        for projection in layer.projections
    )
    return replace(layer, projections=narrow)
