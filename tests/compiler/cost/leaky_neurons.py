"""Leaky neurons computed one number at a time, each operation counted where it is done.

What they send is compared with the reference at every step, so what is counted is what computes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from snnc.ir import Array, Node
from snnc.ir.leaky import CubaLI, CubaLIF, LeakyIntegrator, LeakyPopulation, LoihiLIF

Count = dict[str, float]
Memory = dict[str, float]


def count_updates(
    node: Node, before: list[Array], after: Array, memory: list[Memory], count: Count
) -> None:
    """Update every neuron of a population, and check what it sends."""
    shape = after.shape
    currents = sum(before[1:], before[0])
    update = _loihi if isinstance(node, LoihiLIF) else _leaky
    for index in range(after.size):
        place = np.unravel_index(index, shape)
        kept = set(memory[index])
        sent = update(_Own(node, shape, place), currents[place].item(), memory[index], count)
        assert sent == after[place]
        count["read"] += len(kept or memory[index])
        count["written"] += len(memory[index])


class _Own:
    """The parameters of one neuron, and which of them need a multiplication in its population."""

    def __init__(self, node: Node, shape: tuple[int, ...], place: tuple[Any, ...]) -> None:
        self.node, self.shape, self.place = node, shape, place

    def __getitem__(self, name: str) -> float:
        value = np.broadcast_to(getattr(self.node, name), self.shape)[self.place]
        number: float = value.item()
        return number

    def times(self, name: str, x: float, count: Count) -> float:
        """Multiply by a parameter."""
        count["multiplied"] += not trivial(getattr(self.node, name).ravel().tolist())
        return x * self[name]


def trivial(factors: Iterable[float], one: int = 1) -> bool:
    """Whether nobody would multiply by any of some factors."""
    return all(factor in (0, one, -one) for factor in factors)


def _leaky(own: _Own, current: float, memory: Memory, count: Count) -> float:
    node = own.node
    v = own.times("decay", memory.get("v", own["initial"]), count)
    reset = node.reset if isinstance(node, LeakyPopulation) else "none"
    if memory.get("fired") and reset != "none":
        v = v - own["threshold"] if reset == "subtract" else own["reset_to"]
    assert isinstance(node, (LeakyIntegrator, LeakyPopulation))
    done = count["multiplied"]
    if isinstance(node, (CubaLI, CubaLIF)):
        kept = own.times("current_decay", memory.get("i", 0), count)
        memory["i"] = kept + own.times("current_gain", current, count)
        done = count["multiplied"]
        drive = own.times("gain", memory["i"], count)
        nothing_scales = trivial(node.decay.ravel().tolist()) and done == count["multiplied"]
        count["added"] += nothing_scales and bool(node.decay.any() and node.gain.any())
    else:
        drive = own.times("gain", current, count)
    v = v + drive + own["bias"]
    if not isinstance(node, LeakyPopulation):
        memory["v"] = v
        return v
    count["compared"] += 1
    fires = v > own["threshold"] if node.strict else v >= own["threshold"]
    if node.refractory:
        count["compared"] += 1
        fires = fires and not memory.get("waits")
    forgotten = node.reset_delayed and node.refractory  # the membrane is held at a value instead
    if fires and reset == "subtract" and not forgotten:
        count["subtracted"] += 1
    if fires and not node.reset_delayed and reset != "none":
        v = v - own["threshold"] if reset == "subtract" else own["reset_to"]
    memory["v"] = own["reset_to"] if memory.get("waits") else v
    if node.refractory:
        count["added"] += 1
        memory["waits"] = node.refractory if fires else max(memory.get("waits", 0) - 1, 0)
    if node.reset_delayed and reset != "none" and not forgotten:
        memory["fired"] = fires
    return fires


def _loihi(own: _Own, current: float, memory: Memory, count: Count) -> float:
    node = own.node
    assert isinstance(node, LoihiLIF)
    kept = {"u": 4095 - node.du, "v": 4096 - node.dv}
    for factor in kept.values():
        count["multiplied"] += not trivial(factor.ravel().tolist(), 4096)
    whole = trivial(kept["v"].ravel().tolist(), 4096)
    count["added"] += whole and bool(kept["v"].any())
    u = _shrunk(memory.get("u", own["initial_current"]), 4095 - int(own["du"]))
    memory["u"] = u + int(current) * 64
    v = _shrunk(memory.get("v", own["initial"]), 4096 - int(own["dv"]))
    v += memory["u"] + int(own["bias"]) * 2 ** int(own["bias_exp"])
    v = min(max(v, 1 - 2**23), 2**23 - 1)
    count["compared"] += 1
    fires: bool = v > own["threshold"] * 64
    memory["v"] = 0 if fires else v
    return fires


def _shrunk(x: float, kept: int) -> float:
    size: int = int(abs(x)) * kept // 4096
    return size if x >= 0 else -size
