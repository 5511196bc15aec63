"""The target ``nir``: networks as NIR files, and what each reader of NIR makes of them."""

from .backend import NirBackend
from .program import NirProgram

__all__ = ["NirBackend", "NirProgram"]
