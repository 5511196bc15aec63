"""Where the ANN beside a network is not the model of the file: the options that changed it."""

from __future__ import annotations

from ..backends.artifact import Artifact

CHANGING = ("quantize", "approximate")
"""Options that change the model before it is converted; the artifact's ANN is what they made."""


def changed_by(artifact: Artifact) -> str:
    """Return the options that made the ANN of an artifact another one than its file's, or ""."""
    options = artifact.manifest["options"]
    return " and ".join(f"--{key}" for key in CHANGING if options.get(key))
