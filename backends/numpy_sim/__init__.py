"""The event simulator: the target ``numpy``, which runs everywhere."""

from .backend import NumpyBackend, NumpyProgram

__all__ = ["NumpyBackend", "NumpyProgram"]
