"""The program of the target ``netx``: a file, and a run of it on Lava's own processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...ir import Array
from ..lava_process import LavaProgram
from ..lava_process.recording import Recording
from . import hdf5
from .network import NetxNetwork

FILE = "network.net"


@dataclass(frozen=True)
class NetxProgram(LavaProgram):
    """A network as a ``.net`` file; see ``backends.base.Program``.

    A run writes the file into memory, reads it back, and builds from it what lava-dl builds:
    ``Conv`` or ``Dense`` and ``LIFReset`` for each layer, from lava-nc. lava-dl itself is not
    used.

    Attributes:
        network: What the file holds.
    """

    network: NetxNetwork = field(repr=False)

    def save(self, folder: Path) -> None:
        """Write the file."""
        hdf5.save(self.network, folder / FILE)

    def simulate(self, samples: Mapping[str, Array], recording: Recording, **options: Any) -> None:
        """Run the file; see ``runtime.simulate``."""
        from .runtime import simulate

        with hdf5.library().File(FILE, "w", driver="core", backing_store=False) as file:
            hdf5.write(self.network, file)
            network = hdf5.read(file)
        simulate(network, self.plan, samples, recording, **options)
