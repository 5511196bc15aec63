"""How long partition and placement of a large network take, and what placement saves.

    python -m examples.benchmarks.chip_fit     # about a million neurons, 100 million synapses
    python -m examples.benchmarks.chip_fit --artifact OUT [--data X.npz]

The large network is made up: convolutions and dense maps with random weights, of which the
partition reads the shapes only.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from snnc.backends.chips import CHIPS
from snnc.compiler.data import load_samples
from snnc.compiler.network import load
from snnc.compiler.placement import fit
from snnc.compiler.placement.layers import layers
from snnc.ir import IF, Conv, Encoder, Graph, Input, Linear, Node, Reshape, TensorType


def large_graph(kind: str) -> Graph:
    """Return a made-up network of a million neurons and a hundred million synapses.

    Args:
        kind: ``convolutions``: 10 layers of 14 or 15 x 84 x 84 neurons, kernels 3 x 3; ``dense``:
            a large image in front of six dense maps of 4096 neurons.
    """
    rng = np.random.default_rng(0)
    image = (3, 84, 84) if kind == "convolutions" else (4, 490, 490)
    nodes: list[Node] = [Input(name="x", type=TensorType(image))]
    nodes.append(Encoder(name="input", inputs=("x",), scale=1.0))

    def population(name: str, synapse: Node) -> None:
        one = np.ones(1, np.int64)
        neurons = IF(
            name=name, inputs=(synapse.name,), threshold=100 * one, bias=0 * one, initial=one
        )
        nodes.extend((synapse, neurons))

    def convolution(index: int, out: int, kernel: int, **window: Any) -> None:
        here = nodes[-1].name
        channels = Graph(nodes, {"": here}).types[here].shape[0]
        weight = rng.integers(-127, 128, (out, channels, kernel, kernel), np.int8)
        synapse = Conv(name=f"conv{index}", inputs=(here,), weight=weight, **window)
        population(f"layer{index}", synapse)

    if kind == "convolutions":
        for index, out in enumerate((14, *[15] * 9)):
            convolution(index, out, 3, padding=(1, 1, 1, 1))
    else:
        convolution(0, 4, 16, stride=(16, 16))
        size = 4 * 30 * 30
        nodes.append(Reshape(name="flat", inputs=(nodes[-1].name,), shape=(size,)))
        for index in range(1, 7):
            weight = rng.integers(-127, 128, (4096, size), np.int8)
            population(
                f"layer{index}", Linear(name=f"fc{index}", inputs=(nodes[-1].name,), weight=weight)
            )
            size = 4096
    return Graph(nodes, {"y": nodes[-1].name})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--artifact", help="a compiled network instead of the made-up ones")
    parser.add_argument("--data", help="samples to count events on")
    arguments = parser.parse_args()
    if arguments.artifact:
        network = load(arguments.artifact)
        samples = load_samples(arguments.data, network.graph) if arguments.data else None
        timesteps = network.timesteps
        graphs = {arguments.artifact: network.graph}
    else:
        samples, timesteps = None, 1
        graphs = {kind: large_graph(kind) for kind in ("convolutions", "dense")}
    for name, graph in graphs.items():
        for chip in CHIPS.values():
            began = time.perf_counter()
            found = fit(graph, chip, timesteps=timesteps, samples=samples)
            seconds = time.perf_counter() - began
            parts = layers(graph, chip)
            print(
                f"{name} on {chip.title}: {sum(part.size for part in parts):,} neurons, "
                f"{sum(part.synapses for part in parts):,} synapses, {len(found.cores)} cores, "
                f"{len(found.problems)} problems, event hops {found.in_order.event_hops:,.0f} "
                f"in order, {found.placed.event_hops:,.0f} placed "
                f"({found.saved:.1%} less), {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
