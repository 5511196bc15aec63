"""A region on the host: ONNX Runtime, one sample at a time.

A host node may mix what stands along its first axis, so each sample is computed for itself: no
answer depends on the samples beside it. A file with a fixed batch size gets the same sample as
often as it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...backends.onnx_runtime import AnnSession
from ...ir import Array
from ...ir.errors import ExecutionError
from .host_limits import expect_runs, seconds_for
from .region import Region


@dataclass(frozen=True)
class HostPart:
    """A host region and the model that computes it.

    Attributes:
        region: The region.
        model: Its ONNX model, serialized.
        batch: The batch size that it is fixed to, or 1.
    """

    region: Region
    model: bytes
    batch: int = 1

    @cached_property
    def session(self) -> AnnSession:
        """The model, loaded."""
        return AnnSession(self.model, bounded=True)

    @property
    def _has_run(self) -> bool:
        return "session" in vars(self)

    @cached_property
    def seconds(self) -> float | None:
        """Longest that it may compute at one sample; None for any time."""
        return seconds_for(self.model)

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute the outputs of some samples.

        Args:
            values: For each tensor that it reads ``(samples, *tensor)``: the tensor of a sample
                has a batch axis of its own, if it has one in the model.

        Returns:
            For each output likewise.

        Raises:
            ModelError: ONNX Runtime does not accept the model.
            ExecutionError: ONNX Runtime failed, or outputs differ in size from sample to sample.
        """
        samples = len(next(iter(values.values())))
        given = [{n: np.asarray(values[n][i]) for n in self.region.inputs} for i in range(samples)]
        if given and not self._has_run:
            expect_runs(self.model, given[0])
        rows = [self.session.run_once(sample, seconds=self.seconds) for sample in given]
        return {name: _stacked(name, [row[name] for row in rows]) for name in self.region.outputs}


def _stacked(name: str, parts: list[Any]) -> Array:
    if not all(isinstance(part, np.ndarray) for part in parts):
        raise ExecutionError(
            f"{name}: is no tensor, and cannot leave its region",
            hint="export the model without sequences and optional values",
        )
    if len({part.shape for part in parts}) > 1:
        raise ExecutionError(
            f"{name}: has another size for another sample",
            hint="export the model so that sizes do not depend on the data",
        )
    return np.stack(parts)
