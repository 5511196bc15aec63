"""The rules of readers against traces computed by hand; ``test_packages.py`` has the packages."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.nir_file import NirBackend
from snnc.backends.nir_file.divergence import OWN, readings
from snnc.backends.nir_file.neuron_rules import NeuronRule
from snnc.backends.nir_file.readers import READERS, reader
from tests.backends.nir_file.graphs import nir_graph
from tests.spiking_graphs import random_inputs


def sent(rule: NeuronRule, currents: list[float]) -> list[float]:
    v = np.zeros(1)
    spikes = []
    for current in currents:
        each, v = rule.step(v, np.array([current]), 1.0, 0.0)
        spikes.append(float(each[0]))
    return spikes


def rate(rule: NeuronRule, current: float) -> float:
    return sum(sent(rule, [current] * 100)) / 100


# x: NIR 1.0.8, NIR <= 1.0.4, SpikingJelly, sinabs, snnTorch; worked out on paper, not from a run.
# With decay 0.9 a membrane tends to 10 x and so never passes 1 at x = 0.05 (0.5).
RATES = {
    0.05: (0.04, 0.04, 0.05, 0.05, 0.00),
    0.25: (0.20, 0.24, 0.25, 0.25, None),
    0.50: (0.33, 0.49, 0.50, 0.50, None),
    0.75: (0.50, 0.74, 0.50, 0.75, None),
    1.00: (0.50, 0.99, 1.00, 1.00, None),
    1.75: (1.00, 1.00, 1.00, 1.75, None),
}
NAMES = ("NIR, current spec", "NIR, old spec", "spikingjelly", "sinabs", "snntorch")


@pytest.mark.parametrize("current", RATES)
def test_rates_for_a_constant_input(current: float) -> None:
    for name, wanted in zip(NAMES, RATES[current], strict=True):
        if wanted is not None:
            # 0.05 is no binary fraction: the 20th sum may be a little above or below 1
            slack = 0.011 if current == 0.05 else 1e-9
            assert rate(reader(name).rule, current) == pytest.approx(wanted, abs=slack), name


def test_traces_worked_out_by_hand() -> None:
    currents = [0.75, 0.75, 0.75, -3.0, 2.5, 0.5]
    # v: .75 | 1.5 -> .5 | 1.25 -> .25 | -2.75 | -.25 | .25
    assert sent(NeuronRule(), currents) == [0, 1, 1, 0, 0, 0]
    # v: .75 | 1.5 -> 0 | .75 | -2.25 | .25 | .75
    assert sent(NeuronRule(reset="value"), currents) == [0, 1, 0, 0, 0, 0]
    # v: .75 | 1.5 -> .5 | 1.25 -> .25 | -2.75 -> -1 | 1.5 -> .5 | 1.0 -> 0
    assert sent(reader("sinabs").rule, currents) == [0, 1, 1, 0, 1, 1]
    # v: 2.5 -> .5 (two spikes)
    assert sent(reader("sinabs").rule, [2.5]) == [2]
    # v at the threshold: NIR waits, SpikingJelly does not
    assert sent(reader("NIR, current spec").rule, [1.0]) == [0]
    assert sent(reader("spikingjelly").rule, [1.0]) == [1]
    # snnTorch, v: 3 -> 2; 1.8 + .5 - 1 = 1.3 fires, stays 1.3; 1.17 + .5 - 1 = .67 silent, +1
    # = 1.67; 1.503 + .5 - 1 = 1.003 fires
    assert sent(reader("snntorch").rule, [3.0, 0.5, 0.5, 0.5]) == [1, 1, 0, 1]


def test_the_table_begins_with_the_network_itself() -> None:
    pytest.importorskip("h5py", reason="the extra nir is not installed")
    graph = nir_graph(4)
    program = NirBackend().lower(graph, 20)
    inputs = random_inputs(graph, 4, samples=12)
    labels = program.run(inputs).decoded["y"][:, -1].argmax(axis=1)
    own, *others = readings(program, inputs, labels)
    assert (own.reader, own.agreement, own.accuracy) == (OWN, 1.0, 1.0)
    counted = program.run(inputs).activity
    for name, found in own.rates.items():
        neurons = graph.types[name].size * 12 * 20
        assert found == pytest.approx(counted[name].spikes.sum() / neurons)
    assert [each.reader for each in others] == [each.name for each in READERS]
    by_name = {each.reader: each for each in others}
    old = by_name["NIR, old spec"]
    assert old.rates == own.rates, "soft reset, and no membrane is on its threshold"
    assert by_name["NIR, current spec"].rates != own.rates
    assert by_name["lava"].rates != by_name["norse"].rates, "Lava's script drops biases"
