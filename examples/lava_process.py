"""A compiled network as one Lava Process, between a source and a sink of one's own.

    python -m examples.lava_process                 # compiles the bundled LeNet-5
    python -m examples.lava_process --network OUT   # or loads an artifact of a digit classifier

The source sends each digit for T steps; the sink keeps the sum that each digit ends with. Needs
lava-nc (extra ``lava``). Left to itself, Lava executes every file in the folder of a Process in
search of its model, this one included; here the models are named instead (``MODELS``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from snnc.backends.lava_process import NetworkProcess, SnncSimCfg, guarded
from snnc.compiler.demo import bundled
from snnc.compiler.network import Network
from snnc.ir import Array

# isort: split
# Python 3.11 and 3.12 can import Lava only after snnc has prepared it.
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Camera(AbstractProcess):  # type: ignore[misc]
    """Shows one picture after the other.

    Args:
        frames: ``(pictures, width, height, channels)``, what the network's input takes.
        hold: Steps for which each is shown.
    """

    def __init__(self, *, frames: Array, hold: int) -> None:
        super().__init__(frames=frames, hold=hold)
        self.s_out = OutPort(shape=frames.shape[1:])


@implements(proc=Camera, protocol=LoihiProtocol)
@requires(CPU)
class CameraModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Sends a picture at each step, and nothing after the last."""

    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        """Do one step; the first is number 1."""
        frames = self.proc_params["frames"]
        place = (self.time_step - 1) // self.proc_params["hold"]
        self.s_out.send(frames[place] if place < len(frames) else np.zeros_like(frames[0]))


class Reader(AbstractProcess):  # type: ignore[misc]
    """Keeps the answer to each picture.

    Args:
        schedule: When which picture's sums arrive.
        shape: Of an answer.
        count: Number of pictures.
    """

    def __init__(self, *, schedule: Any, shape: tuple[int, ...], count: int) -> None:
        super().__init__(schedule=schedule)
        self.a_in = InPort(shape=shape)
        self.totals = Var(shape=(count, *shape), init=0)


@implements(proc=Reader, protocol=LoihiProtocol)
@requires(CPU)
class ReaderModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Overwrites the sum of a picture until its last step."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    totals: Any = LavaPyType(np.ndarray, np.int64)

    def run_spk(self) -> None:
        """Do one step."""
        total = self.a_in.recv()
        if now := self.proc_params["schedule"].at(self.time_step):
            self.totals[now.sample] = total


MODELS = {Camera: CameraModel, Reader: ReaderModel}


def classify(net: Network, digits: Array) -> Array:
    """Return the outputs of a network that runs between a camera and a reader.

    Args:
        net: The network.
        digits: ``(pictures, channels, height, width)``, as the model takes them.
    """
    network = NetworkProcess(net, samples=len(digits))
    camera = Camera(frames=network.encode(digits), hold=network.timesteps)
    leaves = network.a_out
    reader = Reader(schedule=network.schedule(leaves), shape=leaves.shape, count=len(digits))
    camera.s_out.connect(network.s_in)
    leaves.connect(reader.a_in)
    with guarded(network, SnncSimCfg(exception_proc_model_map=MODELS)) as session:
        session.run(network.steps(len(digits)))
        return network.decode(reader.totals.get())


def main() -> None:
    """Classify some digits and compare with labels and with the network run by itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", type=Path, help="an artifact folder; else LeNet-5 is compiled")
    parser.add_argument("--digits", type=int, default=10)
    arguments = parser.parse_args()
    demo = bundled()
    net = (
        snnc.load(arguments.network)
        if arguments.network
        else snnc.compile(demo.model, target="lava", calibration=demo.calibration)
    )
    x, labels = demo.test[: arguments.digits], demo.labels[: arguments.digits]
    outputs = classify(net, x)
    print("labels      ", *labels)
    print("predictions ", *outputs.argmax(axis=1))
    equal = np.array_equal(outputs, np.asarray(net.run(x).outputs))
    print("equal to net.run:", "yes" if equal else "no")


if __name__ == "__main__":
    main()
