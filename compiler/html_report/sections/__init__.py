"""The sections of the page, one file each: functions from findings to markup."""

from .accuracy import accuracy
from .approximations import approximations
from .chip import chip
from .contract import contract
from .cost import cost
from .errors import errors
from .overview import overview
from .provenance import provenance
from .readers import readers
from .spikes import spikes
from .structure import structure

SECTIONS = (
    *(
        structure,
        accuracy,
        errors,
        spikes,
        cost,
        chip,
        readers,
        contract,
        approximations,
        provenance,
    ),
)
"""In the order of the page; ``overview`` stands before them."""

__all__ = ["SECTIONS", "overview"]
