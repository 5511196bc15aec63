"""The part of the target ``lava`` that needs Lava installed."""

from .compat import prepare_lava

prepare_lava()

from .guard import guarded  # noqa: E402
from .hierarchy import NetworkProcess  # noqa: E402
from .probe import Probe  # noqa: E402
from .run_config import SnncSimCfg  # noqa: E402
from .simulation import simulate  # noqa: E402

__all__ = ["NetworkProcess", "Probe", "SnncSimCfg", "guarded", "simulate"]
