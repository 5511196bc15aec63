"""Backends: from a graph to something that runs. They know the IR and nothing above it."""

from .base import Activity, Backend, Program, Result
from .registry import get_backend
from .target import Target

__all__ = ["Activity", "Backend", "Program", "Result", "Target", "get_backend"]
