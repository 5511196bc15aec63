"""A recurrent network in a Lava process graph: equal to the simulator, and how fast it streams.

    python -m examples.benchmarks.lava_recurrent --sequences 20
    python -m examples.benchmarks.lava_recurrent --sequences 20 --stock

Sequences of MNIST rows pass through the trained network of ``examples/models``, with graded and
with unit payloads. Every decoded output, payload, count and ``settled`` is compared with the
NumPy simulator. Seconds are those of the run without recording, with the start of all processes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import snnc
from examples.benchmarks.lava_networks import differences
from examples.datasets import load
from snnc.backends.lava_process import LavaProgram
from snnc.backends.numpy_sim import NumpyBackend

MODEL = Path("examples/models/qcrnn-smnist.onnx")


def compare(cap: int, sequences: int, *, fast: bool) -> bool:
    """Run both targets on the first test sequences, and say what was found."""
    images, labels = load("mnist", "test")
    x = images.reshape(-1, 28, 1, 1, 28)
    network = snnc.compile(MODEL, target="lava", code="exact", max_payload=cap, calibration=x[:64])
    program = network.program
    assert isinstance(program, LavaProgram)
    inputs = {"x": x[:sequences]}
    begin = time.perf_counter()
    program.run(inputs, fast=fast)
    seconds = time.perf_counter() - begin
    found = program.run(inputs, record=True, fast=fast)
    wanted = NumpyBackend().lower(network.graph, network.timesteps).run(inputs, record=True)
    assert found.spikes.keys() == wanted.spikes.keys()
    differing = differences(found, wanted) | {
        "payloads": sum(int((found.spikes[k] != v).sum()) for k, v in wanted.spikes.items()),
        "settled": int(np.sum(found.settled != wanted.settled)),
    }
    payloads = sum(sent.size for sent in wanted.spikes.values())
    accuracy = np.mean(np.asarray(found.outputs).argmax(axis=1) == labels[:sequences])
    print(
        f"payloads up to {cap}: {sequences} sequences, T = {network.timesteps}, "
        f"{'fast' if fast else 'stock'} models; {program.plan.idle} idle steps between elements, "
        f"depth latency {program.depth_latency}, {program.latency_steps(28)} steps a sequence; "
        f"{seconds:.1f} s, {sequences / seconds:.1f} sequences a second; "
        f"of {payloads} payloads and all outputs and counts differ {differing}; "
        f"accuracy {accuracy:.2%}",
        flush=True,
    )
    return not any(differing.values())


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sequences", type=int, default=20)
    parser.add_argument("--stock", action="store_true", help="Lava's own connection models")
    options = parser.parse_args()
    equal = [compare(cap, options.sequences, fast=not options.stock) for cap in (15, 1)]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    raise SystemExit(main())
