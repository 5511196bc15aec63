"""Faster models for Lava's own ``Conv`` and ``Dense``: the same numbers by matrix products.

Lava's fixed-point Conv loops over channels and its Dense multiplies integers without BLAS.
These models multiply floats instead, in float32 as long as the largest possible partial sum
is below 2**24, else in float64 (below 2**53): every partial sum is then an integer that the
type holds, so nothing is rounded in whatever order BLAS adds. The bound is taken anew from
the payloads of each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense

from ....ir import Array
from .models import SENDS, Member

INT = LavaPyType(np.ndarray, int)
INT32 = LavaPyType(np.ndarray, np.int32, precision=24)
FLOAT32_EXACT = 2**24
"""float32 holds every integer of smaller magnitude."""


class Kernel:
    """A weight matrix in both float types, and the bound that chooses between them.

    Args:
        weight: ``(groups, out, in)``, integer.
    """

    def __init__(self, weight: Array) -> None:
        self.largest_sum = int(np.abs(weight.astype(np.int64)).sum(axis=2).max(initial=0))
        self.by_type = {kind: weight.astype(kind) for kind in (np.float32, np.float64)}

    def float_type(self, payload: Array) -> type[np.float32 | np.float64]:
        """Return the float type in which a product with these payloads is exact."""
        bound = self.largest_sum * int(np.abs(payload).max(initial=0))
        return np.float32 if bound < FLOAT32_EXACT else np.float64

    def __getitem__(self, kind: type[np.float32 | np.float64]) -> Array:
        return self.by_type[kind]


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FastConvModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Equal to ``PyConvModelFixed`` of lava-nc 0.10.0, its wrap to 24 bits included."""

    s_in: Member = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Member = SENDS
    a_buf: Member = INT32
    weight: Member = INT32
    kernel_size: Member = INT
    stride: Member = INT
    padding: Member = INT
    dilation: Member = INT
    groups: Member = INT
    num_message_bits: Member = INT
    weight_exp: Member = INT
    num_weight_bits: Member = INT

    kind_of_kernel: type[Kernel] = Kernel
    kernel: Kernel | None = None

    def run_spk(self) -> None:
        """Do one step."""
        self.a_out.send(self.a_buf)
        payload = self.s_in.recv()
        if not payload.any():
            self.a_buf[:] = 0
            return
        self.a_buf[:] = self.held(self.convolve(payload))

    def held(self, total: Array) -> Array:
        """Return sums as the buffer holds them."""
        return np.asarray((total.astype(np.int64) + 2**23) % 2**24 - 2**23)

    def convolve(self, payload: Array) -> Array:
        """Return the sums of one step, ``(width, height, channels)``, float."""
        groups = int(self.groups[0])
        if self.kernel is None:  # unflipped, with the channels of a group last, as in `columns`
            weight = self.weight[:, ::-1, ::-1, :]
            self.kernel = self.kind_of_kernel(weight.reshape(groups, len(weight) // groups, -1))
        kind = self.kernel.float_type(payload)
        columns = self.columns(payload.astype(kind), groups)
        total = columns @ self.kernel[kind].transpose(0, 2, 1)
        width, height = self.a_buf.shape[:2]
        return np.asarray(total.transpose(1, 0, 2).reshape(width, height, -1))

    def columns(self, payload: Array, groups: int) -> Array:
        """Return what each window reads, ``(groups, width * height, window * channels)``."""
        across, down = map(int, self.padding)
        grid = np.pad(payload, ((across, across), (down, down), (0, 0)))
        width, height = self.a_buf.shape[:2]
        channels = payload.shape[2] // groups
        taps = list(product(*map(range, map(int, self.kernel_size))))
        out = np.empty((groups, width, height, len(taps), channels), payload.dtype)
        (step_x, step_y), (far_x, far_y) = self.stride.tolist(), self.dilation.tolist()
        for place, (i, j) in enumerate(taps):
            x, y = i * far_x, j * far_y
            tap = grid[
                x : x + (width - 1) * step_x + 1 : step_x,
                y : y + (height - 1) * step_y + 1 : step_y,
            ]
            out[:, :, :, place] = tap.reshape(width, height, groups, channels).transpose(2, 0, 1, 3)
        return out.reshape(groups, width * height, -1)


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FastDenseModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Equal to ``PyDenseModelBitAcc`` of lava-nc 0.10.0 for even weights of mixed sign mode."""

    s_in: Member = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Member = SENDS
    a_buff: Member = INT32
    weights: Member = INT32
    num_message_bits: Member = INT

    proc_params: Mapping[str, Any]
    kind_of_kernel: type[Kernel] = Kernel
    kernel: Kernel | None = None

    def run_spk(self) -> None:
        """Do one step."""
        self.a_out.send(self.a_buff)
        payload = self.s_in.recv()
        if self.kernel is None:
            self.kernel = self.kind_of_kernel(self.weights[None])
        kind = self.kernel.float_type(payload)
        self.a_buff[:] = self.held(self.kernel[kind][0] @ payload.astype(kind))

    def held(self, total: Array) -> Array:
        """Return sums as the buffer holds them."""
        return np.asarray(total.astype(np.int64) >> -self.proc_params["weight_exp"])
