"""What NIR cannot hold is named, all at once, with the way round."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.nir_file import NirBackend
from snnc.ir import (
    IF,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Rearrange,
    TensorType,
)
from snnc.ir.errors import DesignRuleError, OptionError

ONE = np.ones((1, 1, 1))


def small(conv: dict[str, Any] | None = None, **neurons: Any) -> Graph:
    """Return an image of 4 x 6 with one convolution and one population."""
    fields: dict[str, Any] = {"weight": np.ones((2, 1, 3, 3)), "padding": (1, 1, 1, 1)}
    fields |= conv or {}
    start = {"threshold": ONE, "bias": 0 * ONE, "initial": 0 * ONE}
    nodes = [
        Input(name="x", type=TensorType((1, 4, 6))),
        Encoder(name="e", inputs=("x",)),
        Conv(name="c", inputs=("e",), **fields),
        IF(name="n", inputs=("c",), **start | neurons),
        Conv(name="d", inputs=("n",), weight=np.ones((1, 2, 1, 1))),
        Integrator(name="y", inputs=("d",), bias=np.zeros(1), scale=np.ones(1)),
    ]
    return Graph(nodes, {"y": "y"})


def problems(graph: Graph, **settings: str) -> list[str]:
    with pytest.raises(DesignRuleError) as caught:
        NirBackend(**settings).lower(graph, 7)
    assert all(problem.hint for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "graded": ({"max_positive": 4}, "n: sends graded events"),
    "guarded": (
        {"max_negative": 1, "deadband": 1, "acc_min": 0},
        "n: bounds the units it has sent",
    ),
    "no deadband": ({"max_negative": 1}, "n: takes back a spike at any negative membrane"),
    "start": ({"initial": ONE / 2}, "n: starts a sample with a membrane of 0.5"),
    "threshold": (
        {"threshold": 1.0 + np.arange(48).reshape(2, 4, 6)},
        "n: has a threshold that differs within a channel",
    ),
    "bias": (
        {"bias": np.arange(48.0).reshape(2, 4, 6)},
        "n: has a bias that differs within a channel",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_neurons(case: str) -> None:
    settings, message = REFUSED[case]
    (found,) = problems(small(**settings))
    assert found.startswith(message)


def test_a_kernel_even_on_one_side_and_odd_on_the_other() -> None:
    conv = {"weight": np.ones((2, 1, 2, 3)), "padding": (0, 0, 0, 0)}
    (found,) = problems(small(conv))
    assert found.startswith("c: has a kernel of (2, 3) and borders (0, 0, 0, 0)")


def test_a_sequence() -> None:
    graph = small()
    nodes = (replace(n, sequence=3) if isinstance(n, Input) else n for n in graph)
    (found,) = problems(Graph(nodes, graph.outputs))
    assert found.startswith("x: is a sequence")


def test_a_convolution_of_moved_values() -> None:
    graph = small()
    turned = Rearrange(name="t", inputs=("n",), split=(2, 4, 6), order=(0, 2, 1), shape=(2, 6, 4))
    nodes = [
        made
        for node in graph
        for made in ((turned, replace(node, inputs=("t",))) if node.name == "d" else (node,))
    ]
    (found,) = problems(Graph(nodes, graph.outputs))
    assert found.startswith("d: reads values that were moved within an image")


def test_strict_files_say_what_their_version_means() -> None:
    soft, hard = small(), small(reset="zero")
    (found,) = problems(soft, flavour="strict")
    assert found.startswith("n: resets by subtraction, and this version of NIR to zero")
    (found,) = problems(hard, flavour="strict", version="1.0.4")
    assert found.startswith("n: resets to zero, and this version of NIR by subtraction")
    for graph, version in ((hard, "current"), (soft, "1.0.4")):
        program = NirBackend(version, "strict").lower(graph, 7)
        assert not any("reset" in problem.message for problem in program.differences)


def test_differences_are_said() -> None:
    def said(graph: Graph, version: str = "current") -> str:
        found = NirBackend(version).lower(graph, 7).differences
        assert all(problem.hint for problem in found)
        return "; ".join(problem.message for problem in found)

    assert "sets a membrane to v_reset" in said(small())
    assert "takes v_threshold off" in said(small(reset="zero"), "1.0.4")
    assert "fire at the threshold" in said(small())
    assert "no time step" in said(small())
    whole = {"threshold": np.full((1, 1, 1), 3), "bias": np.zeros((1, 1, 1), int)}
    integer = small({"weight": np.ones((2, 1, 3, 3), np.int8)}, initial=whole["bias"], **whole)
    nodes = [
        replace(node, weight=node.weight.astype(np.int8))
        if isinstance(node, Conv)
        else replace(node, bias=np.zeros(1, int), clamp=9)
        if isinstance(node, Integrator)
        else replace(node, scale=0.5)
        if isinstance(node, Encoder)
        else node
        for node in integer
    ]
    integer = Graph(nodes, integer.outputs)
    assert "fire at the threshold" not in said(integer)
    assert "membranes saturate (y)" in said(integer)


def test_versions_and_flavours_are_checked() -> None:
    with pytest.raises(OptionError, match="--nir-version '2'"):
        NirBackend(version="2")
    with pytest.raises(OptionError, match="--nir-flavour 'loose'"):
        NirBackend(flavour="loose")
