"""The target ``netx``: what its files can hold, and how a graph becomes one."""

from __future__ import annotations

from importlib.util import find_spec

from ...ir import IF, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape
from ..lava_process import LavaBackend
from ..lava_process.lowering import plan
from ..rules import check
from ..target import Target
from .design_rules import rules
from .network import MEMBRANE, from_graph
from .program import NetxProgram

TARGET = Target(
    name="netx",
    summary=(
        "HDF5 file (.net) for lava-dl's netx: layers in a row, binary spikes, reset to zero; run "
        "here on Lava's own processes"
    ),
    supports=frozenset({Input, Encoder, Conv, Linear, Reshape, IF, Integrator}),
    signed_payloads=False,
    graded_payloads=False,
    needs_integers=True,
    rate_coded_only=True,
    resets=("zero",),
    starts_at_zero=True,
    joins=False,
    threshold_per_layer=True,
    membrane=MEMBRANE,
    max_current=MEMBRANE,
    source="lava-dl 0.6.0: lava/lib/dl/netx/hdf5.py; lava-nc 0.10.0: lava/proc/lif/models.py",
)


class NetxBackend:
    """Turns networks that a ``.net`` file can hold into one. Lowering needs no other package."""

    target = TARGET

    def lower(self, graph: Graph, timesteps: int) -> NetxProgram:
        """Check a graph and describe its layers; see ``Backend.lower``."""
        check(graph, self.target, rules(timesteps))
        return NetxProgram(graph, timesteps, plan(graph), from_graph(graph, timesteps))

    def availability(self) -> str:
        """Return the version of lava-nc, or "" where it or h5py is missing."""
        return LavaBackend().availability() if find_spec("h5py") else ""
