"""The part of the target ``lava`` that needs Lava installed."""

from .compat import prepare_lava

prepare_lava()

from .simulation import simulate  # noqa: E402

__all__ = ["simulate"]
