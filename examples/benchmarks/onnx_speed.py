"""Networks as ONNX graphs: how large, and how fast beside the simulator and the ANN.

    python -m examples.benchmarks.onnx_speed --models lenet5 resnet20 --codes rate augmented

All three run on the same cores, one after the other, round after round; a ratio is the median of
the rounds' ratios, so that a load on the machine that changes slowly cancels out. The ANN is the
model the network was compiled from, in ONNX Runtime. Times are of whole runs of all steps, and of
one step of ``step.onnx``, states handed in and out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from examples.benchmarks.onnx_equality import CODES, FILES, compiled
from examples.datasets import load
from snnc.backends import get_backend
from snnc.backends.artifact import require_ann
from snnc.backends.onnx_network import OnnxProgram
from snnc.backends.onnx_network.program import INITIAL_STATE, NETWORK, STEP
from snnc.backends.onnx_runtime.library import load_onnxruntime
from snnc.backends.resources import Resources
from snnc.compiler.network import Network
from snnc.ir import Array, Input

Run = Callable[[], object]


def session(content: bytes, threads: int) -> Any:
    """Open a model with so many threads."""
    runtime = load_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def runs(network: Network, x: Array, threads: int) -> dict[str, Run]:
    """Return what is timed, by name."""
    assert isinstance(network.program, OnnxProgram)
    (node,) = network.graph.of_type(Input)
    files = {name: m.SerializeToString() for name, m in network.program.models().items()}
    whole, step = session(files[NETWORK], threads), session(files[STEP], threads)
    at_rest, ann = session(files[INITIAL_STATE], 1), session(require_ann(network.artifact), threads)
    states = [output.name for output in at_rest.get_outputs()]
    held = dict(zip(states, at_rest.run(None, {"batch": np.array([len(x)])}), strict=True))
    simulator = get_backend("numpy").lower(network.graph, network.timesteps)
    resources = Resources(jobs=threads)
    (name,) = (given.name for given in ann.get_inputs())
    return {
        "onnx": lambda: whole.run(None, {node.name: x}),
        "simulator": lambda: simulator.run({node.name: x}, resources=resources),
        "ann": lambda: ann.run(None, {name: x}),
        "step": lambda: step.run(None, {node.name: x, **held}),
    }


def timed(each: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every run in every round; a first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in each}
    for index in range(rounds + 1):
        for name, run in each.items():
            begin = time.perf_counter()
            run()
            if index:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """Return the median of the ratios of all rounds."""
    pairs = zip(seconds[one], seconds[other], strict=True)
    return round(statistics.median(first / second for first, second in pairs), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--codes", nargs="+", choices=CODES, default=["rate", "augmented"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    for model in arguments.models:
        x, _ = load(FILES[model][0], "test")
        for code in arguments.codes:
            network = compiled(model, code)
            assert isinstance(network.program, OnnxProgram)
            sizes = {name: m.ByteSize() for name, m in network.program.models().items()}
            sizes["ann.onnx"] = len(require_ann(network.artifact))
            for batch in arguments.batches:
                part = np.ascontiguousarray(x[:batch])
                seconds = timed(runs(network, part, arguments.threads), arguments.rounds)
                line = {
                    "model": model,
                    "code": code,
                    "steps": network.steps,
                    "batch": batch,
                    "threads": arguments.threads,
                    "load": round(os.getloadavg()[0], 1),
                    "bytes": sizes,
                    "milliseconds": {
                        name: round(1e3 * statistics.median(s), 3) for name, s in seconds.items()
                    },
                    "onnx / simulator": ratio(seconds, "onnx", "simulator"),
                    "onnx / ann": ratio(seconds, "onnx", "ann"),
                }
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
