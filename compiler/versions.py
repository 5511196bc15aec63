"""What was installed when a network was compiled."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from ..backends import Backend


def installed_versions(backend: Backend) -> dict[str, str]:
    """Return the versions of snnc, what it rests on, Python, and what runs a target here."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "unknown"

    names = ("snnc", "numpy", "onnx", "onnxruntime")
    found = {name: installed(name) for name in names}
    return found | {"python": platform.python_version(), "target": backend.availability()}
