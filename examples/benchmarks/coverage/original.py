"""The model as its file says: what ONNX Runtime makes of it, one sample at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
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
        whole: The inputs of which a sample is the whole tensor; others get a batch of one.

    Raises:
        onnxruntime.capi.onnxruntime_pybind11_state.Fail: ONNX Runtime cannot load the file; it
            raises a dozen classes.
    """

    def __init__(
        self, path: Path, outputs: Sequence[str], whole: AbstractSet[str] = frozenset()
    ) -> None:
        model = onnx.load(path)
        there = {value.name for value in model.graph.output}
        for name in outputs:
            if name not in there:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            if len(dims) and value.name not in whole:
                dims[0].dim_param = "N"  # whatever batch the file was fixed to
        self._outputs, self._whole = list(outputs), whole
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
            self._session.run(
                self._outputs, {name: self._fed(name, x[n]) for name, x in inputs.items()}
            )
            for n in range(count)
        ]
        return {
            name: np.stack([one[place] for one in each]) for place, name in enumerate(self._outputs)
        }

    def _fed(self, name: str, x: Array) -> Array:
        """Return a sample as the file reads it."""
        (value,) = (value for value in self._session.get_inputs() if value.name == name)
        kind = np.int64 if value.type == "tensor(int64)" else np.float32
        if name not in self._whole:
            return np.asarray(x[None], kind)
        fixed = all(isinstance(size, int) for size in value.shape)
        return np.asarray(x.reshape(value.shape) if fixed else x, kind)
