"""Random networks that a ``.nir`` file can hold, and between them use all that it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from snnc.backends.nir_file.kernels import plain
from snnc.ir import IF, Array, Concat, Conv, Graph, Node, Population
from tests.spiking_graphs import Builder


def nir_graph(seed: int, *, integer: bool = True, reset: str = "subtract") -> Graph:
    """Return a graph with windows of all kinds, groups, copies, joins and a concatenation."""
    return _first_that_fits(lambda rng: _NirBuilder(rng, integer, reset).build(), seed)


def pair_graph(seed: int, *, integer: bool = True) -> Graph:
    """Return one like those of ``nir_graph`` with signed spikes: one threshold on either side."""
    return _first_that_fits(lambda rng: _PairBuilder(rng, integer, "subtract").build(), seed)


def _first_that_fits(draw: Callable[[np.random.Generator], Graph], seed: int) -> Graph:
    """Return the first graph drawn whose kernels can be square."""
    rng = np.random.default_rng(seed)
    while True:
        graph = draw(rng)
        sizes = ((node, graph.types[node.inputs[0]].shape) for node in graph.of_type(Conv))
        if all(plain(node, (shape[1], shape[2])) for node, shape in sizes):
            return graph


class _NirBuilder(Builder):
    def __init__(self, rng: np.random.Generator, integer: bool, reset: str) -> None:
        super().__init__(rng, integer)
        self.reset = reset

    def neurons(self, common: dict[str, Any], settings: dict[str, Any]) -> Population:
        shape = self.type(common["inputs"][0]).shape
        each = (shape[0], *(1,) * (len(shape) - 1))
        threshold = np.asarray(common["threshold"])
        return IF(
            **common
            | {
                "threshold": _first(threshold, each),
                "bias": _first(np.asarray(common["bias"]), each),
                "initial": 0 * _first(threshold, each),
            },
            **settings,
        )

    def settings(self) -> dict[str, Any]:
        return {"reset": self.reset}

    def pool(self, name: str, source: str) -> str:
        """Add, in the place of a max pool, two convolutions side by side, in another order."""
        both = [
            self.population(f"{name}.{i}", (self.same_conv(f"{name}.c{i}", source, 3),))
            for i in (0, 1)
        ]
        return self.add(Concat(name=name, inputs=(both[1], source, both[0])))


class _PairBuilder(_NirBuilder):
    def settings(self) -> dict[str, Any]:
        return {"max_negative": 1, "deadband": 1}


def _first(parameter: Array, shape: tuple[int, ...]) -> Array:
    """Return what the first neuron of each channel has."""
    index = tuple(slice(0, size) for size in shape)
    return np.array(parameter[index]).reshape(shape)


def renamed(graph: Graph, suffix: str) -> Graph:
    """Return a graph whose nodes have awkward names."""
    names = {node.name: f"/{node.name}{suffix}" for node in graph}

    def again(node: Node) -> Node:
        return replace(node, name=names[node.name], inputs=tuple(names[n] for n in node.inputs))

    return Graph(map(again, graph), {key: names[name] for key, name in graph.outputs.items()})
