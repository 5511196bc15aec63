"""What is on an edge of a network while a block of samples is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir import Array
from .frames import FrameLayout, FramePool, Frames, filled


@dataclass
class Payloads:
    """Payloads or values of some samples at each step, or at one if they never change.

    Attributes:
        whole: ``(steps, samples, *shape)``, or None where there are frames only.
        frames: The same as the compiled kernels read them, or None.
        density: The share of payloads that are not 0.
    """

    whole: Array | None = None
    frames: Frames | None = None
    density: float = 1.0

    @property
    def steps(self) -> int:
        """T, or 1."""
        return len(self.whole) if self.whole is not None else self._framed.data.shape[1]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.whole.shape[1] if self.whole is not None else len(self._framed.data)

    @property
    def _framed(self) -> Frames:
        assert self.frames is not None
        return self.frames

    def array(self, shape: tuple[int, ...]) -> Array:
        """Return them as ``(steps, samples, *shape)``."""
        if self.whole is None:
            self.whole = self._framed.payloads()
        return self.whole.reshape(*self.whole.shape[:2], *shape)

    def laid_out(self, layout: FrameLayout, pool: FramePool) -> Frames:
        """Return them for the compiled kernels."""
        if self.frames is None:
            assert self.whole is not None
            self.frames = filled(pool.take(layout, self.samples, self.steps), self.whole)
        return self.frames

    def release(self, pool: FramePool) -> None:
        """Forget them: nobody reads them any more."""
        if self.frames is not None:
            pool.give_back(self.frames)
        self.whole = self.frames = None
