"""What an access to a memory costs, from how large the memory is: three published readings.

All rest on the same three points of Horowitz (ISSCC 2014, 45 nm): a 64-bit access takes 10 pJ in an
SRAM of 8 KB, 20 pJ in one of 32 KB and 100 pJ in one of 1 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from .constants import Constant
from .counts import Buffer

RULES: Mapping[str, str] = {
    "regression": "slope * bits of the memory + intercept, for each element (Lemaire et al. 2022)",
    "packed": "one price for an access of so many bits, shared by the elements that fit into it",
    "interpolated": "between points of size and price, for each bit of an access of so many bits",
}


@dataclass(frozen=True)
class Memory:
    """What one access costs.

    Attributes:
        rule: One of ``RULES``.
        access_bits: Bits that one access brings; None for ``regression``.
        slope: Of ``regression``: joules a bit of the memory.
        intercept: Of ``regression``: joules.
        access: Of ``packed``: joules an access.
        points: Of ``interpolated``: sizes in bits, and joules an access; ascending.
    """

    rule: str
    access_bits: int | None = None
    slope: Constant | None = None
    intercept: Constant | None = None
    access: Constant | None = None
    points: tuple[tuple[Constant, Constant], ...] = ()

    def with_access_bits(self, bits: int) -> Memory:
        """Return the memory with accesses of another width."""
        return replace(self, access_bits=bits)

    def joules(self, buffer: Buffer) -> float:
        """Return what a read or a write of one element costs; 0 for an empty memory."""
        if not buffer.size:
            return 0.0
        if self.rule == "regression":
            assert self.slope is not None
            assert self.intercept is not None
            return self.slope.si * buffer.size + self.intercept.si
        assert self.access_bits is not None
        if self.rule == "packed":
            assert self.access is not None
            if buffer.bits > self.access_bits:
                return self.access.si * -(-buffer.bits // self.access_bits)
            return self.access.si / (self.access_bits // buffer.bits)
        return self._interpolated(buffer.size) * buffer.bits / self.access_bits

    def _interpolated(self, size: int) -> float:
        """Return the price of an access: from 0 for no memory, and flat beyond the last point."""
        curve = [(0.0, 0.0), *((at.value, price.si) for at, price in self.points)]
        for (left, low), (right, high) in pairwise(curve):
            if size <= right:
                return low + (high - low) * (size - left) / (right - left)
        return curve[-1][1]
