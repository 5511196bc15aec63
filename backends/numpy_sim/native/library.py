"""The compiled kernels: ``layout.h`` for ctypes, and which of them this machine can use.

They are optional: where nobody compiled them, or ``SNNC_NATIVE=0`` is set, the simulator runs
on NumPy and ONNX Runtime alone and gives the same numbers.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from ctypes import c_double, c_int, c_int32, c_int64, c_void_p
from functools import cache
from importlib.util import find_spec
from threading import local
from typing import Any

import numpy as np

from ....ir import Array

LANES = 16
"""Channels of a population are padded to a multiple of this."""

DENSE, EVENTS, CHANNELWISE = range(3)
"""Ways to compute a synapse: products of all payloads, of those that are events, or of each
channel by itself."""


class EdgeLayout(ctypes.Structure):
    """``Edge`` of ``layout.h``."""

    _fields_ = (
        ("data", c_void_p),
        *((name, c_int64) for name in ("sample", "frame", "row")),
        *((name, c_int32) for name in ("position", "height", "width", "zero", "unary")),
    )


class WindowLayout(ctypes.Structure):
    """``Window2D`` of ``layout.h``."""

    _fields_ = (
        *((f"kernel_{axis}", c_int32) for axis in "yx"),
        *((f"stride_{axis}", c_int32) for axis in "yx"),
        *((f"dilation_{axis}", c_int32) for axis in "yx"),
        *((name, c_int32) for name in ("top", "left")),
    )


class FanOutLayout(ctypes.Structure):
    """``FanOut`` of ``layout.h``."""

    _fields_ = (
        ("digit", c_void_p),
        ("next", c_int64),
        ("every", c_int64),
        ("digits", c_int32),
    )


class SynapseLayout(ctypes.Structure):
    """``Synapse`` of ``layout.h``."""

    _fields_ = (
        ("source", EdgeLayout),
        ("method", c_int32),
        ("window", WindowLayout),
        *((name, c_int32) for name in ("channels", "groups", "copies")),
        *((name, c_void_p) for name in ("dense", "correction", "scatter", "taps")),
        *((name, c_int32) for name in ("block", "stacked")),
        ("channel", c_void_p),
        *((name, c_int32) for name in ("even", "least")),
    )


class PopulationLayout(ctypes.Structure):
    """``Population`` of ``layout.h``."""

    _fields_ = (
        *((name, c_int32) for name in ("height", "width", "channels", "lanes", "synapses")),
        ("synapse", c_void_p),
        ("base", c_void_p),
        ("base_sample", c_int64),
        ("threshold", c_void_p),
        ("initial", c_void_p),
        *((name, c_int32) for name in ("max_positive", "max_negative", "deadband")),
        *((name, c_int32) for name in ("bounded_below", "bounded_above", "acc_min", "acc_max")),
        ("clamped", c_int32),
        ("clamp", c_double),
        ("target", EdgeLayout),
        ("to_zero", c_int32),
    )


class BranchLayout(ctypes.Structure):
    """``Branch`` of ``layout.h``."""

    _fields_ = (
        ("current", c_void_p),
        ("events", c_void_p),
        ("few", c_int64),
        ("multiplier", c_void_p),
        ("sum", c_void_p),
        ("synapse", c_int32),
    )


class TrackingLayout(ctypes.Structure):
    """``Tracking`` of ``layout.h``."""

    _fields_ = (
        ("population", PopulationLayout),
        ("branch", c_void_p),
        *((name, c_int64) for name in ("neurons", "every")),
        *((name, c_void_p) for name in ("bias", "threshold", "edge", "inside", "acc", "due")),
        *((name, c_void_p) for name in ("waits_before", "waits", "sent")),
        *((name, c_int32) for name in ("branches", "edges", "bits", "rounding", "low", "high")),
    )


class HistogramLayout(ctypes.Structure):
    """``Histogram`` of ``layout.h``."""

    _fields_ = (
        ("values", c_void_p),
        *((name, c_int64) for name in ("channels", "places", "room")),
        *((name, c_void_p) for name in ("range", "largest", "counts", "waiting", "held")),
    )


LAYOUTS = {
    "population": PopulationLayout,
    "synapse": SynapseLayout,
    "tracking": TrackingLayout,
    "branch": BranchLayout,
    "fan_out": FanOutLayout,
    "histogram": HistogramLayout,
}

FUNCTIONS = (
    *("level", "scratch", "track_scratch"),
    *("advance_integer", "advance_real", "track", "currents", "count", "max_pool"),
    *("widen", "histograms", "least_error"),
)
"""What is called of the kernels; their names begin with ``snnc_``."""

REBUILD = (
    "install snnc again, which compiles them (in a checkout: pip install -e .), or set "
    "SNNC_NATIVE=0 to do without"
)


class KernelWarning(RuntimeWarning):
    """There are compiled kernels, and they cannot be used."""


@cache
def library() -> Any | None:
    """Return the compiled kernels, or None where there are none that can be used.

    Warns:
        KernelWarning: There are some, but stale or foreign.
    """
    found = find_spec(f"{__package__}._kernels")
    if os.environ.get("SNNC_NATIVE") == "0" or found is None or found.origin is None:
        return None
    try:
        kernels = ctypes.CDLL(found.origin)
    except OSError as error:  # built for another system, or damaged
        _warn(found.origin, f"cannot be loaded: {str(error).removeprefix(f'{found.origin}: ')}")
        return None
    if (wrong := _mismatch(kernels)) is not None:
        _warn(found.origin, f"was not built from this version of snnc: {wrong}")
        return None
    kernels.snnc_scratch.restype = kernels.snnc_track_scratch.restype = c_int64
    return kernels


def _mismatch(kernels: Any) -> str | None:
    """Return what kernels lack or hold otherwise than described here, or None."""
    needed = (*FUNCTIONS, *(f"size_of_{name}" for name in LAYOUTS))
    for name in (f"snnc_{each}" for each in needed):
        if not hasattr(kernels, name):
            return f"it has no {name}"
    for name, layout in LAYOUTS.items():
        if getattr(kernels, f"snnc_size_of_{name}")() != ctypes.sizeof(layout):
            return f"its {name} has another size"
    return None


def _warn(file: str, why: str) -> None:
    """Warn that the kernels are not used; the simulator gives the same numbers without."""
    warnings.warn(
        KernelWarning(
            f"{file} {why}; the simulator runs without compiled kernels, more slowly, with equal "
            f"results\n{REBUILD}"
        ),
        stacklevel=3,
    )


@cache
def level() -> int:
    """Return what the processor can do: 0 anything, 1 AVX2, 2 AVX-512 with VNNI."""
    kernels = library()
    assert kernels is not None
    limit = int(os.environ.get("SNNC_NATIVE_LEVEL", "2"))
    return min(limit, int(kernels.snnc_level()))


def address(array: Array | None) -> int | None:
    """Return where an array begins."""
    return None if array is None else array.ctypes.data


def advance(population: PopulationLayout, samples: int, steps: int, *, real: bool) -> None:
    """Let a population run for all steps; its payloads end up in its target."""
    kernels = library()
    assert kernels is not None
    memory = scratch(kernels.snnc_scratch(ctypes.byref(population), c_int(samples), c_int(steps)))
    run = kernels.snnc_advance_real if real else kernels.snnc_advance_integer
    run(level(), ctypes.byref(population), samples, steps, c_void_p(memory.ctypes.data))


def currents(population: PopulationLayout, samples: int, steps: int) -> Array:
    """Return what integer synapses deliver, ``(samples, steps, height, width, lanes)``, int32."""
    kernels = library()
    assert kernels is not None
    memory = scratch(kernels.snnc_scratch(ctypes.byref(population), c_int(samples), c_int(steps)))
    sides = population.height, population.width, population.lanes
    out = np.empty((samples, steps, *sides), np.int32)
    where = c_void_p(out.ctypes.data), c_void_p(memory.ctypes.data)
    kernels.snnc_currents(level(), ctypes.byref(population), samples, steps, *where)
    return out


def track(tracking: TrackingLayout, samples: int, steps: int) -> None:
    """Let tracking neurons go on for some steps; their payloads end up in their target."""
    kernels = library()
    assert kernels is not None
    memory = scratch(kernels.snnc_track_scratch(ctypes.byref(tracking)))
    told = ctypes.byref(tracking), samples, steps, c_void_p(memory.ctypes.data)
    kernels.snnc_track(level(), *told)


def count(
    edge: EdgeLayout,
    fan_outs: ctypes.Array[FanOutLayout],
    readers: int,
    out: Array,
    *,
    graded: bool,
) -> None:
    """Count events, units and synaptic operations.

    Args:
        edge: Payloads.
        fan_outs: Of each reader.
        readers: How many there are.
        out: Takes the counts, ``(samples, steps, 1 + readers, 2)``, int64, as ``count`` in
            ``traffic.inc`` says.
        graded: Whether a payload may be more than one unit.
    """
    kernels = library()
    assert kernels is not None
    kernels.snnc_count(
        level(),
        ctypes.byref(edge),
        *out.shape[:2],
        readers,
        fan_outs,
        graded,
        c_void_p(out.ctypes.data),
    )


def max_pool(
    window: WindowLayout, source: EdgeLayout, target: EdgeLayout, samples: int, steps: int
) -> None:
    """Send by how much the maximum of what each window has received rose."""
    kernels = library()
    assert kernels is not None
    places = source.height * source.width + target.height * target.width + 1
    memory = scratch(4 * places * source.position)
    edges = ctypes.byref(source), ctypes.byref(target)
    kernels.snnc_max_pool(
        level(), ctypes.byref(window), *edges, samples, steps, c_void_p(memory.ctypes.data)
    )


def scratch(size: int) -> Array:
    """Return memory to work in, at least so many bytes, aligned; one for each thread."""
    memory: Array | None = getattr(_kept, "memory", None)
    if memory is None or len(memory) < size + 64:
        _kept.memory = memory = np.empty(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :]


def scratch_bytes() -> int:
    """Return how much memory to work in this thread has had to ask for."""
    memory: Array | None = getattr(_kept, "memory", None)
    return 0 if memory is None else len(memory)


_kept = local()
