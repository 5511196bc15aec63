"""Max pools as pairs: the same function, and spikes that come close to it."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.compiler.passes.pairwise_max import PairwiseMax
from snnc.ir import Clip, Graph, MaxPool
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder
from tests.conversions import convert, samples
from tests.spiking_graphs import random_inputs


def pooled(kernel: tuple[int, int], padding: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Graph:
    net = AnnBuilder(np.random.default_rng(3))
    here = net.relu(net.conv(net.input(2, 8, 7), 3))
    stride, dilation = (2, 1), (1, 2 if kernel[1] > 1 else 1)
    fields = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return net.graph(net.linear(net.flat(net.add(MaxPool, here, **fields)), 4))


@pytest.mark.parametrize("kernel", [(2, 2), (3, 1), (3, 3), (1, 1)])
def test_pairs_are_the_maximum(kernel: tuple[int, int]) -> None:
    border = (kernel[0] - 1, kernel[1] - 1, 0, 0)
    for padding in ((0, 0, 0, 0), border):
        graph, notes = pooled(kernel, padding), list[str]()
        made = PairwiseMax(notes.append)(graph)
        assert not made.of_type(MaxPool)
        relus = len(made.of_type(Clip)) - len(graph.of_type(Clip))
        assert relus == kernel[0] * kernel[1] - 1
        (note,) = notes
        assert "max(a, b) = a + relu(b - a)" in note
        x = random_inputs(graph, 1)
        ((name),) = graph.outputs.values()
        np.testing.assert_allclose(evaluate(made, x)[name], evaluate(graph, x)[name], atol=1e-12)


def test_a_border_that_could_win_is_left() -> None:
    net = AnnBuilder(np.random.default_rng(3))
    pool = {"kernel": (2, 2), "stride": (1, 1), "padding": (1, 1, 0, 0)}
    graph = net.graph(net.add(MaxPool, net.conv(net.input(2, 8, 7), 3), **pool))
    assert PairwiseMax(lambda note: None)(graph).of_type(MaxPool)


def test_spikes_come_closer_with_more_steps() -> None:
    from snnc.ir.reference import run

    graph = PairwiseMax(lambda note: None)(pooled((2, 2)))
    x = samples(graph, 5)
    ((key, name),) = graph.outputs.items()
    wanted = evaluate(graph, {"x": x})[name]
    errors = []
    for steps in (8, 128):
        spiking = convert(graph, x, code="rate", timesteps=steps, weight_bits="float")
        assert all(node.payload == (0, 1) for node in spiking.populations)
        got = run(spiking, {"x": x}, steps).outputs[key][-1]
        errors.append(float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)))
    assert errors[1] < errors[0] / 4, "the mean of T spikes is off by about 1 / T"
    assert errors[1] < 0.05
