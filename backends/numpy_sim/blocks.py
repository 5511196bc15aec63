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
from ..sample_blocks import blocks, number_of_samples
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
        return number_of_samples(self.inputs)

    def results(self, progress: Progress | None = None) -> Iterator[Result]:
        """Yield the result of each block in order, a few of them ahead of who asks."""
        ahead = blocks(self.inputs, self.size)  # only this thread reads, which a file would ask for
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
                while len(waiting) < AHEAD * self.jobs and (block := next(ahead, None)) is not None:
                    waiting.append(pool.submit(compute, block))
                if not waiting:
                    return
                result = waiting.popleft().result()
                done = min(done + self.size, self.samples)
                if progress:
                    progress(done, self.samples)
                yield result
        finally:  # also where nobody wants the rest
            pool.shutdown(cancel_futures=True)
