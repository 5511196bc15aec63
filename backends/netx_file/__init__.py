"""The target ``netx``: networks as HDF5 files (``.net``) that lava-dl's ``netx`` loads."""

from .backend import NetxBackend
from .program import NetxProgram

__all__ = ["NetxBackend", "NetxProgram"]
