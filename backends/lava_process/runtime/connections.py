"""Faster models for Lava's own ``Conv`` and ``Dense``: the same numbers by the simulator's kernels.

Lava's fixed-point Conv loops over channels and its Dense multiplies integers without BLAS. What
is left here is what they do to the sums: Lava holds those of a Conv in 24 bits, and shifts those
of a Dense by its exponent.

The simulator's images are channels first. One of Lava's is handed over as it lies in memory:
with the channels last, on its side, along with the windows that slide over it.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from ....ir import Array, Linear
from ....ir import Conv as Windows
from ...numpy_sim.by_step import SynapseByStep
from .models import SENDS, Member

INT = LavaPyType(np.ndarray, int)
INT32 = LavaPyType(np.ndarray, np.int32, precision=24)


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

    synapse: SynapseByStep | None = None

    def run_spk(self) -> None:
        """Do one step."""
        self.a_out.send(self.a_buf)
        payloads = self.s_in.recv().transpose(2, 0, 1)
        if self.synapse is None:
            self.synapse = SynapseByStep(self.windows(), payloads.shape)
        self.a_buf[:] = self.held(self.synapse.currents(payloads)).transpose(1, 2, 0)

    def windows(self) -> Windows:
        """Return the synapse, of images that lie on their side."""
        (left, top), stride = self.padding.tolist(), self.stride.tolist()
        return Windows(
            name="conv",
            weight=self.weight[:, ::-1, ::-1].transpose(0, 3, 1, 2),  # unflipped
            stride=tuple(stride),
            padding=(left, top, left, top),
            dilation=tuple(self.dilation.tolist()),
            groups=int(self.groups[0]),
        )

    def held(self, total: Array) -> Array:
        """Return sums as the buffer holds them: their lowest 24 bits, with their sign."""
        return np.asarray(((total + 2**23) & (2**24 - 1)) - 2**23)


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FastDenseModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Equal to ``PyDenseModelBitAcc`` of lava-nc 0.10.0 for even weights of mixed sign mode.

    Their exponent of -1 halves the sums, which is to halve the weights.
    """

    s_in: Member = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Member = SENDS
    a_buff: Member = INT32
    weights: Member = INT32
    num_message_bits: Member = INT

    proc_params: Mapping[str, Any]
    synapse: SynapseByStep | None = None

    def run_spk(self) -> None:
        """Do one step."""
        self.a_out.send(self.a_buff)
        payloads = self.s_in.recv()
        if self.synapse is None:
            self.synapse = SynapseByStep(Linear(name="dense", weight=self.weight()), payloads.shape)
        self.a_buff[:] = self.synapse.currents(payloads)

    def weight(self) -> Array:
        """Return what an event adds."""
        return np.asarray(self.weights >> -self.proc_params["weight_exp"])
