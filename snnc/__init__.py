"""snnc compiles trained ONNX models to spiking neural networks for neuromorphic hardware."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.api import compile
    from .compiler.network import Network, load
    from .ir.errors import SnncError

__all__ = ["Network", "SnncError", "compile", "load"]
_HOMES = {"compile": "compiler.api", "SnncError": "ir.errors"}


def __getattr__(name: str) -> Any:  # nothing is loaded before it is used: `--help` stays quick
    if name in __all__:
        return getattr(import_module(f".{_HOMES.get(name, 'compiler.network')}", __name__), name)
    raise AttributeError(f"module 'snnc' has no attribute {name!r}")
