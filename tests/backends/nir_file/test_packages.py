"""Readers of NIR themselves, on files of ours: docs/nir.md as assertions.

``.ci/peers`` makes the two environments that have the packages: sinabs needs ``nir <= 1.0.4`` and
SpikingJelly ``nir >= 1.0.7``. Elsewhere all of this is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.nir_file import NirBackend
from snnc.backends.nir_file.execution import execute
from snnc.backends.nir_file.neuron_rules import NeuronRule
from snnc.backends.nir_file.program import FILE, NirProgram
from snnc.backends.nir_file.readers import reader
from snnc.compiler.demo import bundled
from snnc.ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape, TensorType
from tests.backends.nir_file.packages import MARKS, MISSING, NAMES, OLD, needs
from tests.spiking_graphs import random_inputs

if MISSING:
    pytest.skip(f"{', '.join(MISSING)} not installed", allow_module_level=True)
pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.nir_readers import child

pytestmark = MARKS

TIMESTEPS = 16
SAMPLES = 24
CORRECTABLE = ("snntorch", "sinabs", "spikingjelly")
HARD = ("norse", "spikingjelly")
"""Readers that reset to a value, which is what the file of ``--reset zero`` means."""

ROUNDED = 1e-5
"""Share of spikes that float32 may change where membranes leak, and so are no whole numbers."""


@dataclass(frozen=True)
class Made:
    """What a package made of a file, or what its rule says it makes of it.

    Attributes:
        spikes: For each node with neurons, ``(samples, timesteps, *shape)``.
        mean: What the output node received per step, ``(samples, outputs)``.
    """

    spikes: Mapping[str, Array]
    mean: Array

    def unlike(self, other: Made) -> float:
        """Return the share of spikes that differ."""
        assert self.spikes.keys() == other.spikes.keys()
        both = [(sent, other.spikes[name]) for name, sent in self.spikes.items()]
        different = sum(np.count_nonzero(sent != wanted) for sent, wanted in both)
        return float(different / sum(sent.size for sent, _ in both))


def package(name: str, program: NirProgram, x: Array, folder: Path, *, corrected: bool) -> Made:
    """Return what a package makes of a file."""
    program.save(folder)
    steps = np.broadcast_to(x[:, None], (len(x), program.timesteps, *x.shape[1:]))
    found = child.run(name, str(folder / FILE), steps, corrected=corrected)
    spikes = {
        node: found[f"spikes.{node}"].reshape(len(x), program.timesteps, *neurons.shape)
        for node, neurons in program.network.neurons.items()
    }
    return Made(spikes, found["output"].mean(axis=1))


def restated(program: NirProgram, x: Array, rule: NeuronRule) -> Made:
    """Return what neurons of some rule make of the same file, in float64."""
    network = program.network
    (source,) = program.layout.inputs.values()
    run = execute(network, {source: x}, program.timesteps, rule)
    (received,) = run.outputs.values()
    return Made(run.spikes, received.mean(axis=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("corrected", [False, True])
def test_a_small_network(name: str, corrected: bool, tmp_path: Path) -> None:
    needs(name)
    graph = chain()
    program = NirBackend("1.0.4" if OLD else "current").lower(graph, 12)
    (x,) = program.encoded(random_inputs(graph, 1, samples=6)).values()
    rule = NeuronRule() if corrected and name in CORRECTABLE else reader(name).rule
    wanted = restated(program, x, rule)
    found = package(name, program, x, tmp_path, corrected=corrected)
    assert any(sent.any() for sent in wanted.spikes.values())
    assert found.unlike(wanted) == 0
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-5, atol=1e-4)


@cache
def lenet(reset: str) -> snnc.Network:
    """Return the bundled LeNet-5 with code ``rate``, for the readers of this environment."""
    demo = bundled()
    network = snnc.compile(
        demo.model,
        target="nir",
        calibration=demo.calibration,
        code="rate",
        timesteps=TIMESTEPS,
        reset=reset,
        nir_version="1.0.4" if OLD else "current",
    )
    assert isinstance(network, snnc.Network)
    return network


@cache
def own(reset: str) -> tuple[NirProgram, Array, Made]:
    """Return LeNet-5 as a program, what its file is fed, and snnc's own run of it."""
    network = lenet(reset)
    program = network.program
    assert isinstance(program, NirProgram)
    digits = bundled().test[:SAMPLES]
    run = network.run(digits, record=True)
    (source,) = network.golden.inputs
    (x,) = program.encoded({source: digits}).values()
    spikes = {nodes[0]: run.spikes[name] for name, nodes in program.layout.populations.items()}
    return program, x, Made(spikes, np.asarray(run.outputs))


def accuracy(made: Made) -> float:
    return float(np.mean(made.mean.argmax(axis=1) == bundled().labels[:SAMPLES]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_lenet_as_the_package_reads_it(name: str, reset: str, tmp_path: Path) -> None:
    """It is what the rule says, and what the file says where its neuron is the reader's."""
    needs(name)
    program, x, ours = own(reset)
    found = package(name, program, x, tmp_path, corrected=False)
    rule = reader(name).rule
    wanted = restated(program, x, rule)
    assert found.unlike(wanted) <= (ROUNDED if rule.decay != 1 else 0)
    assert accuracy(found) == accuracy(wanted)
    meant = name in HARD and reset == "zero"
    assert (found.unlike(ours) == 0) is meant, "docs/nir.md says whose reset is the file's"
    if meant:
        np.testing.assert_allclose(found.mean, ours.mean, rtol=1e-4, atol=1e-4)
        assert accuracy(found) == accuracy(ours)


@pytest.mark.parametrize("name", CORRECTABLE)
def test_lenet_with_corrected_neurons(name: str, tmp_path: Path) -> None:
    needs(name)
    program, x, ours = own("subtract")
    found = package(name, program, x, tmp_path, corrected=True)
    assert found.unlike(ours) == 0
    np.testing.assert_allclose(found.mean, ours.mean, rtol=1e-4, atol=1e-4)
    assert accuracy(found) == accuracy(ours) > 0.9


def chain() -> Graph:
    """Return an image, a convolution, two populations in a row and a readout."""
    rng = np.random.default_rng(0)
    three, one = np.ones((1, 1, 1), int), np.ones(1, int)
    nodes = [
        Input(name="x", type=TensorType((2, 5, 5))),
        Encoder(name="e", inputs=("x",), scale=1 / 64),
        Conv(name="c", inputs=("e",), weight=rng.integers(-99, 100, (3, 2, 3, 3))),
        IF(name="n", inputs=("c",), threshold=999 * three, bias=9 * three, initial=0 * three),
        Reshape(name="f", inputs=("n",), shape=(27,)),
        Linear(name="l", inputs=("f",), weight=rng.integers(-40, 100, (8, 27))),
        IF(name="m", inputs=("l",), threshold=150 * one, bias=5 * one, initial=0 * one),
        Linear(name="k", inputs=("m",), weight=rng.integers(-99, 100, (4, 8))),
        Integrator(name="y", inputs=("k",), bias=np.zeros(4, int), scale=np.ones(4)),
    ]
    return Graph(nodes, {"y": "y"})
