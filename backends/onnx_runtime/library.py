"""Loads ONNX Runtime: whole in spite of Ctrl-C, and without its telemetry.

An interrupt that reaches the compiled part of ``onnx`` while it is loaded aborts the process; in
``onnxruntime`` it becomes an ``ImportError``. ONNX Runtime 1.31 also begins a session of telemetry
when it is loaded, and leaves a file ``.ses`` among the temporary files.
"""

from __future__ import annotations

import os
from typing import Any

from ..interruption import uninterrupted

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""The environment variable by which ONNX Runtime is told; it looks when it is loaded."""


def load_onnxruntime() -> Any:
    """Return the module ``onnxruntime``."""
    with uninterrupted():
        os.environ.setdefault(NO_TELEMETRY, "1")
        import onnxruntime
    return onnxruntime
