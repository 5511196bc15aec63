"""The model as its file says: what ONNX Runtime makes of it, one sample at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from snnc.ir import Array


class Original:
    """A file in ONNX Runtime.

    Args:
        path: The file.
        outputs: Names of the tensors wanted; inner ones become outputs.

    Raises:
        onnxruntime.capi.onnxruntime_pybind11_state.Fail: ONNX Runtime cannot load the file; it
            raises a dozen classes.
    """

    def __init__(self, path: Path, outputs: Sequence[str]) -> None:
        model = onnx.load(path)
        there = {value.name for value in model.graph.output}
        for name in outputs:
            if name not in there:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            if len(dims):
                dims[0].dim_param = "N"  # whatever batch the file was fixed to
        self._outputs = list(outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs, ``(samples, *shape)``."""
        count = len(next(iter(inputs.values())))
        each = [
            self._session.run(self._outputs, {name: x[n : n + 1] for name, x in inputs.items()})
            for n in range(count)
        ]
        return {
            name: np.concatenate([one[place] for one in each])
            for place, name in enumerate(self._outputs)
        }
