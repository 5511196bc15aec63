"""Integers that are only moved or compared: the same as the real numbers they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from onnx import NodeProto

from .handlers import KEEP_INTEGERS
from .liveness import standard
from .values import Activation, Grid, RefusalError, Value


def without_grid(
    proto: NodeProto, inputs: Mapping[str, Value]
) -> tuple[Mapping[str, Value], Grid | None]:
    """Return the inputs as real numbers where a node only moves or compares integers.

    Returns:
        The inputs, and what the integers of the output stand for; None for real numbers.
    """
    grids = [v.grid for v in inputs.values() if isinstance(v, Activation) and v.grid]
    if not grids or not standard(proto) or proto.op_type not in KEEP_INTEGERS:
        return inputs, None
    real = {n: replace(v, grid=None) if isinstance(v, Activation) else v for n, v in inputs.items()}
    moved = [v for v in inputs.values() if isinstance(v, Activation)]
    if len(grids) < len(moved) or not all(grid.same(grids[0]) for grid in grids):
        raise RefusalError(
            "joins integers of different scales or zero points",
            "put a DequantizeLinear before each input",
        )
    if grids[0].scale.size > 1 and proto.op_type not in ("Identity", "MaxPool"):
        raise RefusalError(
            "moves integers whose scales differ between channels",
            "put a DequantizeLinear before it",
        )
    return real, grids[0]
