"""snnc compiles trained ONNX models to spiking neural networks for neuromorphic hardware."""

from .compiler.api import compile
from .compiler.network import Network, load
from .ir.errors import SnncError

__all__ = ["Network", "SnncError", "compile", "load"]
