"""Random quantised graphs: does every spiking network equal its quantised ANN, and how soon?

    python -m examples.benchmarks.exactness --graphs 1000

For each graph the ANN is computed in integers (``ir.reference.evaluate``), and its spiking networks
run in the simulator with payloads of 1, 4, 15 and 255 and as binary digits; every tenth graph also
runs in ``ir.reference``. Every output and every population of every sample is compared. Printed are
the differences (there should be none), and the steps until rest beside their static bound.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from examples.benchmarks.quantized_graphs import quantized_graph, quantized_inputs
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Graph, Staircase, latency
from snnc.ir.reference import evaluate, run
from snnc.ir.settling import settling_bound

SETTINGS: dict[str, dict[str, int]] = {
    **{f"payload {cap}": {"cap": cap} for cap in (1, 4, 15, 255)},
    "binary digits": {"base": 2},
}


@dataclass
class Tally:
    """What was found for one setting, over all graphs.

    Attributes:
        values: Integers compared: outputs and populations of all samples.
        differing: How many of them differ.
        settled: The step after which each sample was at rest.
        bounds: The static bound, for each of them.
    """

    values: int = 0
    differing: int = 0
    settled: list[int] = field(default_factory=list)
    bounds: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and the steps as mean and maximum."""
        return {
            "values": self.values,
            "differing": self.differing,
            "settled_mean": round(float(np.mean(self.settled)), 2),
            "settled_max": max(self.settled),
            "bound_max": max(self.bounds),
            "beyond_bound": sum(s > b for s, b in zip(self.settled, self.bounds, strict=True)),
            "not_settled": self.settled.count(0),
        }


def compare(seed: int, samples: int, tallies: dict[str, Tally]) -> None:
    """Convert one graph in every way and compare."""
    graph = quantized_graph(seed)
    inputs = quantized_inputs(graph, seed, samples)
    quantised = ToInteger()(run_passes(graph, SIMPLIFY if seed % 2 else (hoist_clip,)))
    expected = evaluate(quantised, inputs)
    _compare_real(graph, quantised, inputs, expected, tallies["real ANN"])
    for name, setting in SETTINGS.items():
        spiking = ToExact(**setting)(quantised)
        bound = settling_bound(spiking)
        steps = max(1, bound - latency(spiking))
        result = NumpyBackend().lower(spiking, steps).run(inputs, record=True)
        tally = tallies[name]
        sums = {n: payloads.sum(axis=1, dtype=np.int64) for n, payloads in result.spikes.items()}
        decoded = {n: result.decoded[key][:, -1] for key, n in spiking.outputs.items()}
        _count(tally, sums | decoded, expected)
        assert result.settled is not None
        tally.settled += result.settled.tolist()
        tally.bounds += [bound] * samples
        if seed % 10 == 0 and steps <= 64:
            trace = run(spiking, inputs, steps)
            sums = {n: payloads.sum(axis=0) for n, payloads in trace.spikes.items()}
            decoded = {n: trace.outputs[key][-1] for key, n in spiking.outputs.items()}
            _count(tallies["reference"], sums | decoded, expected)


def _compare_real(
    graph: Graph, quantised: Graph, inputs: dict[str, Array], found: dict[str, Array], tally: Tally
) -> None:
    """Compare the levels of the integer ANN with those of the real one, in float64."""
    real = evaluate(graph, inputs)
    levels = {n.name: np.rint(real[n.name] / n.step) for n in graph.of_type(Staircase)}
    _count(tally, {n: levels[n] for n in levels if n in quantised.nodes}, found)


def _count(tally: Tally, found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, values in found.items():
        wanted = expected[name].astype(values.dtype)
        tally.values += values.size
        tally.differing += int(np.sum(values != wanted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    tallies = {name: Tally() for name in (*SETTINGS, "real ANN", "reference")}
    begin = time.perf_counter()
    for seed in range(arguments.first, arguments.first + arguments.graphs):
        compare(seed, arguments.samples, tallies)
    found = {
        name: tally.to_json()
        if tally.settled
        else {"values": tally.values, "differing": tally.differing}
        for name, tally in tallies.items()
    }
    seconds = round(time.perf_counter() - begin, 1)
    print(json.dumps({"graphs": arguments.graphs, "seconds": seconds, **found}, indent=1))


if __name__ == "__main__":
    main()
