"""What an HDF5 file holds, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir import Array


@dataclass(frozen=True)
class Group:
    """A group: groups, arrays and texts by name.

    Attributes:
        where: Its path in the file, for messages.
        entries: What is in it.
    """

    where: str
    entries: Mapping[str, Group | Array | str | list[str]]
