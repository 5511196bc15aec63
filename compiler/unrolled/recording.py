"""What ONNX Runtime computes inside a model: chosen tensors, without any optimisation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onnx import ModelProto, ValueInfoProto

from ...backends.onnx_runtime.library import load_onnxruntime
from ...ir import Array


class Recorder:
    """Runs a model and gives tensors of it, its own outputs or others.

    Args:
        model: The model.
        tensors: Names of the tensors.
    """

    def __init__(self, model: ModelProto, tensors: Iterable[str]) -> None:
        self.tensors = tuple(dict.fromkeys(tensors))
        watched = ModelProto()
        watched.CopyFrom(model)
        del watched.graph.output[:]
        own = {value.name: value for value in model.graph.output}
        for name in self.tensors:
            watched.graph.output.append(own.get(name, ValueInfoProto(name=name)))
        library = load_onnxruntime()
        options = library.SessionOptions()
        options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        providers = ["CPUExecutionProvider"]
        self._session: Any = library.InferenceSession(
            watched.SerializeToString(), options, providers=providers
        )

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Return the tensors."""
        return dict(zip(self.tensors, self._session.run(list(self.tensors), feed), strict=True))
