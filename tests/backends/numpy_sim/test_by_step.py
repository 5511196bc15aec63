"""A synapse by itself delivers in every step what the reference says."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.numpy_sim.by_step import SynapseByStep
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.ir import Array, Conv, Linear, reference

PAYLOADS = ((0, 0), (0, 1), (0, 15), (0, 255), (-1, 1), (-128, 127), (-300, 20), (0, 70_000))


def random_synapse(rng: np.random.Generator, largest: int) -> tuple[Conv | Linear, tuple[int, ...]]:
    """Return a synapse with integer weights, and the shape of what it reads."""
    copies = int(rng.integers(1, 4))
    if rng.random() < 0.3:
        inputs, out = rng.integers(1, 40, 2)
        weight = rng.integers(-largest, largest + 1, (out, inputs))
        return Linear(name="s", weight=weight, copies=copies), (int(inputs),)
    groups, each, out = (int(size) for size in rng.integers(1, 5, 3))
    if rng.random() < 0.3:
        each = out = 1
    height, width, rows, columns = (
        int(size) for size in (*rng.integers(5, 9, 2), *rng.integers(1, 4, 2))
    )
    top, left, bottom, right = (int(size) for size in rng.integers(0, 3, 4))
    node = Conv(
        name="s",
        weight=rng.integers(-largest, largest + 1, (groups * out, each, rows, columns)),
        stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        padding=(top, left, bottom, right),
        dilation=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        groups=groups,
        copies=copies,
    )
    return node, (groups * each, height, width)


def expected(node: Conv | Linear, payloads: Array) -> Array:
    return np.asarray(reference.step(node, [payloads[None]], {}, 1)[0])


@pytest.mark.parametrize("largest", [127, 5000])
@pytest.mark.parametrize("compiled", [True, False])
def test_integers_are_those_of_the_reference(
    compiled: bool, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(library, "library", lambda: None)
    rng = np.random.default_rng(largest)
    for _ in range(30):
        node, shape = random_synapse(rng, largest)
        synapse = SynapseByStep(node, shape)
        for low, high in PAYLOADS:  # one after the other: nothing of a step may be left
            drawn = rng.integers(low, high + 1, shape) * (rng.random(shape) < rng.random())
            found = synapse.currents(drawn.astype(np.int32))
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, expected(node, drawn))


@pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")
def test_payloads_of_a_byte_run_on_the_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    original = NativeSynapse.summed

    def spy(self: NativeSynapse, method: int, *arguments: object) -> Array:
        ran.append(method)
        return original(self, method, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(NativeSynapse, "summed", spy)
    node = Conv(name="s", weight=np.full((4, 4, 3, 3), 3))
    synapse = SynapseByStep(node, (4, 8, 8))
    few = np.zeros((4, 8, 8), np.int32)
    few[1, 2, 3] = 1
    for payloads in (few, -few, 255 * few):
        np.testing.assert_array_equal(synapse.currents(payloads), expected(node, payloads))
    assert ran == 3 * [library.EVENTS]
    synapse.currents(256 * few)
    synapse.currents(0 * few)
    assert len(ran) == 3


def test_sums_beyond_32_bits() -> None:
    node = Linear(name="s", weight=np.full((1, 20_000), 127, np.int8), copies=8)
    payloads = np.full(20_000, 255)
    assert SynapseByStep(node, (20_000,)).currents(payloads) == 255 * 127 * 8 * 20_000


def test_real_weights_are_multiplied_in_double_precision() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        node, shape = random_synapse(rng, 100)
        node = type(node)(**{**vars(node), "weight": node.weight / 7})
        synapse = SynapseByStep(node, shape)
        for payloads in (rng.normal(0, 1, shape), np.zeros(shape)):
            found = synapse.currents(payloads)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, expected(node, payloads), rtol=1e-12, atol=1e-9)
