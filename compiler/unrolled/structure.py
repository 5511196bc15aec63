"""How tensors of one step are made, apart from which step it is: equal keys, equal synapses.

Every tensor gets a number that stands for the operators, attributes and constants between it and
the spikes and inputs it is computed from, with the times of those relative to the latest of them.
Two steps are isomorphic where all their currents have the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from onnx import NodeProto

from ...ir import Array
from .polynomial import Leaf
from .reading import Reading


@dataclass(frozen=True)
class Moment:
    """A layer at a step, counted from 1."""

    layer: int
    step: int


@dataclass(frozen=True)
class Made:
    """How a tensor is made.

    Attributes:
        key: A number; equal for tensors that are made alike.
        step: The latest step of the spikes and inputs it depends on; None where it depends on
            inputs only that are the same at every step.
    """

    key: int
    step: int | None


class Structure:
    """The keys of all tensors.

    Args:
        nodes: The nodes, in order.
        reading: What they compute.
        moments: For each membrane its layer and step.
    """

    def __init__(
        self, nodes: Sequence[NodeProto], reading: Reading, moments: Mapping[str, Moment]
    ) -> None:
        self._reading, self._moments = reading, moments
        self._numbers: dict[Hashable, int] = {}
        self._made: dict[str, Made] = {}
        self._currents: dict[str, Made] = {}
        for node in nodes:
            reads = [self.made(name) for name in node.input]
            for place, name in enumerate(node.output):
                if name and name not in reading.constants:
                    leaf, made = self._leaf(name), self._operation(node, place, reads)
                    self._made[name] = leaf or made
                    if name in moments:  # a current that is also the first membrane
                        self._currents[name] = made

    def of_leaf(self, leaf: Leaf) -> Made:
        """Return how the leaf of a polynomial is made."""
        if leaf.kind == "current":
            return self._currents.get(leaf.tensor) or self.made(leaf.tensor)
        moment = self._moments[leaf.tensor]
        return Made(self._number((leaf.kind, moment.layer)), moment.step)

    def made(self, name: str) -> Made:
        """Return how a tensor is made."""
        found = self._made.get(name)
        if found is None:
            known = self._reading.constants.get(name)
            key: Hashable = ("input", name) if known is None and name else _content(known)
            found = self._made[name] = Made(self._number(key), None)
        return found

    def _leaf(self, name: str) -> Made | None:
        part = self._reading.slices.get(name)
        if part is not None:
            key = ("slice", part.source, part.axis, part.squeezed)
            return Made(self._number(key), part.index + 1)
        value = self._reading.values.get(name)
        leaf = value.only_leaf if value is not None else None
        if leaf is None or leaf.kind == "current" or leaf.tensor not in self._moments:
            return None
        return self.of_leaf(leaf)

    def _operation(self, node: NodeProto, place: int, reads: Sequence[Made]) -> Made:
        latest = max((made.step for made in reads if made.step is not None), default=None)
        sources = tuple(
            (made.key, None if made.step is None or latest is None else made.step - latest)
            for made in reads
        )
        attributes = tuple(sorted(a.SerializeToString(deterministic=True) for a in node.attribute))
        key = (node.domain, node.op_type, attributes, place, sources)
        return Made(self._number(key), latest)

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _content(array: Array | None) -> Hashable:
    if array is None:
        return ("none",)
    return (array.dtype.str, array.shape, sha256(np.ascontiguousarray(array).tobytes()).digest())
