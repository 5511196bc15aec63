"""Samples cut into blocks that are computed side by side, and handed over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Protocol

from ...ir import Array
from ..base import Progress, Result, Rows
from .native.frames import FramePool

AHEAD = 2
"""For each job the blocks that are under way or done before the first of them is asked for."""


class Compute(Protocol):
    """Computes a block of samples."""

    def __call__(self, inputs: Mapping[str, Array], pool: FramePool) -> Result: ...


@dataclass(frozen=True)
class Blocks:
    """A run in blocks.

    Threads, and not processes, are what runs side by side: nearly all time goes into compiled
    kernels, NumPy and ONNX Runtime, which hold no lock meanwhile, and weights are there once.

    Attributes:
        inputs: For each input, ``(samples, *shape)``.
        size: Samples of a block.
        jobs: Blocks side by side.
        compute: What is done with a block.
    """

    inputs: Mapping[str, Rows]
    size: int
    jobs: int
    compute: Compute

    @property
    def samples(self) -> int:
        """Samples in all."""
        return len(next(iter(self.inputs.values())))

    def results(self, progress: Progress | None = None) -> Iterator[Result]:
        """Yield the result of each block in order, a few of them ahead of who asks."""
        begins = iter(range(0, max(self.samples, 1), self.size))
        pools = local()
        waiting: deque[Future[Result]] = deque()

        def compute(block: Mapping[str, Array]) -> Result:
            if not hasattr(pools, "frames"):
                pools.frames = FramePool()
            return self.compute(block, pools.frames)

        pool = ThreadPoolExecutor(self.jobs)
        try:
            done = 0
            while True:
                while len(waiting) < AHEAD * self.jobs and (begin := next(begins, -1)) >= 0:
                    waiting.append(pool.submit(compute, self._block(begin)))
                if not waiting:
                    return
                result = waiting.popleft().result()
                done = min(done + self.size, self.samples)
                if progress:
                    progress(done, self.samples)
                yield result
        finally:  # also where nobody wants the rest
            pool.shutdown(cancel_futures=True)

    def _block(self, begin: int) -> dict[str, Array]:
        """Read a block; only one thread does, which a file would ask for."""
        return {name: x[begin : begin + self.size] for name, x in self.inputs.items()}
