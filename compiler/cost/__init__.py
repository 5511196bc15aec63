"""What a network costs: counted operations, models of energy, the ANNs it competes with.

``counts`` are the words, ``spiking`` and ``dense`` count, ``hardware`` prices, ``estimate`` puts
all of it side by side; ``docs/cost.md`` has the formulas and the traps.
"""

from .estimate import Estimate, estimate
from .hardware import Hardware
from .presets import DEFAULT, PRESETS, get_hardware

__all__ = ["DEFAULT", "PRESETS", "Estimate", "Hardware", "estimate", "get_hardware"]
