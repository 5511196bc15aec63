"""Will it fit the chip? Partition into cores, placement on the mesh, traffic between cores.

A model from public figures, of which nothing was ever confirmed on a chip; ``docs/chip_fit.md``.
"""

from .fit import Fit, fit

__all__ = ["Fit", "fit"]
