"""Every spike of every layer of a network on Lava, seen by probes, against the simulator.

    python -m examples.benchmarks.lava_probes                         # ResNet-20, one image, T 4
    python -m examples.benchmarks.lava_probes --code exact --images 2

The network runs as one ``NetworkProcess`` between Lava's ring buffer and a ``Probe`` at each
population, max pool and output.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.task import calibration_samples
from examples.datasets import load
from snnc.backends.lava_process import NetworkProcess, Probe, guarded
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.network import Network
from snnc.ir import Array, Input
from snnc.ir.reference import spiking_nodes

# isort: split
# Python 3.11 and 3.12 can import Lava only after snnc has prepared it.
from lava.proc.io.source import RingBuffer


def probed(net: Network, x: Array) -> tuple[dict[str, Array], Array]:
    """Run images through a network as a Process.

    Args:
        net: The network.
        x: ``(images, channels, height, width)``.

    Returns:
        The payloads of each layer, ``(images, timesteps, *shape)``, and the outputs.
    """
    layers = [node.name for node in spiking_nodes(net.graph)]
    network = NetworkProcess(net, probe=layers)
    source = RingBuffer(data=np.moveaxis(network.stream(x), 0, -1))
    source.s_out.connect(network.s_in)
    ports = {**network.probes, "": network.a_out}
    probes = {}
    for name, port in ports.items():
        probes[name] = Probe(shape=port.shape, steps=network.steps(len(x)))
        port.connect(probes[name].a_in)
    begin = time.perf_counter()
    with guarded(network) as session:
        session.run(network.steps(len(x)))
    print(f"{len(layers)} layers on Lava: {time.perf_counter() - begin:.1f} s")
    cut = {
        name: network.schedule(port).cut(probes[name].trace)[: len(x)]
        for name, port in ports.items()
    }
    outputs = network.decode(cut.pop("")[:, -1])
    return {
        name: np.moveaxis(c, range(2, c.ndim), range(c.ndim - 1, 1, -1)) for name, c in cut.items()
    }, outputs


def main() -> int:
    """Compare, print what was compared, and return 0 where all is equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("examples/models/resnet20.onnx"))
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--code", default="augmented")
    parser.add_argument("--timesteps", type=int, default=4)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--calibration", type=int, default=128, help="training images")
    options = parser.parse_args()
    settings: dict[str, Any] = {"code": options.code, "timesteps": options.timesteps}
    if options.code == "exact":
        settings = {"code": "exact", "quantize": 8}
    calibration = calibration_samples(options.data)[: options.calibration]
    net = snnc.compile(options.model, target="lava", calibration=calibration, **settings)
    x = load(options.data, "test")[0][: options.images]
    layers, outputs = probed(net, x)
    (node,) = net.graph.of_type(Input)
    simulator = NumpyBackend().lower(net.graph, net.timesteps)
    expected = simulator.run({node.name: x}, record=True)
    differing = {
        name: int((payloads != layers[name]).sum()) for name, payloads in expected.spikes.items()
    }
    for name, payloads in expected.spikes.items():
        spikes = np.count_nonzero(payloads)
        print(f"  {name}: {payloads.size} payloads, {spikes} spikes, {differing[name]} differ")
    different = int((np.asarray(expected.outputs) != outputs).sum())
    print(f"T = {net.timesteps}; {different} of {outputs.size} outputs differ")
    return 1 if different or any(differing.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
