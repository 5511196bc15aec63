"""``LoihiLIF`` against Lava's own fixed-point LIF on many random populations, bit for bit.

    python -m examples.benchmarks.loihi_lif --cases 1000

Spikes, voltages and currents of every step are compared; parameters are at the ends of their
ranges now and then, and some currents wrap at 24 and at 32 bits. Needs the extra ``lava``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from snnc.ir import Array, LoihiLIF
from snnc.ir.reference import State, step

NEURONS = 64


@dataclass(frozen=True)
class Case:
    """A population and the currents it receives.

    Attributes:
        node: The population; du, dv and threshold are the same for all its neurons, as in Lava.
        currents: ``(steps, neurons)``, int32.
    """

    node: LoihiLIF
    currents: Array


def random_case(seed: int, steps: int = 60) -> Case:
    """Return a case; some parameters are at the ends of their ranges, some currents wrap."""
    rng = np.random.default_rng(seed)
    du = int(rng.choice([0, 1, 4094, 4095, rng.integers(4096), rng.integers(4096)]))
    dv = int(rng.choice([0, 1, 4095, 4096, rng.integers(4096), rng.integers(4096)]))
    threshold = int(rng.choice([0, 1, 2**17 - 1, rng.integers(2**17), rng.integers(2**10)]))
    ends = rng.random(NEURONS) < 0.2
    mantissa = np.where(ends, rng.choice([-4096, 4095], NEURONS), rng.integers(-99, 100, NEURONS))
    node = LoihiLIF(
        name="n",
        inputs=("c",),
        threshold=np.array([threshold]),
        bias=mantissa,
        bias_exp=rng.integers(0, 8, NEURONS),
        du=np.array([du]),
        dv=np.array([dv]),
        initial=rng.integers(-(2**23) + 1, 2**23, NEURONS) * rng.integers(0, 2),
        initial_current=rng.integers(-(2**23) + 1, 2**23, NEURONS) * rng.integers(0, 2),
    )
    size = 2 ** int(rng.choice([4, 8, 14, 17, 20, 26, 30]))
    currents = rng.integers(-size, size, (steps, NEURONS), dtype=np.int32)
    currents[rng.random(currents.shape) < 0.3] = 0
    edge = rng.random(currents.shape) < 0.05
    currents[edge] = rng.choice([2**17, -(2**17), 2**18, -(2**18), 2**19], int(edge.sum()))
    return Case(node, currents)


@dataclass(frozen=True)
class States:
    """Spikes, voltages and currents after every step, each ``(steps, neurons)``."""

    spikes: Array
    v: Array
    u: Array


def by_reference(case: Case) -> States:
    """Return what ``ir.reference`` computes."""
    state: State = {}
    found = []
    for t, current in enumerate(case.currents, 1):
        spikes = step(case.node, [current[None].astype(np.int64)], state, t)
        found.append((spikes[0], state["v"][0], state["u"][0]))
    return States(*(np.array(part) for part in zip(*found, strict=True)))


def by_lava(case: Case) -> States:
    """Return what lava-nc's ``PyLifModelBitAcc`` computes, its ``run_spk`` called step by step.

    Its variables are of the types that Lava's builder gives them.
    """
    from lava.proc.lif.models import PyLifModelBitAcc

    node, received = case.node, iter(case.currents)
    model = PyLifModelBitAcc({})
    model.du, model.dv = int(node.du[0]), int(node.dv[0])
    model.vth = int(node.threshold[0])
    model.bias_mant = node.bias.astype(np.int16)
    model.bias_exp = node.bias_exp.astype(np.int16)
    model.u = np.broadcast_to(node.initial_current, (NEURONS,)).astype(np.int32)
    model.v = np.broadcast_to(node.initial, (NEURONS,)).astype(np.int32)
    model.a_in, model.s_out = _Port(received), _Port(iter(()))
    found = []
    for _ in range(len(case.currents)):
        model.run_spk()
        found.append((model.s_out.sent.astype(np.int64), model.v.copy(), model.u.copy()))
    return States(*(np.array(part) for part in zip(*found, strict=True)))


class _Port:
    """A port of a model that is not part of a network."""

    def __init__(self, received: Any) -> None:
        self.received, self.sent = received, np.zeros(0)

    def recv(self) -> Array:
        return np.asarray(next(self.received))

    def send(self, data: Array) -> None:
        self.sent = np.asarray(data)


def main() -> None:
    """Compare, and print how many values differ."""
    parser = ArgumentParser(description="LoihiLIF against Lava, bit for bit")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    arguments = parser.parse_args()
    import_module("snnc.backends.lava_process.runtime")  # mends the import of Lava
    values = different = spikes = wrapped = saturated = 0
    for seed in range(arguments.first, arguments.first + arguments.cases):
        case = random_case(seed, arguments.steps)
        found, expected = by_reference(case), by_lava(case)
        for one, other in zip(vars(found).values(), vars(expected).values(), strict=True):
            values += one.size
            different += int(np.count_nonzero(one != other))
        spikes += int(found.spikes.sum())
        wrapped += int(np.count_nonzero(np.abs(found.u) > 2**23))
        saturated += int(np.count_nonzero(np.abs(found.v) == 2**23 - 1))
    print(
        f"{arguments.cases} populations, {arguments.steps} steps: {different} of {values} values "
        f"differ; {spikes} spikes, {wrapped} currents beyond 24 bits, {saturated} voltages at "
        "their limit"
    )
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
