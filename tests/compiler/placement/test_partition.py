"""Partitions keep every limit, hold every neuron once, and count what really is connected."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import pytest

from snnc.backends.chips import CHIPS, LOIHI1, LOIHI2, Chip, SynapseRows
from snnc.compiler.placement import fit
from snnc.compiler.placement.activity import assumed_activity
from snnc.compiler.placement.fit import cut_into_cores
from snnc.compiler.placement.layers import Layer, Projection, layers
from snnc.compiler.placement.memory import need, row_words
from snnc.compiler.placement.partition import Core, partition, sizes
from snnc.compiler.placement.traffic import traffic
from snnc.ir import (
    IF,
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Rearrange,
    Reshape,
    TensorType,
    TrackingIF,
)
from tests.spiking_graphs import random_graph

SEEDS = range(8)


def small(chip: Chip, **values: int) -> Chip:
    """Return a chip with other limits."""
    return replace(
        chip, **{name: replace(getattr(chip, name), value=v) for name, v in values.items()}
    )


SMALL = {
    "loihi1": small(LOIHI1, neurons=24, synaptic_memory=1200, axons_in=600, axons_out=150),
    "loihi2": small(LOIHI2, neurons=23, synaptic_memory=900, axons_in=500),
}


@pytest.mark.parametrize("chip", SMALL)
@pytest.mark.parametrize("seed", SEEDS)
def test_limits_are_kept(seed: int, chip: str) -> None:
    limits = SMALL[chip]
    parts = layers(random_graph(seed), limits)
    cores, problems = cut_into_cores(parts, limits)
    broken = {problem.message.split(":")[0] for problem in problems}
    out = traffic(parts, cores, assumed_activity(parts)).axons_out(len(cores))
    kept = [number for number, c in enumerate(cores) if parts[c.layer].name not in broken]
    assert kept
    for number in kept:
        taken = cores[number].need
        assert taken.neurons <= limits.neurons.value
        assert taken.words <= limits.synaptic_memory.value
        assert taken.axons_in <= limits.axons_in.value
        if limits.axons_out:
            assert out[number] <= limits.axons_out.value


@pytest.mark.parametrize("chip", SMALL)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_neuron_is_on_one_core(seed: int, chip: str) -> None:
    parts = layers(random_graph(seed), SMALL[chip])
    cores, _ = partition(parts, SMALL[chip])
    held = {layer.name: np.zeros(layer.shape, int) for layer in parts}
    for core in cores:
        block = core.block
        inside = slice(*block.channels), slice(*block.rows), slice(*block.columns)
        held[parts[core.layer].name][inside] += 1
    assert all((count == 1).all() for count in held.values())
    assert [layer.first for layer in parts] == list(
        np.cumsum([0, *(layer.size for layer in parts[:-1])])
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_connections_are_those_of_the_windows(seed: int) -> None:
    """Axons, rows and traffic against a walk over every single synapse."""
    chip = SMALL["loihi1"]
    parts = layers(random_graph(seed), chip)
    cores, _ = partition(parts, chip)
    events = np.random.default_rng(seed).random(parts[-1].first + parts[-1].size)
    found = traffic(parts, cores, events)
    home = homes(parts, cores)
    sent: defaultdict[tuple[int, int], float] = defaultdict(float)
    axons: defaultdict[tuple[int, int], int] = defaultdict(int)
    for target, core in enumerate(cores):
        words = inputs = 0
        for projection in parts[core.layer].projections:
            rows = walk(projection, parts[core.layer], core)
            inputs += len(rows)
            words += sum(words_of(projection, parts[core.layer], core, n) for n in rows.values())
            for neuron in rows:
                sent[home[neuron], target] += events[neuron]
                axons[home[neuron], target] += 1
        assert (core.need.axons_in, core.need.words) == (inputs, words)
    flows: defaultdict[tuple[int, int], float] = defaultdict(float)
    numbers: defaultdict[tuple[int, int], int] = defaultdict(int)
    for index, pair in enumerate(zip(found.source.tolist(), found.target.tolist(), strict=True)):
        flows[pair] += found.events[index]
        numbers[pair] += int(found.axons[index])
    assert numbers == axons
    assert flows == pytest.approx(sent)


def homes(parts: tuple[Layer, ...], cores: tuple[Core, ...]) -> dict[int, int]:
    """Return the core of each neuron."""
    found = {}
    for number, core in enumerate(cores):
        layer = parts[core.layer]
        index = np.arange(layer.first, layer.first + layer.size).reshape(layer.shape)
        block = core.block
        inside = index[slice(*block.channels), slice(*block.rows), slice(*block.columns)]
        found.update(dict.fromkeys(inside.ravel().tolist(), number))
    return found


def walk(projection: Projection, layer: Layer, core: Core) -> dict[int, int]:
    """Return for each neuron that reaches a core its number of synapses there."""
    found: defaultdict[int, int] = defaultdict(int)
    size = layer.shape[0] // projection.groups
    per_group = projection.inputs_per_group
    rows, columns = projection.rows, projection.columns
    block = core.block
    for channel, y, x in product(*(range(*r) for r in (block.channels, block.rows, block.columns))):
        first = channel // size * per_group
        for source, i, j in product(
            range(first, first + per_group), range(rows.kernel), range(columns.kernel)
        ):
            row = y * rows.stride - rows.before + i * rows.dilation
            column = x * columns.stride - columns.before + j * columns.dilation
            if 0 <= row < rows.size and 0 <= column < columns.size:
                found[int(projection.source[source, row, column])] += 1
    return found


def words_of(projection: Projection, layer: Layer, core: Core, synapses: int) -> int:
    """Return the words of one row on Loihi 1 for weights of up to 8 bits."""
    storage = LOIHI1.storage
    assert isinstance(storage, SynapseRows)
    held = core.block.neurons * layer.weight
    index = 0 if held == 1 else max(6, ceil(np.log2(held)))
    weight = 8 if projection.weight_bits > 6 else projection.weight_bits
    return row_words(synapses * projection.copies, weight + index, storage)


def test_sizes_of_parts() -> None:
    for length in range(1, 60):
        expected = sorted({ceil(length / parts) for parts in range(1, length + 1)}, reverse=True)
        assert sizes(length) == expected


def test_a_row_of_synapses() -> None:
    """64 synapses of 8 + 9 bits and a header of 10 are 1098 bits, 18 words; 6 more are 112, 2."""
    storage = LOIHI1.storage
    assert isinstance(storage, SynapseRows)
    assert row_words(70, 17, storage) == 18 + 2


def population(name: str, **settings: Any) -> IF:
    one = np.ones(1, np.int64)
    synapse = (f"{name}.synapse",)
    return IF(name=name, inputs=synapse, threshold=one, bias=0 * one, initial=0 * one, **settings)


def dense(inputs: int, outputs: int, weight: Array | None = None) -> Graph:
    full = np.full((outputs, inputs), 100, np.int8) if weight is None else weight
    return Graph(
        [
            Input(name="x", type=TensorType((inputs,))),
            Encoder(name="e", inputs=("x",), scale=1.0),
            Linear(name="n.synapse", inputs=("e",), weight=full),
            population("n", max_negative=1),
        ],
        {"y": "n"},
    )


def test_all_violations_at_once_each_with_a_cure() -> None:
    found = fit(dense(20_000, 3), LOIHI1, chips=1)
    expected = {
        "e: injects negative events": "--chip loihi2",
        "n: sends negative events": "--code rate",
        "n: one of its neurons needs 20,000 words of synaptic memory": "at most 16,384 of",
        "n: one of its neurons needs 20,000 input axons": "at most 4,096 of",
    }
    assert len(found.problems) == len(expected)
    for beginning, cure in expected.items():
        (problem,) = [p for p in found.problems if p.message.startswith(beginning)]
        assert cure in problem.hint
    assert not found.fits


def test_a_layer_is_cut_finer_until_its_output_axons_suffice() -> None:
    """20 neurons on cores of 4: each of the 6 that send needs 5 axons, so 2 share a core."""
    graph = dense(6, 20)
    chip = small(LOIHI2, neurons=4)
    plenty = replace(chip, axons_out=replace(chip.axons_in, value=12))
    parts = layers(graph, plenty)
    cores, problems = cut_into_cores(parts, plenty)
    assert not problems
    assert [core.block.neurons for core in cores if core.layer == 0] == [2, 2, 2]
    few = replace(chip, axons_out=replace(chip.axons_in, value=4))
    _, (problem,) = cut_into_cores(parts, few)
    assert problem.message.startswith("e: one of its neurons reaches more than the 4 cores")


def test_real_weights_and_payloads_do_not_fit() -> None:
    real = dense(4, 2, np.full((2, 4), 0.5))
    messages = [problem.message for problem in fit(real, LOIHI2).problems]
    assert messages == ["n.synapse: has real weights, and Loihi 2 holds integers of up to 8 bits"]


def test_too_many_chips_and_the_bits_that_would_cure_it() -> None:
    one = np.full((64, 64, 3, 3), 100, np.int8)
    graph = Graph(
        [
            Input(name="x", type=TensorType((64, 4, 4))),
            Encoder(name="e", inputs=("x",), scale=1.0),
            Conv(name="n.synapse", inputs=("e",), weight=one, padding=(1, 1, 1, 1)),
            population("n"),
            Conv(name="l", inputs=("n",), weight=np.ones((1, 64, 4, 4), np.int8)),
            Integrator(name="y", inputs=("l",), bias=np.zeros(1, np.int64), scale=np.ones(1)),
        ],
        {"y": "y"},
    )
    chip = small(LOIHI2, cores=3, synaptic_memory=2400)
    (problem,) = fit(graph, chip, chips=1).problems
    assert "the network takes" in problem.message
    assert problem.hint.startswith("compile with --weight-bits 4")
    assert "--chips" in problem.hint
    assert fit(graph, chip, chips=2).fits


def test_views_know_which_neuron_sends() -> None:
    nodes = [
        Input(name="x", type=TensorType((2, 2, 3))),
        Encoder(name="a", inputs=("x",), scale=1.0),
        Encoder(name="b", inputs=("x",), scale=1.0),
        Concat(name="both", inputs=("b", "a")),
        Reshape(name="flat", inputs=("both",), shape=(24,)),
        Linear(name="n.synapse", inputs=("flat",), weight=np.ones((1, 24), np.int8)),
        population("n"),
    ]
    layer = layers(Graph(nodes, {"y": "n"}), LOIHI2)[-1]
    assert layer.projections[0].source.ravel().tolist() == [*range(12, 24), *range(12)]


def test_values_in_another_order_know_which_neuron_sends() -> None:
    nodes = [
        Input(name="x", type=TensorType((2, 3))),
        Encoder(name="a", inputs=("x",), scale=1.0),
        Rearrange(name="turned", inputs=("a",), split=(2, 3), order=(1, 0), shape=(6,)),
        Linear(name="n.synapse", inputs=("turned",), weight=np.ones((1, 6), np.int8)),
        population("n"),
    ]
    layer = layers(Graph(nodes, {"y": "n"}), LOIHI2)[-1]
    assert layer.projections[0].source.ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_a_max_pool_keeps_a_sum_for_each_element() -> None:
    nodes = [
        Input(name="x", type=TensorType((2, 4, 4))),
        Encoder(name="e", inputs=("x",), scale=1.0),
        MaxPool(name="p", inputs=("e",), kernel=(2, 2), stride=(2, 2)),
        Conv(name="n.synapse", inputs=("p",), weight=np.ones((1, 2, 1, 1), np.int8)),
        population("n"),
    ]
    graph = Graph(nodes, {"y": "n"})
    pool = layers(graph, LOIHI2)[1]
    assert pool.weight == 3, "5 sums of 24 bits are 120, and a neuron has 48"
    assert any("max pool" in problem.message for problem in fit(graph, LOIHI1).problems)


def test_a_tracking_neuron_counts_twice() -> None:
    """64 bits of drive and 24 of what it has sent, where 48 bits are one neuron."""
    graph = dense(3, 5)
    one = np.ones(1, np.int64)
    tracking = TrackingIF(
        name="n",
        inputs=("n.synapse",),
        multiplier=np.ones((1, 1), np.int64),
        threshold=one,
        bias=0 * one,
        low=0,
        high=7,
    )
    parts = layers(graph.replace("n", tracking), LOIHI2)
    cores, _ = partition(parts, LOIHI2)
    assert cores[-1].need.neurons == 2 * 5
    (problem,) = [
        p for p in fit(graph.replace("n", tracking), LOIHI1).problems if "fixed" in p.message
    ]
    assert problem.message.startswith("n: TrackingIF")


@pytest.mark.parametrize("chip", CHIPS.values(), ids=lambda chip: chip.name)
def test_soft_reset_counts(chip: Chip) -> None:
    graph = dense(5, 7)
    layer = layers(graph, chip)[-1]
    cores, _ = partition([layer], chip)
    assert need(layer, cores[0].block, chip).neurons == 7 * chip.soft_reset.value
