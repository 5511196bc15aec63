"""A run whose memory is measured: started as a process of its own by ``test_streaming``.

Arguments: bytes of memory or 0 for no limit, jobs, samples. Prints the samples of the largest
block and the most bytes that the process held.
"""

from __future__ import annotations

import sys

import numpy as np

from snnc.backends.numpy_sim import NumpyBackend, backend
from snnc.backends.resources import Resources, most_resident
from snnc.ir import IF, Conv, Encoder, Graph, Input, Integrator, TensorType

SIDE, TIMESTEPS = 48, 16


def large_graph() -> Graph:
    """Return a graph of which one sample takes some megabytes."""
    rng = np.random.default_rng(1)
    first, second, last = (
        rng.integers(-9, 9, shape) for shape in ((32, 3, 3, 3), (32, 32, 3, 3), (4, 32, SIDE, SIDE))
    )
    nodes = [
        Input(name="x", type=TensorType((3, SIDE, SIDE))),
        Encoder(name="e", inputs=("x",), scale=1 / 64),
        Conv(name="c", inputs=("e",), weight=first, padding=(1, 1, 1, 1)),
        spiking("r", "c"),
        Conv(name="d", inputs=("r",), weight=second, padding=(1, 1, 1, 1)),
        spiking("s", "d"),
        Conv(name="l", inputs=("s",), weight=last),
        Integrator(name="y", inputs=("l",), bias=np.zeros(1, np.int64), scale=np.ones(1)),
    ]
    return Graph(nodes, {"y": "y"})


def spiking(name: str, current: str) -> IF:
    """Return a population of binary spikes."""
    threshold, bias, initial = (np.full(1, value) for value in (90, 0, 45))
    return IF(name=name, inputs=(current,), threshold=threshold, bias=bias, initial=initial)


def main(memory: int, jobs: int, samples: int) -> None:
    """Run, and print the figures."""
    backend.BLOCK_BYTES = 1 << 32  # so that only memory limits blocks, not the cache
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, 3, SIDE, SIDE)).astype(np.float32)
    program = NumpyBackend().lower(large_graph(), TIMESTEPS)
    results = program.stream({"x": x}, resources=Resources(memory or None, jobs))
    largest = max(len(part.decoded["y"]) for part in results)
    print(largest, most_resident())  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
