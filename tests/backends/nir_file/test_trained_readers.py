"""The rules of readers for trained networks; ``test_trained_packages`` has the packages."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.nir_file import NirBackend
from snnc.backends.nir_file.divergence import OWN, Reading
from snnc.backends.nir_file.nodes import Neuron
from snnc.backends.nir_file.readers import READERS
from snnc.backends.nir_file.trained_divergence import trained_readings
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir import LI, Graph, Linear
from tests.backends.nir_file.trained import HIDDEN, SAMPLES, STEPS, Trained, spikes_in

LABELS = np.arange(SAMPLES) % 2


def read(made: Trained, **settings: str) -> dict[str, Reading]:
    program = made.program(**settings)
    inputs = {"x": spikes_in(made.graph)}
    found = trained_readings(program, inputs, LABELS)
    assert [each.reader for each in found] == [OWN, *(each.name for each in READERS)]
    counted = program.run(inputs).activity
    for name, rate in found[0].rates.items():
        steps = SAMPLES * program.timesteps * made.graph.types[name].size
        assert rate == pytest.approx(counted[name].spikes.sum() / steps)
    return {each.reader: each for each in found}


def alike(found: dict[str, Reading]) -> set[str]:
    """Return who does what the network does, spike for spike."""
    same = {name for name, each in found.items() if each.unlike == 0}
    assert all(not found[name].correction for name in same)
    assert all(found[name].rates == found[OWN].rates for name in same)
    return same - {OWN}


pytest.importorskip("h5py", reason="the extra nir is not installed")

SPEC = "NIR, current spec"


@pytest.mark.parametrize(
    ("made", "same"),
    [
        (Trained(), [SPEC, "snntorch", "spikingjelly"]),
        (Trained(gain=0.2), [SPEC, "snntorch", "spikingjelly", "norse"]),
        (Trained(kind="CubaLIF", loop=True), [SPEC, "snntorch", "spikingjelly", "norse"]),
        (Trained(kind="CubaLIF", gain=0.2), [SPEC, "norse"]),
        (Trained(kind="IF"), [SPEC, "norse"]),
        (Trained(reset="subtract"), ["NIR, old spec"]),
        (Trained(reset="subtract", delayed=True), []),
    ],
    ids=str,
)
def test_who_reads_what_the_file_means(made: Trained, same: list[str]) -> None:
    assert alike(read(made)) == set(same)


def test_what_is_not_read_is_said() -> None:
    found = read(Trained(kind="CubaLIF", gain=0.2))
    assert found["lava"].refused.endswith("compile with --target lava")
    assert "r = tau_mem / 1e-4" in found["snntorch"].refused
    assert "r = tau_mem / dt" in found["spikingjelly"].refused
    assert "leaves CubaLIF out without a word" in found["sinabs"].refused
    for each in found.values():
        if each.refused:
            assert (each.basis, each.rates, each.agreement) == ("not known", {}, None)
    each_its_own = read(Trained(each=True))
    assert "one r for all neurons" in each_its_own["spikingjelly"].refused
    assert each_its_own["snntorch"].unlike == 0
    image = read(Trained(image=True))
    assert "vectors only" in image["sinabs"].refused
    old = read(Trained(loop=True), version="1.0.4")
    assert "no loops with nir 1.0.4" in old["snntorch"].refused
    assert read(Trained(), version="1.0.4")["snntorch"].unlike == 0


def test_linear_maps_in_a_row_need_no_neuron_between_them() -> None:
    """Readers have no ``LI``: what only stands between two of them is an edge."""
    rng = np.random.default_rng(5)
    first, second = Trained(), rng.normal(0.2, 0.7, (HIDDEN, 6))
    nodes = {node.name: node for node in first.graph}
    wide = Linear(name="w", inputs=("e",), weight=rng.normal(0.2, 0.7, (6, 5)))
    passed = LI(name="p", inputs=("w",), decay=np.zeros(1))
    nodes["a"] = Linear(name="a", inputs=("p",), weight=second)
    order = ["x", "e", *(name for name in nodes if name not in ("x", "e"))]
    graph = Graph(
        [*(nodes[name] for name in order[:2]), wide, passed, *(nodes[n] for n in order[2:])],
        {"y": "m"},
    )
    program = NirBackend().lower(graph, STEPS)
    kinds = [node.kind for node in program.network.nodes.values() if isinstance(node, Neuron)]
    assert kinds == ["LIF", "LIF"]
    inputs = {"x": spikes_in(graph)}
    wanted = NumpyBackend().lower(graph, STEPS).run(inputs, record=True)
    found = program.run(inputs, record=True)
    np.testing.assert_array_equal(found.activity["a"].synops, wanted.activity["a"].synops)
    for name, sent in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], sent)
        assert sent.any()


def test_norse_leaves_r_out() -> None:
    """So a gain of 1 is one of 1 - decay, a fifth of what the network receives."""
    found = read(Trained())
    assert found["norse"].rates["n"] < found[OWN].rates["n"] / 2
    assert "multiply what comes into LIFBoxCell by r" in found["norse"].correction
