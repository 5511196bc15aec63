"""What a result depends on besides the program: the processor, and the versions of what ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
"""Extensions of the instruction set that matrix products use."""

PACKAGES = (
    *("snnc", "numpy", "onnxruntime", "torch"),
    *("spikingjelly", "snntorch", "sinabs", "norse", "lava-nc"),
)


def describe() -> dict[str, Any]:
    """Return a description of this machine, without its name."""
    model, flags = _processor()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "native": _native(),
    }


def _processor() -> tuple[str, set[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor(), set()
    pairs = (line.partition(":") for line in text.splitlines())
    values = {name.strip(): value.strip() for name, _, value in pairs}
    family = f"family {values.get('cpu family')}, model {values.get('model')}"
    return f"{values.get('model name', '')} ({family})", set(values.get("flags", "").split())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _native() -> str:
    """Return which of snnc's compiled kernels run here."""
    from snnc.backends.numpy_sim.native import library

    if library.library() is None:
        return "none"
    return ("baseline", "AVX2", "AVX-512 VNNI")[library.level()]
