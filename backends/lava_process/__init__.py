"""The target ``lava``: a Lava process graph, simulated bit for bit. Imports Lava only to run."""

from .backend import LavaBackend
from .program import LavaProgram

__all__ = ["LavaBackend", "LavaProgram"]
