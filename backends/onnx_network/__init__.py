"""The target ``onnx``: the spiking network as a plain ONNX graph, for ONNX Runtime alone."""

from ..interruption import uninterrupted

with uninterrupted():
    import onnx  # noqa: F401

from .backend import OnnxBackend
from .program import OnnxProgram

__all__ = ["OnnxBackend", "OnnxProgram"]
