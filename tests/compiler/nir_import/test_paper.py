"""The networks of the NIR paper and the traces that its platforms published for one neuron.

Data: repository neuromorphs/NIR, commit 7232ada, BSD-3-Clause (Pedersen et al., *Neuromorphic
intermediate representation*, Nature Communications 15:8122, 2024). They are not part of this
repository; ``docs/nir_import.md`` has the table that these tests check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc import compile
from snnc.compiler.nir_import import NirOptions, load
from snnc.ir import LIF, Array, Conv, Linear, LoihiLIF, Node
from snnc.ir.reference import State, step

HERE = Path(__file__).parents[3]
DATA = Path(os.environ.get("SNNC_NIR_PAPER", HERE.parent / "shared" / "data" / "nir_paper"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no data of the NIR paper in {DATA}; set SNNC_NIR_PAPER"
)

INPUT = 0.04
"""What one spike adds: dt / tau, 0.0001 s of 0.0025 s. The threshold is 0.1."""


@dataclass(frozen=True)
class Platform:
    """How a platform computes the neuron, and how far we may be from its membrane.

    Attributes:
        discretisation: As in ``NirOptions``.
        reset: Likewise.
        change: What NIR does not say, as fields of the neuron.
        unit: Membranes of the file in one unit of the platform's.
        lag: Steps by which the platform records later.
        tolerance: Largest difference of membranes, in the file's units.
    """

    discretisation: str
    reset: str
    change: Mapping[str, Any]
    unit: float = 1.0
    lag: int = 0
    tolerance: float = 1e-7  # float32 against float64


GAIN = {"gain": np.full(1, INPUT)}

PLATFORMS = {
    # Resets where the membrane crosses the threshold, within the step: no discretisation does.
    "exact": Platform("exact", "subtract", {}, tolerance=1e-3),
    "nengo": Platform("exact", "zero", {}, unit=0.1, tolerance=1e-8),
    "norse": Platform("euler", "zero", {}),
    "snntorch": Platform("euler", "zero", {}, unit=INPUT),
    # Decays exactly and scales its input by Euler's dt / tau.
    "sinabs": Platform("exact", "subtract", GAIN),
    # Compares what the step before left, so a spike and its reset come a step later.
    "spyx": Platform("euler", "subtract", {"reset_delayed": True}),
    # The synapse in front of the neuron takes a step.
    "lava_cpu_float": Platform("euler", "zero", {}, lag=1),
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_membrane_of_a_platform(name: str) -> None:
    platform = PLATFORMS[name]
    options = NirOptions(discretisation=platform.discretisation, reset=platform.reset)
    (neuron,) = load(DATA / "01_lif" / "lif_norse.nir", options).graph.of_type(LIF)
    published = trace(name)
    spikes, membrane = computed(replace(neuron, **platform.change), events())
    steps = len(membrane) - platform.lag
    theirs = published[platform.lag :, 1] * platform.unit
    assert np.abs(membrane[:steps] - theirs).max() <= platform.tolerance
    late = platform.lag + (name == "spyx")
    np.testing.assert_array_equal(
        np.flatnonzero(spikes) + late, np.flatnonzero(published[:, 2] > 0)
    )


@pytest.mark.parametrize("name", ["lava_cpu_fixed", "lava_loihi_fixed"])
def test_the_membrane_in_fixed_point(name: str) -> None:
    """Weight 10 and threshold 25 are the 0.04 and the 0.1 of the file, times 250.

    The decay is 4096 * 0.04, rounded down.
    """
    parameters = {"threshold": 25, "du": 4095, "dv": 163}
    arrays: dict[str, Any] = {key: np.array([value]) for key, value in parameters.items()}
    neuron = LoihiLIF(name="n", inputs=("w",), **arrays)
    published = trace(name)
    spikes, membrane = computed(neuron, (10 * events()).astype(np.int64))
    np.testing.assert_array_equal(np.flatnonzero(spikes) + 1, np.flatnonzero(published[:, 2]))
    theirs = published[1:, 1].copy()
    if "loihi" in name:  # the chip shows 2 * 64 in the step of a spike, where Lava shows 0
        fired = spikes[:-1] > 0
        assert (theirs[fired] == 128).all()
        theirs[fired] = 0
    np.testing.assert_array_equal(membrane[:-1], theirs)


def trace(name: str) -> Array:
    """Return what a platform published: input, membrane and spikes at every step."""
    return np.genfromtxt(DATA / "01_lif" / f"lif_{name}.csv", delimiter=",")


def events() -> Array:
    return trace("norse")[:, 0]


def computed(node: Node, currents: Array) -> tuple[Array, Array]:
    """Return spikes and membrane of one neuron, ``(steps,)`` each."""
    state: State = {}
    spikes, membrane = [], []
    for t, current in enumerate(currents, 1):
        spikes.append(step(node, [current.reshape(1, 1)], state, t).item())
        membrane.append(state["v"].item())
    return np.array(spikes), np.array(membrane)


@pytest.mark.parametrize(("rule", "reset"), [("exact", "subtract"), ("euler", "zero")])
def test_the_network_of_one_neuron_runs(rule: str, reset: str) -> None:
    path = DATA / "01_lif" / "lif_norse.nir"
    network = compile(path, timesteps=1000, discretisation=rule, reset=reset)
    result = network.run(events().reshape(1, -1, 1).astype(np.float32))
    counts = result.decoded["output"].reshape(-1)
    np.testing.assert_array_equal(counts, trace("norse")[:, 2].cumsum())


def test_the_cnn_is_that_of_a_loop_in_torch() -> None:
    """Neurons of sinabs 0.2 subtract their threshold; here once a step at most."""
    torch = pytest.importorskip("torch")
    path, steps = DATA / "02_cnn" / "cnn_sinabs.nir", 12
    network = compile(path, timesteps=steps)
    assert [text.split(":")[0] for text, _ in network.report["warnings"]] == [
        "spikes subtract the threshold",
        "1 and 4 more",
    ]
    x = (np.random.default_rng(0).random((2, steps, 2, 34, 34)) < 0.1).astype(np.float32)
    found = network.run(x).decoded["output"][:, -1]
    synapses = (*network.graph.of_type(Conv), *network.graph.of_type(Linear))
    weight = {node.name: torch.tensor(node.weight) for node in synapses}
    membranes: dict[str, Any] = {}

    def fire(name: str, current: Any) -> Any:
        v = membranes.get(name, 0) + current
        fires = (v > 1).double()
        membranes[name] = v - fires
        return fires

    def pooled(y: Any) -> Any:
        return 4 * torch.nn.functional.avg_pool2d(y, 2)

    counts = 0
    conv, linear = torch.nn.functional.conv2d, torch.nn.functional.linear
    for t in range(steps):
        y = fire("1", conv(torch.tensor(x[:, t]).double(), weight["0"], stride=2, padding=1))
        y = pooled(fire("3", conv(y, weight["2"], padding=1)))
        y = pooled(fire("6", conv(y, weight["5"], padding=1)))
        y = fire("10", linear(y.flatten(1), weight["9"]))
        counts = counts + fire("12", linear(y, weight["11"]))
    assert found.sum() > 5
    np.testing.assert_array_equal(found, np.asarray(counts))
