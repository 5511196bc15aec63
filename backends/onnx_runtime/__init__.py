"""ANN graphs in ONNX Runtime: reference outputs, calibration, and the model in an artifact.

Importing this loads ``onnx``; ``onnxruntime`` is loaded when a session is made.
"""

from .ann_export import to_onnx
from .ann_session import AnnSession

__all__ = ["AnnSession", "to_onnx"]
