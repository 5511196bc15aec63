"""What a node of a network does for one sample: the words that models of energy speak in.

Every count is a mean over samples, so it need not be whole. A model of energy is a list of terms,
each a constant times the sum of some of these counts (``hardware``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

BITS = frozenset({"payload_bits", "payload_bits_in"})
"""The counts whose unit is a bit; all others count operations, accesses or events."""

BufferName = Literal["inputs", "weights", "biases", "states", "outputs"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one node does for one sample.

    Attributes:
        macs: Multiplications with accumulation: of synapses whose inputs are real or graded, of
            encoders, of an ANN.
        acs: Accumulations of synapses whose inputs are -1, 0 or 1; of a max pool of events, its
            running sums. For an ANN all additions and comparisons.
        mac_planes: Multiplications times the bits of the value that comes in: the additions they
            take if it is taken one bit at a time.
        bias_additions: Additions of biases to membranes.
        comparisons: Comparisons with thresholds; of a max pool, one for each event and window.
        resets: Subtractions of thresholds behind events.
        address_macs: Multiplications that find the first neuron an event reaches.
        address_acs: Additions that find where the next weight and the next neuron are.
        neuron_updates: Neurons times steps; for a max pool each event and window it reaches.
        events: Events sent: nonzero payloads.
        payload_units: The sum of their magnitudes.
        payload_bits: Bits of the payloads sent.
        events_in: Events received; for an ANN all values read.
        payload_bits_in: Bits of the payloads received.
        synops: Events received from spiking nodes times the synapses they reach.
        unit_synops: Likewise, each event counted by its magnitude.
        input_reads: Reads of values that come in.
        weight_reads: Reads of weights.
        bias_reads: Reads of biases.
        state_reads: Reads of membranes and other state.
        state_writes: Writes of them.
        output_writes: Writes of values that go out.
        messages: Events received times the cores that hold a neuron they reach.
        hops_x: Links along rows of the mesh that these messages pass.
        hops_y: Likewise along columns.
    """

    macs: float = 0.0
    acs: float = 0.0
    mac_planes: float = 0.0
    bias_additions: float = 0.0
    comparisons: float = 0.0
    resets: float = 0.0
    address_macs: float = 0.0
    address_acs: float = 0.0
    neuron_updates: float = 0.0
    events: float = 0.0
    payload_units: float = 0.0
    payload_bits: float = 0.0
    events_in: float = 0.0
    payload_bits_in: float = 0.0
    synops: float = 0.0
    unit_synops: float = 0.0
    input_reads: float = 0.0
    weight_reads: float = 0.0
    bias_reads: float = 0.0
    state_reads: float = 0.0
    state_writes: float = 0.0
    output_writes: float = 0.0
    messages: float = 0.0
    hops_x: float = 0.0
    hops_y: float = 0.0

    def times(self, factor: float) -> Counts:
        """Return all counts so many times, e.g. for every element of a sequence."""
        return Counts(**{name: factor * getattr(self, name) for name in COUNTS})

    def sum_of(self, names: tuple[str, ...]) -> float:
        """Return the sum of some counts."""
        return float(sum(getattr(self, name) for name in names))


COUNTS = tuple(each.name for each in fields(Counts))
"""The names of all counts."""


@dataclass(frozen=True)
class Buffer:
    """A memory that a node reads or writes.

    Attributes:
        elements: Numbers it holds.
        bits: Width of each.
    """

    elements: int
    bits: int

    @property
    def size(self) -> int:
        """Bits it holds."""
        return self.elements * self.bits


@dataclass(frozen=True)
class Layer:
    """One node of a network, what it does and the memories it does it with.

    Attributes:
        node: Its name.
        kind: Its class.
        counts: What it does for one sample.
        buffers: Its memories by name.
    """

    node: str
    kind: str
    counts: Counts
    buffers: Mapping[str, Buffer] = field(default_factory=dict)


BUFFERS: Mapping[str, BufferName] = {
    "input_reads": "inputs",
    "weight_reads": "weights",
    "bias_reads": "biases",
    "state_reads": "states",
    "state_writes": "states",
    "output_writes": "outputs",
}
"""The counts that are accesses to memory, and to which."""
