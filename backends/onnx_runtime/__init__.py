"""ANN graphs in ONNX Runtime: reference outputs, calibration, and the model in an artifact.

Importing this loads ``onnx``; ``onnxruntime`` is loaded when a session is made.
"""

from ..interruption import uninterrupted

with uninterrupted():
    import onnx  # noqa: F401

from .activations import Activations
from .ann_export import to_onnx
from .ann_session import AnnSession

__all__ = ["Activations", "AnnSession", "to_onnx"]
