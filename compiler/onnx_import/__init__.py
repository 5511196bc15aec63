"""From an ONNX file to a graph of real signals. Importing this loads ``onnx``."""

from ...backends.interruption import uninterrupted

with uninterrupted():
    import onnx  # noqa: F401

from .examine import examine, load
from .result import Cut, Examination, ImportedModel, Unsupported

__all__ = ["Cut", "Examination", "ImportedModel", "Unsupported", "examine", "load"]
