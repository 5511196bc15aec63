"""The search for the cheapest setting that loses little enough accuracy."""

from .search import Search
from .settings import Setting, candidates

__all__ = ["Search", "Setting", "candidates"]
