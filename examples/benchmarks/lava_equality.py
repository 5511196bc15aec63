"""Random ONNX models on Lava: is every number that of the simulator?

    python -m examples.benchmarks.lava_equality --graphs 200 --stock 20

Each model is drawn from a seed (``random_models``), written to a file, imported and compiled for
Lava with a code and options that the seed draws as well. Compared with the NumPy simulator are the
outputs after every step, every payload of every population, and the counts of events, units and
synaptic operations; for every tenth model the simulator is compared with ``ir.reference`` too. The
first ``--stock`` of them run on Lava's own connection models besides, many times slower.

A seed whose model its code cannot express is skipped and the next one taken; what fits the
simulator and not Lava is listed. A difference is printed with its seed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import snnc
from examples.benchmarks.random_models import random_inputs, random_model
from snnc.backends import Result, get_backend
from snnc.backends.lava_process import LavaProgram
from snnc.compiler.network import Network
from snnc.ir import Array, Graph, latency, reference
from snnc.ir.errors import DesignRuleError, SnncError

CALIBRATION = 32
"""Samples that thresholds are fitted to."""

CODES = ("rate", "ternary", "augmented", "augmented", "exact")


def settings(seed: int) -> dict[str, Any]:
    """Return the options of a seed: a code, and what goes with it."""
    rng = np.random.default_rng((seed, 1))
    code = CODES[seed % len(CODES)]
    if code == "exact":
        return {"code": code, "max_payload": int(rng.choice([15, 63, 255]))}
    options: dict[str, Any] = {
        "code": code,
        "timesteps": int(rng.integers(1, 7)),
        "weight_bits": int(rng.choice([8, 8, 8, 5, 3])),
        "input_bits": int(rng.choice([8, 8, 4])),
        "v_init": float(rng.choice([0.5, 0.5, 0.0, 0.3])),
        "thresholds": str(rng.choice(["mmse", "max", "percentile"])),
        "per_channel": bool(rng.random() < 0.7),
        "correction": str(rng.choice(["none", "reconstruct"])),
        "shift": str(rng.choice(["initial", "step"])),
    }
    if code != "rate":
        options["deadband"] = int(rng.random() < 0.3)
        options["guard"] = bool(rng.random() < 0.8)
    if code == "augmented":
        options["max_payload"] = int(rng.choice([2, 4, 15, 127]))
    return options


def model_of(seed: int) -> onnx.ModelProto:
    """Return the model of a seed; for code ``exact`` it has quantisers."""
    return random_model(seed, quantized=settings(seed)["code"] == "exact")


def compiled(seed: int, target: str = "lava") -> Network:
    """Compile the model of a seed from a file."""
    model, options = model_of(seed), settings(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        calibration = random_inputs(model, seed, CALIBRATION)
        return snnc.compile(str(path), target=target, calibration=calibration, **options)


def differences(network: Network, x: dict[str, Array], *, fast: bool) -> Iterator[str]:
    """Yield what differs between a run on Lava and the simulator, in words."""
    program = network.program
    assert isinstance(program, LavaProgram)
    found = program.run(x, record=True, fast=fast)
    simulator = get_backend("numpy").lower(network.graph, network.timesteps)
    expected = simulator.run(x, record=True)
    pairs: dict[str, tuple[Array | None, Array | None]] = {}
    for wanted, got, what in (
        (expected.decoded, found.decoded, "output"),
        (expected.spikes, found.spikes, "payloads of"),
        (counts(expected), counts(found), ""),
        ({"": expected.settled}, {"": found.settled}, "settled"),
    ):
        for name in {**wanted, **got}:
            pairs[f"{what} {name}".strip()] = (wanted.get(name), got.get(name))
    for name, (first, second) in pairs.items():
        if first is None and second is None:
            continue
        if first is None or second is None:
            yield f"{name} is missing on {'the simulator' if first is None else 'Lava'}"
        elif not np.array_equal(first, second):
            yield f"{name} differs"


def counts(result: Result) -> dict[str, Array]:
    """Return all counts of a run by name."""
    return {
        f"{field} of {name}": getattr(activity, field)
        for name, activity in result.activity.items()
        for field in ("spikes", "units", "synops", "unit_synops")
    }


def simulator_differences(graph: Graph, timesteps: int, x: dict[str, Array]) -> Iterator[str]:
    """Yield what differs between the simulator and the definition, in words."""
    found = get_backend("numpy").lower(graph, timesteps).run(x, record=True)
    expected = reference.run(graph, x, timesteps + latency(graph))
    for name, decoded in expected.outputs.items():
        wanted = decoded[latency(graph) :].swapaxes(0, 1).astype(np.float32)
        if not np.array_equal(found.decoded[name], wanted):
            yield f"output {name} of the simulator differs from the reference"
    for name, payloads in expected.spikes.items():
        if not np.array_equal(found.spikes[name], payloads.swapaxes(0, 1)):
            yield f"payloads of {name} of the simulator differ from the reference"


def expressible(seed: int, refused: Counter[str]) -> Network | None:
    """Compile a seed for Lava, or note why not and return None."""
    try:
        return compiled(seed)
    except DesignRuleError as error:
        reasons = [problem.message.partition(": ")[2] for problem in error.problems]
        where = "Lava only"
        try:
            compiled(seed, "numpy")
        except SnncError:
            where = "every target"
        refused.update(f"{where}: {reason}" for reason in reasons)
    except SnncError as error:
        reasons = [problem.message.partition(": ")[2] for problem in error.problems]
        refused.update(f"every target: {reason or error}" for reason in reasons)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--stock", type=int, default=20, help="so many on Lava's own models too")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    begin, seed, done, values = time.perf_counter(), arguments.first, 0, 0
    refused, operators, codes = Counter[str](), Counter[str](), Counter[str]()
    wrong: list[str] = []
    while done < arguments.graphs:
        if network := expressible(seed, refused):
            model = model_of(seed)
            x = random_inputs(model, seed, arguments.samples)
            kinds = ["fast", "stock"] if done < arguments.stock else ["fast"]
            for kind in kinds:
                found = differences(network, x, fast=kind == "fast")
                wrong += (f"seed {seed} ({kind}): {difference}" for difference in found)
            if done % 10 == 0:
                found = simulator_differences(network.graph, network.timesteps, x)
                wrong += (f"seed {seed}: {difference}" for difference in found)
            sizes = (network.graph.types[node.name].size for node in network.graph.populations)
            values += arguments.samples * network.timesteps * sum(sizes)
            operators.update({node.op_type for node in model.graph.node})
            codes[settings(seed)["code"]] += 1
            done += 1
        seed += 1
    for line in wrong:
        print(line)
    summary = {
        "graphs": done,
        "on Lava's own models too": min(done, arguments.stock),
        "seeds": [arguments.first, seed - 1],
        "payloads compared": values,
        "differences": len(wrong),
        "codes": codes,
        "models with": operators,
        "refused": refused,
        "seconds": round(time.perf_counter() - begin, 1),
    }
    print(json.dumps(summary, indent=1))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
