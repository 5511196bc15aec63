"""LeNet-5 on digits: compiled once for each setting, explained, and edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

import snnc
from snnc.compiler.demo import bundled
from snnc.compiler.explain import Explanation, explain
from snnc.ir import Graph, Node


@cache
def lenet(**options: Any) -> snnc.Network:
    demo = bundled()
    chosen: dict[str, Any] = {"code": "ternary", "timesteps": 8, "correction": "none", **options}
    calibration = demo.calibration * np.float32(chosen.pop("dim", 1))
    return snnc.compile(demo.model, calibration=calibration, **chosen)


def why(network: snnc.Network, limit: int = 64) -> Explanation:
    demo = bundled()
    return explain(network, {"x": demo.test}, demo.labels, limit=limit)


def edited(network: snnc.Network, name: str, change: Callable[[Any], Node]) -> snnc.Network:
    """Return a network with one node changed, its program and its manifest as they were."""
    graph = network.graph
    nodes = [change(node) if node.name == name else node for node in graph]
    return replace(network, artifact=replace(network.artifact, graph=Graph(nodes, graph.outputs)))
