"""Events are counted exactly: at every level of instructions, for any payload and fan-out."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.counting import activity
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.frames import FrameLayout, FramePool, filled
from snnc.backends.numpy_sim.native.traffic import Traffic
from snnc.ir import Array

pytestmark = pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")

LAYOUTS = {
    "a vector": FrameLayout((84, 1, 1), payload=(0, 1)),
    "one byte": FrameLayout((1, 1, 1), payload=(-1, 1)),
    "an odd image": FrameLayout((3, 7, 5), (1, 2, 0, 3), (0, 1)),
    "signed": FrameLayout((6, 13, 9), (2, 2, 2, 2), (-1, 1)),
    "graded": FrameLayout((5, 11, 11), (0, 0, 1, 1), (-127, 127)),
    "graded without sign": FrameLayout((5, 11, 11), (1, 0, 1, 0), (0, 255)),
    "longer than a piece": FrameLayout((70, 31, 33), (1, 1, 1, 1), (-128, 127)),
}


def drawn(layout: FrameLayout, rng: np.random.Generator) -> Array:
    """Payloads ``(steps, samples, *shape)``; some frames are silent, some full and extreme."""
    least, most = layout.payload
    payloads = rng.integers(least, most + 1, (4, 2, *layout.shape)).astype(np.int16)
    payloads[rng.random(payloads.shape) < 0.7] = 0
    payloads[1, 0], payloads[2, 1], payloads[3, 1] = 0, most, least
    return payloads


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("kind", LAYOUTS)
def test_counts_are_those_of_numpy(kind: str) -> None:
    layout, rng = LAYOUTS[kind], np.random.default_rng(5)
    payloads = drawn(layout, rng)
    reaches = [
        rng.integers(0, 2, layout.shape),
        rng.integers(0, 1 << 14, layout.shape),
        rng.integers(0, 1 << 24, layout.shape),  # three digits and more
        np.full(layout.shape, 16383),
        np.full(layout.shape, 0),
    ]
    graded = max(map(abs, layout.payload)) > 1
    frames = filled(FramePool().take(layout, 2, 4), payloads)
    counts = Traffic(layout, reaches, graded=graded).count(frames)
    sent, *felt = activity(payloads, reaches)
    np.testing.assert_array_equal(counts[0], [sent.spikes, sent.units])
    for got, expected in zip(counts[1:], felt, strict=True):
        np.testing.assert_array_equal(got, [expected.synops, expected.unit_synops])


@pytest.mark.usefixtures("level")
def test_an_edge_without_readers_is_counted() -> None:
    layout = LAYOUTS["an odd image"]
    payloads = drawn(layout, np.random.default_rng(6))
    frames = filled(FramePool().take(layout, 2, 4), payloads)
    counts = Traffic(layout, [], graded=False).count(frames)
    assert counts.shape == (1, 2, 2, 4)
    np.testing.assert_array_equal(counts[0, 0], np.count_nonzero(payloads, axis=(2, 3, 4)).T)
