"""Models of energy: lists of terms, each a constant times the sum of some counts.

So the energy of a network is the sum over its nodes and over the terms, and nothing else: what a
layer takes and what a term takes can be read off, and both add up to the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum

from ...ir.errors import OptionError
from .constants import Constant
from .counts import Layer
from .memory import Memory

NETWORKS = ("snn", "ann")
"""What a term can be about; every quantised or real ANN is an ``ann``."""


@dataclass(frozen=True)
class Arithmetic:
    """In which numbers a network computes.

    Attributes:
        mac: Name of a multiplication with accumulation, e.g. ``int8_mac``.
        add: Name of an addition, e.g. ``int32_add``.
    """

    mac: str
    add: str


@dataclass(frozen=True)
class Term:
    """One part of the energy: the sum of some counts times a constant, or times an access.

    Attributes:
        name: Of the part.
        counts: Which counts.
        constant: The constant; ``{mac}`` and ``{add}`` stand for the network's arithmetic. Empty
            for accesses to memory.
        memory: Which buffer is accessed, or empty.
        networks: Which networks it is about.
        kinds: Which classes of nodes it is about; all if empty.
    """

    name: str
    counts: tuple[str, ...]
    constant: str = ""
    memory: str = ""
    networks: tuple[str, ...] = NETWORKS
    kinds: tuple[str, ...] = ()

    def constant_in(self, arithmetic: Arithmetic) -> str:
        """Return the name of the constant for a network of that arithmetic."""
        name = self.constant.replace("{mac}", arithmetic.mac)
        return name.replace("{add}", arithmetic.add)

    def is_about(self, layer: Layer, network: str) -> bool:
        """Whether a layer of a network has such a part."""
        return network in self.networks and (not self.kinds or layer.kind in self.kinds)


@dataclass(frozen=True)
class Barrier:
    """How long cores wait for each other at the end of a step.

    Attributes:
        tiles: On at most so many tiles.
        constant: Name of the constant.
    """

    tiles: int
    constant: str


@dataclass(frozen=True)
class StepTime:
    """How long a time step takes.

    Attributes:
        tick: Name of the constant, where every step takes as long as any other.
        times: Else, what each core does one after the other; the slowest one decides.
        barriers: And how long it takes until all know that all are done, by number of tiles.
    """

    tick: str = ""
    times: tuple[Term, ...] = ()
    barriers: tuple[Barrier, ...] = ()


@dataclass(frozen=True)
class Static:
    """Power that a chip takes whatever it does.

    Attributes:
        power: Name of the constant.
        neurons: Name of the constant that says how many neurons a chip has, where nothing says
            how many chips a network takes.
    """

    power: str
    neurons: str = ""


@dataclass(frozen=True)
class Bracket:
    """What stands in for an energy where no energy of an operation is published.

    Attributes:
        low: Terms of the low end, whose constants belong to other models.
        high: Likewise of the high end.
        basis: What the bracket is worth.
    """

    low: tuple[Term, ...]
    high: tuple[Term, ...]
    basis: str


@dataclass(frozen=True)
class Hardware:
    """A model of energy.

    Attributes:
        name: The name on the command line.
        title: The name in a sentence.
        basis: What the figures mean and what they leave out.
        constants: By name.
        terms: The parts of the energy; none where nothing is published.
        runs: Which networks it runs.
        memory: What an access to memory costs.
        static: Power it takes at rest.
        step: How long a step takes.
        chip: The chip of ``snnc fit`` whose placement says what travels how far, or empty.
        bracket: Where no energy of an operation is published.
    """

    name: str
    title: str
    basis: str
    constants: Mapping[str, Constant] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    runs: tuple[str, ...] = NETWORKS
    memory: Memory | None = None
    static: Static | None = None
    step: StepTime | None = None
    chip: str = ""
    bracket: Bracket | None = None

    def with_access_bits(self, bits: int) -> Hardware:
        """Return the model with accesses to memory of another width.

        Raises:
            OptionError: No access of this model has a width.
        """
        if self.memory is None or self.memory.access_bits is None:
            raise OptionError(
                f"--access-bits {bits}: {self.name} has no accesses of a certain width",
                hint="choose --hardware lemaire-2022-packed or lemaire-2022-spikingjelly",
            )
        return replace(self, memory=self.memory.with_access_bits(bits))

    def parts(self, layer: Layer, arithmetic: Arithmetic, network: str) -> dict[str, float | None]:
        """Return what each term takes of a layer, joules; None where a constant is missing.

        Args:
            layer: One layer.
            arithmetic: Of the network.
            network: One of ``NETWORKS``.
        """
        if network not in self.runs:
            return {}
        return {
            term.name: self._joules(term, layer, arithmetic)
            for term in self.terms
            if term.is_about(layer, network)
        }

    def joules(self, layers: Sequence[Layer], arithmetic: Arithmetic, network: str) -> float | None:
        """Return what a network takes, without static power; None where that is not known."""
        if network not in self.runs or not self.terms:
            return None
        return total(
            part for layer in layers for part in self.parts(layer, arithmetic, network).values()
        )

    def used(self, arithmetics: Sequence[tuple[str, Arithmetic]]) -> tuple[Constant, ...]:
        """Return the constants that networks of some kinds and arithmetics are costed with."""
        terms = [
            term.constant_in(arithmetic)
            for network, arithmetic in arithmetics
            for term in (*self.terms, *(self.step.times if self.step else ()))
            if network in self.runs and network in term.networks
        ]
        names = {*terms, *self._others()}
        held = [constant for name, constant in self.constants.items() if name in names]
        return (*held, *self._of_memory())

    def _others(self) -> set[str]:
        names = set()
        if self.static:
            names |= {self.static.power, self.static.neurons}
        if self.step:
            names |= {self.step.tick, *(barrier.constant for barrier in self.step.barriers)}
        return names

    def _of_memory(self) -> tuple[Constant, ...]:
        if self.memory is None:
            return ()
        memory = self.memory
        single = (memory.slope, memory.intercept, memory.access)
        pairs = (constant for pair in memory.points for constant in pair)
        return (*(constant for constant in single if constant), *pairs)

    def _joules(self, term: Term, layer: Layer, arithmetic: Arithmetic) -> float | None:
        count = layer.counts.sum_of(term.counts)
        if not count:
            return 0.0
        if term.memory:
            assert self.memory is not None
            buffer = layer.buffers.get(term.memory)
            return None if buffer is None else count * self.memory.joules(buffer)
        constant = self.constants.get(term.constant_in(arithmetic))
        return None if constant is None else count * constant.si


def total(parts: Iterable[float | None]) -> float | None:
    """Return the sum of energies, or None if one of them is not known.

    >>> total([1.0, 2.0]), total([1.0, None])
    (3.0, None)
    """
    held = list(parts)
    known = [part for part in held if part is not None]
    return fsum(known) if len(known) == len(held) else None
