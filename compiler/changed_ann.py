"""Where the ANN beside a network is not the model of the file: the options that changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANGING = ("quantize", "approximate")
"""Options that change the model before it is converted; the artifact's ANN is what they made."""


def changed_by(manifest: Mapping[str, Any]) -> str:
    """Return the options that made the ANN of an artifact another one than its file's, or ""."""
    options = manifest.get("options", {})
    return " and ".join(f"--{key}" for key in CHANGING if options.get(key))


def remark(changed: str) -> str:
    """Return in a sentence which model "ANN" is, where options changed it.

    >>> remark("--quantize")
    'ANN is the model after --quantize, which is what was converted, not that of the file'
    """
    return f"ANN is the model after {changed}, which is what was converted, not that of the file"
