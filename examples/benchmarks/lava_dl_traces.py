"""``LoihiLIF`` against the traces that lava-dl tests its LIF networks with, bit for bit.

    pip download --no-deps --ignore-requires-python lava-dl==0.6.0
    python -m zipfile -e lava_dl-0.6.0-py3-none-any.whl lava-dl
    python -m examples.benchmarks.lava_dl_traces lava-dl

Its PilotNet has eight layers of LIF neurons; spikes, currents and voltages of all of them are there
for 24 steps. Each layer is given the recorded spikes of the one before. A connection of Lava takes
a step, and all neurons are set back every 17 steps, those of a layer a step after those before it.
Where a neuron fired the recorded voltage is 128, a mark and no voltage. Needs the extra ``netx``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnc.ir import Array, Conv, Linear, LoihiLIF
from snnc.ir.reference import State, step

TRACES = Path("tests/lava/lib/dl/netx/gts/pilotnet_lif")
LAYERS = {"conv-0": 1, "conv-1": 2, "conv-2": 3, "conv-3": 4, "conv-4": 5} | {
    "fc-0": 7,
    "fc-1": 8,
    "fc-2": 9,
}
"""Files of a layer, and its number in the network."""

INTERVAL = 17
"""Steps from one reset to the next."""

FIRED = 128
"""What stands for the voltage of a neuron that fired."""


@dataclass(frozen=True)
class Found:
    """How a layer compares.

    Attributes:
        values: Values compared: spikes, currents and voltages of all neurons and steps.
        different: Those that differ.
        spikes: Spikes recorded.
    """

    values: int
    different: int
    spikes: int


def compare(folder: Path) -> dict[str, Found]:
    """Return how each layer compares.

    Args:
        folder: The unpacked wheel.
    """
    import h5py

    traces, found = folder / TRACES, {}
    received = recorded(traces / "input.npy")
    with h5py.File(traces / "network.net", "r") as file:
        for place, (name, number) in enumerate(LAYERS.items()):
            spikes, u, v = (recorded(traces / f"{name}{part}.npy") for part in ("", "-u", "-v"))
            computed = layer(file["layer"][str(number)], received, first_reset=place + 2)
            expected = (spikes, u, np.where(spikes > 0, FIRED, v))
            different = sum(
                int(np.count_nonzero(a != b)) for a, b in zip(computed, expected, strict=True)
            )
            differing_marks = int(np.count_nonzero((v == FIRED) < (spikes > 0)))
            found[name] = Found(3 * spikes.size, different + differing_marks, int(spikes.sum()))
            received = spikes
    return found


def recorded(path: Path) -> Array:
    """Return a trace, ``(steps, *shape)``, channels first."""
    trace: Array = np.load(path)
    return trace.astype(np.int64).transpose()


def layer(entry: Any, received: Array, first_reset: int) -> tuple[Array, Array, Array]:
    """Return spikes, currents and voltages of a layer, each ``(steps, *shape)``.

    Args:
        entry: The layer in the file.
        received: Spikes of the one before.
        first_reset: Step of the first reset, counted from 1.
    """
    weight, bias = (entry[key][()].astype(np.int64) for key in ("weight", "bias"))
    synapse: Conv | Linear = Linear(name="c", inputs=("e",), weight=weight)
    if weight.ndim == 4:
        top, left = map(int, entry["padding"][()])
        down, right = map(int, entry["stride"][()])
        synapse = Conv(
            name="c",
            inputs=("e",),
            weight=weight,
            stride=(down, right),
            padding=(top, left, top, left),
        )
        bias = bias[:, None, None]
    else:
        received = received.reshape(len(received), -1)
    neuron = {key: np.array([int(entry["neuron"][key][()])]) for key in ("vThMant", "vDecay")}
    node = LoihiLIF(
        name="n",
        inputs=("c",),
        threshold=neuron["vThMant"],
        bias=bias,
        bias_exp=np.array([6]),
        du=np.array([int(entry["neuron"]["iDecay"][()]) - 1]),
        dv=neuron["vDecay"],
    )
    late = np.concatenate([np.zeros_like(received[:1]), received[:-1]])
    state: State = {}
    found = []
    for t, payloads in enumerate(late, 1):
        if t >= first_reset and (t - first_reset) % INTERVAL == 0:
            state = {}
        spikes = step(node, [step(synapse, [payloads[None]], {}, 1)], state, t)[0]
        found.append((spikes, state["u"][0], np.where(spikes > 0, FIRED, state["v"][0])))
    spikes, u, v = (np.array(part) for part in zip(*found, strict=True))
    return spikes, u, v


def main() -> None:
    """Compare, and print a line a layer."""
    parser = ArgumentParser(description="LoihiLIF against the traces of lava-dl, bit for bit")
    parser.add_argument("folder", type=Path, help="the unpacked wheel of lava-dl 0.6.0")
    found = compare(parser.parse_args().folder)
    for name, each in found.items():
        print(f"{name}: {each.different} of {each.values} values differ, {each.spikes} spikes")
    sys.exit(any(each.different for each in found.values()))


if __name__ == "__main__":
    main()
