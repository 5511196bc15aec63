"""``verify`` compares everything, and names the earliest difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends import Program, Result
from snnc.backends.base import UNLIMITED, Progress, Rows
from snnc.backends.comparison import Difference
from snnc.backends.resources import Resources
from snnc.compiler.data import load_samples
from snnc.compiler.verify import verify
from snnc.ir import Array, Graph
from snnc.ir.errors import ArtifactError

Change = Callable[[dict[str, Array], dict[str, Array]], None]


@dataclass(frozen=True)
class Perturbed:
    """A program whose payloads and outputs are changed after the run."""

    program: Program
    change: Change

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @property
    def timesteps(self) -> int:
        return self.program.timesteps

    @property
    def depth_latency(self) -> int:
        return self.program.depth_latency

    def latency_steps(self, elements: int = 1) -> int:
        return self.program.latency_steps(elements)

    def run(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Result:
        result = self.program.run(inputs, record=record, progress=progress)
        spikes = {name: sent.astype(np.int64) for name, sent in result.spikes.items()}
        decoded = {name: trace.copy() for name, trace in result.decoded.items()}
        self.change(spikes, decoded)
        return replace(result, spikes=spikes, decoded=decoded)

    def stream(
        self,
        inputs: Mapping[str, Rows],
        *,
        record: bool = False,
        progress: Progress | None = None,
        resources: Resources = UNLIMITED,
    ) -> Iterator[Result]:
        yield self.run(inputs, record=record, progress=progress)

    def save(self, folder: Path) -> None:
        self.program.save(folder)


def perturbed(artifact: Path, change: Change) -> snnc.Network:
    network = snnc.load(artifact)
    return replace(network, program=Perturbed(network.program, change))


def test_everything_is_compared(artifact: Path) -> None:
    network = snnc.load(artifact)
    found = verify(network)
    assert found.equal
    assert found.first_difference is None
    assert found.samples == 4
    assert found.outputs_compared == 4 * 4 * 3  # samples, steps, classes
    assert found.spike_counts_compared == 4 * 4 * (2 * 6 * 6 + 2 * 3 * 3)


def test_the_first_difference_is_the_earliest_sample_then_step_then_node(artifact: Path) -> None:
    def change(spikes: dict[str, Array], decoded: dict[str, Array]) -> None:
        spikes["r"][3, 0, 0, 0, 0] += 1  # earlier step, later sample
        spikes["p"][2, 1, 1, 2, 0] += 5
        spikes["r"][2, 1, 1, 4, 2] += 7  # same sample and step, earlier node
        spikes["r"][2, 2, 0, 0, 0] += 1
        decoded["y"][2, 1, 0] += 1

    network = perturbed(artifact, change)
    expected = float(network.golden.spikes["r"][2, 1, 1, 4, 2])
    found = verify(network).first_difference
    assert found == Difference(2, "r", (1, 4, 2), 2, expected, expected + 7)


@pytest.mark.parametrize("unit", [1, -1])
def test_a_single_unit_or_the_last_bit_is_seen(artifact: Path, unit: int) -> None:
    def spike(spikes: dict[str, Array], decoded: dict[str, Array]) -> None:
        spikes["p"][-1, -1, -1, -1, -1] += unit

    def bit(spikes: dict[str, Array], decoded: dict[str, Array]) -> None:
        last = decoded["y"][-1, -1, -1:]
        last[:] = np.nextafter(last, np.float32(unit * np.inf))

    for change in (spike, bit):
        network = perturbed(artifact, change)
        found = verify(network)
        assert not found.equal
        assert found.first_difference is not None
        assert (found.first_difference.sample, found.first_difference.step) == (3, 4)


def test_an_output_is_named_by_its_node(artifact: Path) -> None:
    def change(spikes: dict[str, Array], decoded: dict[str, Array]) -> None:
        decoded["y"][0, 0, 0] = np.nan

    network = perturbed(artifact, change)
    found = verify(network).first_difference
    assert found is not None
    assert found.node == network.graph.outputs["y"]


def test_real_outputs_may_differ_in_the_order_of_additions(
    model_file: Path, data_file: Path, tmp_path: Path
) -> None:
    real = snnc.compile(model_file, calibration=data_file, weight_bits=None).save(tmp_path / "o")

    def scaled(factor: float) -> Change:
        def change(spikes: dict[str, Array], decoded: dict[str, Array]) -> None:
            decoded["y"] *= np.float32(factor)

        return change

    assert verify(snnc.load(real)).equal
    assert verify(perturbed(real, scaled(1 + 5e-7))).equal
    assert not verify(perturbed(real, scaled(1 + 5e-6))).equal


def test_other_samples_are_compared_with_the_reference(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    found = verify(network, load_samples(data_file, network.graph))
    assert (found.equal, found.samples, found.compared_with) == (True, 16, "reference")


def test_other_targets_are_compared_with_the_simulator(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    found = verify(network, load_samples(data_file, network.graph), executed_on="chip")
    assert (found.equal, found.samples, found.compared_with) == (True, 20, "simulator")


def test_golden_data_of_another_network_are_refused(artifact: Path) -> None:
    network = snnc.load(artifact)
    golden = network.golden
    other = replace(golden, spikes={"other": golden.spikes["r"]})
    with pytest.raises(ArtifactError, match="'other', which is no node"):
        verify(replace(network, artifact=replace(network.artifact, golden=other)))
    other = replace(golden, spikes={"r": golden.spikes["r"][:, 1:]})
    with pytest.raises(ArtifactError, match=r"golden.npz holds \(4, 3, 2, 6, 6\)"):
        verify(replace(network, artifact=replace(network.artifact, golden=other)))
