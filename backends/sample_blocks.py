"""Samples cut into blocks: how large, and one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..ir import Array, Graph, Input
from .base import Progress, Result, Rows
from .resources import Resources


def number_of_samples(inputs: Mapping[str, Rows]) -> int:
    """Return how many samples there are of each input."""
    return len(next(iter(inputs.values())))


def sequence_length(graph: Graph, samples: Mapping[str, Rows]) -> int:
    """Return the number of elements of the sequences that a graph reads; 1 where it reads none."""
    running = [node.name for node in graph.of_type(Input) if node.is_sequence]
    return max((samples[name].shape[1] for name in running), default=1)


def blocks(inputs: Mapping[str, Rows], size: int) -> Iterator[dict[str, Array]]:
    """Yield samples, so many at a time; a block of none where there are no samples."""
    for begin in range(0, max(number_of_samples(inputs), 1), size):
        yield {name: x[begin : begin + size] for name, x in inputs.items()}


def one_by_one(
    inputs: Mapping[str, Rows],
    size: int,
    compute: Callable[[Mapping[str, Array]], Result],
    progress: Progress | None,
) -> Iterator[Result]:
    """Compute blocks of samples one after the other.

    Args:
        inputs: For each input, ``(samples, *shape)``.
        size: Samples of a block.
        compute: What is done with a block.
        progress: Called when a block's result has been taken.
    """
    done, total = 0, number_of_samples(inputs)
    for block in blocks(inputs, size):
        yield compute(block)
        done += number_of_samples(block)
        if progress:
            progress(done, total)


def block_size(each: int, unlimited: int, resources: Resources) -> int:
    """Return how many samples are computed at once: a quarter of what memory is left.

    Args:
        each: Bytes for a sample.
        unlimited: Bytes for a block where nothing limits memory.
        resources: The memory to use.
    """
    left = unlimited if resources.memory is None else (resources.left() or 0) // 4
    return max(1, left // each)
