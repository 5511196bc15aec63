"""Samples and labels from the user: ``.npz`` files, arrays or dicts, checked before use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.base import UNLIMITED, Rows
from ..backends.resources import Resources
from ..ir import Array, Graph, Input
from ..ir.errors import DataError
from .archive import StoredArray, stored_arrays

Samples = dict[str, Array]
"""For each model input, ``(samples, *shape)``, of a sequence ``(samples, elements, *shape)``, of a
stepwise input ``(samples, timesteps, *shape)``; float32."""

UNKNOWN_LENGTH = 8
"""Elements of synthetic samples for a sequence of any length, and steps of stepwise ones."""

MOST_SYNTHETIC = 1 << 28
"""Numbers that synthetic samples have at most: a gigabyte."""

Inputs = Mapping[str, Rows]
"""Likewise, of samples that may be too many for memory and are then read as they are needed."""

CHECKED_BYTES = 1 << 24
"""Samples are checked so many bytes at a time."""

SHARE = 4
"""Samples are held in memory where they take at most one part in so many of it."""

Source = str | PathLike[str] | Array | Mapping[str, Array]


@dataclass(frozen=True)
class Delivered:
    """Calibration samples that were computed from what the user gave.

    Attributes:
        samples: For each input, ``(samples, *shape)``.
        origin: What the user gave: ``file``, ``array``, or nothing: ``synthetic``.
    """

    samples: Samples
    origin: str


def load_samples(source: Source, graph: Graph, *, what: str = "data") -> Samples:
    """Return samples for every input of a graph.

    Args:
        source: An ``.npz`` file, one array, or a dict of arrays; arrays are named after the
            model's inputs, or ``x`` where there is one input.
        graph: A graph with the ``Input`` nodes to feed.
        what: What the data are, for error messages.

    Raises:
        DataError: Something is missing or does not fit; every problem is named.
    """
    return {name: part[:] for name, part in _checked_inputs(source, graph, what, None).items()}


def open_samples(
    source: Source, graph: Graph, resources: Resources = UNLIMITED, *, what: str = "data"
) -> Inputs:
    """Return samples for every input of a graph; those too large for memory stay where they are.

    All are checked, so a large file is read once for that.

    Args:
        source: As for ``load_samples``.
        graph: As for ``load_samples``.
        resources: Its memory decides what is too large; without a limit that of the machine.
        what: As for ``load_samples``.

    Raises:
        DataError: As ``load_samples``.
    """
    most = (resources.memory or physical_memory()) // SHARE
    return _checked_inputs(source, graph, what, most)


def physical_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _checked_inputs(source: Source, graph: Graph, what: str, most: int | None) -> dict[str, Rows]:
    """Return checked samples, in memory if they take ``most`` bytes or less."""
    arrays = _opened(source, what)
    inputs = graph.of_type(Input)
    samples: dict[str, Rows] = {}
    for node in inputs:
        name = node.name if node.name in arrays or len(inputs) > 1 else "x"
        if name not in arrays:
            hint = "name the array " + " or ".join(map(repr, dict.fromkeys((node.name, name))))
            if len(inputs) > 1:
                hint += f"; if it is always the same, compile with --fix-input {node.name}=VALUE"
            raise DataError(
                f"{what}: there is no array named {node.name!r}; it has {sorted(arrays) or 'none'}",
                hint=hint,
            )
        samples[node.name] = _fitting(arrays[name], node, f"{what}: array {name!r}", most)
    running = [node.name for node in inputs if node.sequence is not None]
    if len(lengths := {samples[name].shape[1] for name in running}) > 1:
        raise DataError(
            f"{what}: the sequences have different lengths: {sorted(lengths)}",
            hint="give every sequence the same number of elements along axis 1",
        )
    if len(counts := {len(x) for x in samples.values()}) > 1:
        raise DataError(
            f"{what}: the inputs have different numbers of samples: {sorted(counts)}",
            hint="give every input the same number of samples along axis 0",
        )
    return samples


def check_steps(graph: Graph, samples: Inputs, timesteps: int) -> None:
    """Raise ``DataError`` unless stepwise samples have a value for each step of a network."""
    for node in graph.of_type(Input):
        if node.stepwise and (given := samples[node.name].shape[1]) != timesteps:
            raise DataError(
                f"input {node.name!r}: the data have {given} time steps along axis 1, but the "
                f"network runs {timesteps}",
                hint=f"give {timesteps} steps a sample: cut the data, or append zeros; a NIR file "
                f"can be compiled with --timesteps {given}",
            )


def load_labels(source: Source, samples: int, *, what: str = "data") -> Array:
    """Return the labels ``y`` of a data set, ``(samples,)``, int64.

    Raises:
        DataError: There are none, they are no whole numbers, or their number is wrong.
    """
    arrays = _opened(source, what)
    if "y" not in arrays:
        raise DataError(f"{what}: there are no labels", hint="add an integer array named 'y'")
    labels = _whole(arrays["y"])
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{what}: labels are {labels.dtype} of shape {labels.shape}",
            hint="give one whole number a sample: an integer array of shape (samples,)",
        )
    if len(labels) != samples:
        raise DataError(
            f"{what}: {len(labels)} labels for {samples} samples", hint="give one label a sample"
        )
    return labels.astype(np.int64)


def find_labels(source: Source, samples: Inputs, *, what: str = "data") -> Array | None:
    """Return the labels of samples that were loaded from a source, or None where it has none.

    Raises:
        DataError: As ``load_labels``.
    """
    # Where an input has the name of the labels, the array is that input's.
    if "y" in samples or "y" not in _opened(source, what):
        return None
    return load_labels(source, len(next(iter(samples.values()))), what=what)


def read_arrays(source: Source, what: str = "data") -> dict[str, Array]:
    """Return the named arrays of a source.

    Raises:
        DataError: The file is missing, is no ``.npz``, or holds objects.
    """
    return {name: _whole(array) for name, array in _opened(source, what).items()}


def _opened(source: Source, what: str) -> Mapping[str, Array | StoredArray]:
    """Return the named arrays of a source; those of a file are not read yet."""
    if isinstance(source, np.ndarray):
        return {"x": source}
    if isinstance(source, Mapping):
        return {name: _array(array, f"{what}: array {name!r}") for name, array in source.items()}
    if hasattr(source, "__array__"):
        return {"x": _array(source, what)}
    if not isinstance(source, (str, PathLike)):
        raise DataError(
            f"{what}: {type(source).__name__} is no data", hint="give an array, a dict or a path"
        )
    return stored_arrays(Path(source), what)


def _array(values: Any, what: str) -> Array:
    """Return an array of what can become one, a tensor of torch among them."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # on a GPU; ragged; with a gradient
        raise DataError(
            f"{what}: cannot become a NumPy array: {str(error).splitlines()[0]}",
            hint="give an array, of a tensor tensor.detach().cpu().numpy()",
        ) from error


def _whole(array: Array | StoredArray) -> Array:
    return array.read() if isinstance(array, StoredArray) else array


def _fitting(array: Array | StoredArray, node: Input, what: str, most: int | None) -> Rows:
    """Return samples as float32, checked."""
    if not _fits(array.shape, node):
        elements = [] if node.sequence is None else [node.sequence or "elements"]
        steps = ["timesteps"] if node.stepwise else []
        wanted = ", ".join(map(str, ("samples", *elements, *steps, *node.type.shape)))
        order = "time steps, then channels, height, width" if steps else "channels, height, width"
        raise DataError(
            f"{what} has shape {array.shape}, but input {node.name!r} needs ({wanted})",
            hint=f"put the batch axis first, then {'elements, ' if elements else ''}{order}",
        )
    if not len(array):
        raise DataError(f"{what} has no samples", hint="give at least one sample")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} is {array.dtype}", hint="give numbers, e.g. float32")
    stays = most is not None and 4 * prod(array.shape) > most
    stored = isinstance(array, StoredArray)
    if most is None and stored and 4 * prod(array.shape) > physical_memory():
        raise DataError(
            f"{what} has shape {array.shape}, which is more than the memory of this machine",
            hint="give fewer samples: some hundreds are enough",
        )
    if stays or (isinstance(array, np.ndarray) and array.dtype == np.float32):
        for begin, block in _blocks(array):
            _single(block, begin, what)
        return _Single(array) if stays else array
    whole = np.empty(array.shape, np.float32)
    for begin, block in _blocks(array):
        whole[begin : begin + len(block)] = _single(block, begin, what)
    return whole


@dataclass(frozen=True)
class _Single:
    """Samples that are cast to float32 when they are asked for."""

    array: Array | StoredArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice, /) -> Array:
        return self.array[rows].astype(np.float32, copy=False)


def _blocks(array: Array | StoredArray) -> Iterator[tuple[int, Array]]:
    """Yield some samples at a time, with the number of the first of them."""
    each = max(1, CHECKED_BYTES // (prod(array.shape[1:]) * array.dtype.itemsize))
    for begin in range(0, len(array), each):
        yield begin, array[begin : begin + each]


def _single(block: Array, begin: int, what: str) -> Array:
    """Return a block as float32; raise ``DataError`` where that changes a value."""
    if block.dtype.kind == "f" and not np.isfinite(block).all():
        raise DataError(
            f"{what} holds NaN or infinity, first in sample {begin + _first_bad_sample(block)}",
            hint="remove or repair these samples",
        )
    if block.dtype == np.float32:
        return block
    with np.errstate(over="ignore", invalid="ignore"):  # such values are refused just below
        cast = block.astype(np.float32)
        lossless = np.array_equal(cast.astype(block.dtype), block)
    if not lossless:
        raise DataError(
            f"{what} is {block.dtype} with values that float32 cannot hold",
            hint="round them yourself: array.astype(numpy.float32)",
        )
    return cast


def _fits(shape: tuple[int, ...], node: Input) -> bool:
    """Whether an array has the shape of a batch for an input; a sequence has an element or more."""
    if node.stepwise:
        return len(shape) > 1 and shape[1] > 0 and shape[2:] == node.type.shape
    if node.sequence is None:
        return len(shape) > 0 and shape[1:] == node.type.shape
    if len(shape) < 2 or shape[2:] != node.type.shape:
        return False
    return shape[1] == node.sequence if node.sequence else shape[1] > 0


def _first_bad_sample(array: Array) -> int:
    return int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])


def synthetic_samples(
    graph: Graph,
    ranges: Mapping[str, tuple[float, float]],
    seed: int,
    count: int = 256,
    timesteps: int = UNKNOWN_LENGTH,
) -> Samples:
    """Return samples for a user who has none: a fixed seed, no relation to real data.

    Args:
        graph: A graph with the ``Input`` nodes to feed.
        ranges: For the inputs whose range the model itself bounds, (low, high).
        seed: Of the generator.
        count: Number of samples.
        timesteps: Steps of stepwise samples.

    Returns:
        Uniform samples over a known range, else standard normal ones; fewer where they are large.
    """
    inputs = graph.of_type(Input)
    sizes = (node.type.size * (timesteps if node.stepwise else 1) for node in inputs)
    largest = max(sizes, default=1)
    count = max(1, min(count, MOST_SYNTHETIC // largest))
    rng = np.random.default_rng(seed)
    samples = {}
    for node in graph.of_type(Input):
        elements = [] if node.sequence is None else [node.sequence or UNKNOWN_LENGTH]
        steps = [timesteps] if node.stepwise else []
        shape = (count, *elements, *steps, *node.type.shape)
        if node.name in ranges:
            samples[node.name] = rng.uniform(*ranges[node.name], shape).astype(np.float32)
        else:
            samples[node.name] = rng.standard_normal(shape, np.float32)
    return samples
