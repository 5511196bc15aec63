"""ResNet-20 in a Lava process graph: equal to the simulator, and how fast it streams.

    python -m examples.benchmarks.lava_networks equality            # 20 images, four codes
    python -m examples.benchmarks.lava_networks equality --stock --images 20
    python -m examples.benchmarks.lava_networks stream --images 1000

``equality`` compares every decoded output after every step, every spike count and every count of
synaptic operations, and on the first image every payload of every layer, with the NumPy simulator.
``stream`` runs images back to back in one process graph; memory is the sum of what all processes
hold (proportional set size), looked at every second. Compiled artifacts are kept in ``--keep``.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.task import calibration_samples
from examples.datasets import load
from snnc.backends.base import Result
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.network import Network
from snnc.ir import Array, Input

MODELS = Path("examples/models")
CODES: dict[str, tuple[str, dict[str, Any]]] = {
    "rate": ("resnet20", {"code": "rate", "timesteps": 8}),
    "ternary": ("resnet20", {"code": "ternary", "timesteps": 8}),
    "augmented": ("resnet20", {"code": "augmented", "timesteps": 8}),
    "exact": ("resnet20-int4", {"code": "exact", "max_payload": 15}),
}
"""For each code, the network and its options; the steps of ``exact`` are its static bound."""


def compiled(code: str, keep: Path, calibration: int) -> Network:
    """Return the artifact of a code, compiled anew if there is none."""
    model, options = CODES[code]
    folder = keep / f"{model}-{code}-{calibration}"
    if not folder.exists():
        x = calibration_samples("cifar10")[:calibration]
        source = MODELS / f"{model}.onnx"
        snnc.compile(source, target="lava", calibration=x, **options).save(folder)
    return snnc.load(folder)


def named(network: Network, x: Array) -> dict[str, Array]:
    """Return samples under the name of the network's input."""
    (node,) = network.graph.of_type(Input)
    return {node.name: x}


def differences(lava: Result, simulator: Result) -> dict[str, int]:
    """Return how many values of a run on Lava differ from the simulator's."""
    decoded = sum(
        int((lava.decoded[name] != values).sum()) for name, values in simulator.decoded.items()
    )
    counts = {"spikes": 0, "units": 0, "synops": 0, "unit_synops": 0}
    for name, activity in simulator.activity.items():
        for kind in counts:
            other = getattr(lava.activity[name], kind)
            counts[kind] += int((other != getattr(activity, kind)).sum())
    return {"outputs": decoded, **counts}


def equality(codes: list[str], images: int, calibration: int, keep: Path, *, fast: bool) -> bool:
    """Compare both targets on the first test images, and say what was found."""
    x = load("cifar10", "test")[0][:images]
    equal = True
    for code in codes:
        network = compiled(code, keep, calibration)
        inputs = named(network, x)
        reference = NumpyBackend().lower(network.graph, network.timesteps).run(inputs)
        begin = time.perf_counter()
        found = differences(network.program.run(inputs, fast=fast), reference)  # type: ignore[call-arg]
        seconds = time.perf_counter() - begin
        payloads, payload_differences = layers(network, x[:1], fast=fast)
        equal &= not any(found.values()) and not payload_differences
        print(
            f"{code}: {images} images, T = {network.timesteps}, "
            f"{'fast' if fast else 'stock'} models, {seconds:.0f} s; differences {found}; "
            f"{payloads} payloads of one image, {payload_differences} differ",
            flush=True,
        )
    return equal


def layers(network: Network, x: Array, *, fast: bool) -> tuple[int, int]:
    """Return how many payloads of all layers there are in a run, and how many differ."""
    inputs = named(network, x)
    simulator = NumpyBackend().lower(network.graph, network.timesteps).run(inputs, record=True)
    lava = network.program.run(inputs, record=True, fast=fast)  # type: ignore[call-arg]
    assert lava.spikes.keys() == simulator.spikes.keys()
    pairs = [(payloads, lava.spikes[name]) for name, payloads in simulator.spikes.items()]
    return sum(a.size for a, _ in pairs), sum(int((a != b).sum()) for a, b in pairs)


@dataclass
class Memory:
    """What was seen of the memory of a program and its processes.

    Attributes:
        peak: The largest sum, in bytes.
        processes: Number of processes then.
    """

    peak: int = 0
    processes: int = 0


@contextmanager
def watched_memory() -> Iterator[Memory]:
    """Look at the memory of this process and its children every second."""
    memory, ended = Memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            sizes = [proportional_set_size(pid) for pid in family()]
            if sum(sizes) > memory.peak:
                memory.peak, memory.processes = sum(sizes), len(sizes)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def family() -> list[str]:
    """Return the process numbers of this process and of all its children."""
    own = Path("/proc/self").resolve().name
    children = Path(f"/proc/{own}/task").glob("*/children")
    return [own, *(pid for file in children for pid in file.read_text().split())]


def proportional_set_size(pid: str) -> int:
    """Return the memory of a process in bytes, shared pages counted in parts."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def stream(code: str, images: int, calibration: int, keep: Path) -> bool:
    """Stream test images through one process graph, and compare a part with the simulator."""
    x, y = (array[:images] for array in load("cifar10", "test"))
    network = compiled(code, keep, calibration)
    inputs = named(network, x)

    def progress(done: int, total: int) -> None:
        if done and done % 100 == 0:
            print(f"  {done} of {total}, {time.perf_counter() - begin:.0f} s", flush=True)

    begin = time.perf_counter()
    with watched_memory() as memory:
        result = network.program.run(inputs, progress=progress)
    seconds = time.perf_counter() - begin
    print(
        f"{code}: {images} images, T = {network.timesteps}, {seconds:.0f} s, "
        f"{1000 * seconds / images / network.timesteps:.1f} ms a step, "
        f"{memory.processes} processes, {memory.peak / 1e9:.2f} GB at most, "
        f"accuracy {(np.asarray(result.outputs).argmax(axis=1) == y).mean():.2%}",
        flush=True,
    )
    simulator = NumpyBackend().lower(network.graph, network.timesteps).run(inputs)
    found = differences(result, simulator)
    print(f"  differences to the simulator: {found}")
    return not any(found.values())


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("equality", "stream"))
    parser.add_argument("--codes", nargs="+", choices=CODES, default=None)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--calibration", type=int, default=256, help="training images")
    parser.add_argument("--stock", action="store_true", help="Lava's own connection models")
    parser.add_argument("--keep", type=Path, default=Path("lava-artifacts"))
    options = parser.parse_args()
    rest = (options.images, options.calibration, options.keep)
    if options.what == "equality":
        equal = equality(options.codes or list(CODES), *rest, fast=not options.stock)
    else:
        equal = True
        for code in options.codes or ["augmented"]:
            equal &= stream(code, *rest)
    return 0 if equal else 1


if __name__ == "__main__":
    raise SystemExit(main())
