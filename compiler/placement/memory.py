r"""What a block of neurons takes of a core: neurons, synaptic memory, input axons.

Shared kernels (Loihi 2), for a convolution with :math:`n` output channels on the core:

.. math:: words = C_{in} K_y K_x \lceil n\,b / 64 \rceil

It explains all six convolutions in the logs of Intel's compiler, with one whole ``b`` of 5 to 8
bits for each layer that the logs do not state: consistent, not proven. In a convolution with
groups, a row holds the output channels of its own group; that is our extension. A dense map
takes ``inputs * ceil(n * 20.3 / 64)``, a bound on all that was logged.

Rows of synapses (Loihi 1): each neuron that sends has a row with all its synapses on the core.
Blocks of up to 64, a header of 10 bits, rounded up to words, as ``nengo_loihi`` counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ...backends.chips import WORD_BITS, Chip, SharedKernels, SynapseRows
from .layers import Layer, Projection

Range = tuple[int, int]
"""From the first to behind the last."""

REAL_WEIGHT_BITS = 8
"""Width counted for real weights, which no chip holds: that of the default quantisation."""


@dataclass(frozen=True)
class Block:
    """A part of a layer: ranges of its channels, rows and columns."""

    channels: Range
    rows: Range
    columns: Range

    @property
    def neurons(self) -> int:
        """Number of neurons in it."""
        size = 1
        for start, stop in (self.channels, self.rows, self.columns):
            size *= stop - start
        return size


@dataclass(frozen=True)
class Need:
    """What a block takes of a core.

    Attributes:
        neurons: Of the chip's limit.
        words: Of synaptic memory.
        axons_in: Input axons.
    """

    neurons: int
    words: int
    axons_in: int


def need(layer: Layer, block: Block, chip: Chip) -> Need:
    """Return what a block of a layer takes of a core."""
    words = axons = 0
    for projection in layer.projections:
        if isinstance(chip.storage, SharedKernels):
            taken = _shared(projection, layer, block, chip.storage)
        else:
            taken = _rows(projection, layer, block, chip.storage)
        words += taken[0]
        axons += taken[1]
    return Need(block.neurons * layer.weight, words, axons)


def outputs_per_group(projection: Projection, channels: int, block: Range) -> list[int]:
    """Return how many output channels of a block each group has that has any.

    Args:
        projection: What the channels receive.
        channels: All output channels.
        block: Those on the core.
    """
    size = channels // projection.groups
    first, last = block[0] // size, (block[1] - 1) // size
    return [
        min(block[1], (group + 1) * size) - max(block[0], group * size)
        for group in range(first, last + 1)
    ]


def _shared(
    projection: Projection, layer: Layer, block: Block, storage: SharedKernels
) -> tuple[int, int]:
    """Return words and input axons where kernels are shared."""
    outputs = outputs_per_group(projection, layer.shape[0], block.channels)
    if projection.dense:
        inputs = int(projection.source.size)
        row = ceil(outputs[0] * projection.copies * storage.dense_bits.value / WORD_BITS)
        return inputs * row, inputs
    bits = (projection.weight_bits or REAL_WEIGHT_BITS) * projection.copies
    rows = projection.inputs_per_group * projection.rows.kernel * projection.columns.kernel
    words = sum(rows * ceil(n * bits / WORD_BITS) for n in outputs)
    return words, int(storage.convolution_axons.value)


def _rows(
    projection: Projection, layer: Layer, block: Block, storage: SynapseRows
) -> tuple[int, int]:
    """Return words and input axons where each neuron that sends has a row of synapses."""
    index = _format(storage.index_formats, (block.neurons * layer.weight - 1).bit_length())
    weight = _format(storage.weight_formats, projection.weight_bits or REAL_WEIGHT_BITS)
    groups = Counter(outputs_per_group(projection, layer.shape[0], block.channels))
    words = axons = 0
    for outputs, times in groups.items():
        for (high, wide), places in reached(projection, block).items():
            rows = places * times * projection.inputs_per_group
            synapses = outputs * high * wide * projection.copies
            words += rows * row_words(synapses, weight + index, storage)
            axons += rows
    return words, axons


def reached(projection: Projection, block: Block) -> Counter[tuple[int, int]]:
    """Return for rows x columns of a block that a place can reach, how many places do."""
    found: Counter[tuple[int, int]] = Counter()
    rows = Counter(projection.rows.reads(*block.rows).tolist())
    columns = Counter(projection.columns.reads(*block.columns).tolist())
    for high, times in rows.items():
        for wide, more in columns.items():
            if high and wide:
                found[high, wide] += times * more
    return found


def row_words(synapses: int, bits: int, storage: SynapseRows) -> int:
    """Return the words of one row.

    Args:
        synapses: Synapses in the row.
        bits: Of one synapse: weight and index.
        storage: How rows are laid out.
    """
    block, header = int(storage.block.value), int(storage.header_bits.value)
    whole, rest = divmod(synapses, block)
    words = whole * ceil((block * bits + header) / WORD_BITS)
    return words + (ceil((rest * bits + header) / WORD_BITS) if rest else 0)


def _format(formats: Sequence[int], bits: int) -> int:
    """Return the narrowest format that holds some bits, or the widest one."""
    return next((width for width in formats if width >= bits), formats[-1])
