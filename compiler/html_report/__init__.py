"""One HTML file about a compiled network that people can read anywhere, without a network.

``gather`` runs everything and returns ``Findings``; ``render`` turns them into a page. The page
holds what ``Findings.to_json`` holds, and nothing else.
"""

from .findings import Findings
from .gathering import gather
from .page import render

__all__ = ["Findings", "gather", "render"]
