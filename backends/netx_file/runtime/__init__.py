"""The part of the target ``netx`` that needs Lava installed."""

from ...lava_process import runtime  # noqa: F401 (makes Lava importable)
from .simulation import simulate

__all__ = ["simulate"]
