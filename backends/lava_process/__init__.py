"""The target ``lava``: a Lava process graph, simulated bit for bit. Imports Lava only to run.

For users of Lava: ``NetworkProcess`` is a compiled network as one Lava Process, ``SnncSimCfg`` the
run configuration it needs, ``guarded`` runs a graph so that it cannot hang, ``Probe`` records.
"""

from typing import TYPE_CHECKING, Any

from .backend import LavaBackend
from .program import LavaProgram

if TYPE_CHECKING:
    from .runtime import NetworkProcess, Probe, SnncSimCfg, guarded

__all__ = ["LavaBackend", "LavaProgram", "NetworkProcess", "Probe", "SnncSimCfg", "guarded"]


def __getattr__(name: str) -> Any:  # these need Lava
    if name in ("NetworkProcess", "Probe", "SnncSimCfg", "guarded"):
        from . import runtime

        return getattr(runtime, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
