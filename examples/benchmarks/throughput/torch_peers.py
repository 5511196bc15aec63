"""Peers that run on PyTorch: one conversion, by SpikingJelly, with the neurons of each.

Only SpikingJelly converts an ANN; the others bring neurons. So its converted network is what all
run: float weights, binary spikes, a scale before and after each population, membranes that start
at half a threshold. The others' integrate-and-fire neurons take the place of SpikingJelly's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, fx, nn

from examples.benchmarks.peers import PEERS, convert
from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from examples.benchmarks.torch_network import torch_network
from snnc.compiler.onnx_import import load

RECIPE = "99.9 % a channel, v(0) = 1/2"
"""Of ``peers.PEERS``: the most accurate of those that calibrate in one pass."""

CALIBRATION_BATCH = 128

CACHED = 16
"""Samples at once and steps at once whose activations stay in the cache; see ``peers``."""

Forward = Callable[[Tensor], Tensor]
"""From samples to the sum of the outputs of all steps."""


@dataclass(frozen=True)
class Peer:
    """A network that runs as one system runs it.

    Attributes:
        neurons: Its populations.
        forward: Resets it, and runs all steps.
        note: What a reader must know.
    """

    neurons: tuple[nn.Module, ...]
    forward: Forward
    note: str = ""


def torch_peer(job: Job, *, name: str, recipe: str = RECIPE) -> Prepared:
    """Make a peer ready.

    Args:
        job: What to compute.
        name: A key of ``SYSTEMS``.
        recipe: Name of one of ``peers.PEERS``.
    """
    torch.set_num_threads(job.threads)
    peer = SYSTEMS[name](converted(job, recipe), job)
    samples, _ = job.network.test_samples(job.samples)
    batches = [
        batch.contiguous(memory_format=torch.channels_last)
        for batch in torch.split(torch.from_numpy(samples), job.batch)
    ]

    def run() -> Tensor:
        with torch.inference_mode():
            return torch.cat([peer.forward(batch) for batch in batches])

    with torch.inference_mode():
        peer.forward(batches[0])  # some make their membranes now
        with _counted(peer.neurons) as density:
            peer.forward(batches[0])
    share = density()

    def describe(sums: Tensor) -> Outcome:
        image_steps = float(len(samples) * job.steps)
        outputs = (sums / job.steps).numpy()
        return Outcome(image_steps, outputs=outputs, density=share, note=peer.note)

    return Prepared(run, describe)


def converted(job: Job, recipe: str) -> fx.GraphModule:
    """Return SpikingJelly's conversion of the job's network."""
    (peer,) = (peer for peer in PEERS if peer.method == recipe)
    ann = torch_network(load(job.network.model).graph)
    x = torch.from_numpy(job.network.calibration(job.calibration))
    network: fx.GraphModule
    network, _ = convert(peer, ann, torch.split(x, CALIBRATION_BATCH))
    functional.set_step_mode(network, "s")
    return network


@contextmanager
def _counted(neurons: tuple[nn.Module, ...]) -> Iterator[Callable[[], float]]:
    """Count events meanwhile; the function given returns the share of neurons that sent."""
    events, places = 0.0, 0.0

    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal events, places
        spikes = output[0] if isinstance(output, tuple) else output
        events, places = events + float((spikes != 0).sum()), places + spikes.numel()

    handles = [module.register_forward_hook(count) for module in neurons]
    try:
        yield lambda: events / places
    finally:
        for handle in handles:
            handle.remove()


def _populations(network: fx.GraphModule) -> dict[str, BaseNode]:
    return {name: node for name, node in network.named_modules() if isinstance(node, BaseNode)}


def _exchanged(network: fx.GraphModule, new: Callable[[], nn.Module]) -> tuple[Any, ...]:
    """Put other neurons in the place of SpikingJelly's."""
    modules = list[nn.Module]()
    for name, node in _populations(network).items():
        if node.v_threshold != 1.0:
            raise NotImplementedError(f"{name}: a threshold of {node.v_threshold}")
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, module := new())
        modules.append(module)
    return tuple(modules)


def single_step(network: fx.GraphModule, job: Job) -> Peer:
    """SpikingJelly, the whole network once for each step."""

    def forward(x: Tensor) -> Tensor:
        functional.reset_net(network)
        return sum_of_steps(network, x, job.steps)

    return Peer(tuple(_populations(network).values()), forward)


def sum_of_steps(network: nn.Module, x: Tensor, steps: int) -> Tensor:
    """Return the sum of the outputs of a network that is called once a step."""
    total: Tensor = network(x)
    for _ in range(steps - 1):
        total = total + network(x)
    return total


def multi_step(network: fx.GraphModule, job: Job) -> Peer:
    """SpikingJelly, each layer for all steps."""
    return _in_blocks(network, job, job.batch, job.steps)


def cached_multi_step(network: fx.GraphModule, job: Job) -> Peer:
    """SpikingJelly, each layer for some steps of some samples, in blocks."""
    peer = _in_blocks(network, job, CACHED, CACHED)
    return Peer(peer.neurons, peer.forward, f"blocks of {CACHED} samples and {CACHED} steps")


def _in_blocks(network: fx.GraphModule, job: Job, samples: int, steps: int) -> Peer:
    functional.set_step_mode(network, "m")

    def forward(x: Tensor) -> Tensor:
        return torch.cat([block(part) for part in torch.split(x, samples)])

    def block(x: Tensor) -> Tensor:
        functional.reset_net(network)
        total = torch.zeros(())
        for begin in range(0, job.steps, steps):
            several = x.unsqueeze(0).expand(min(steps, job.steps - begin), *x.shape)
            total = total + network(several).sum(dim=0)
        return total

    return Peer(tuple(_populations(network).values()), forward)


def snntorch(network: fx.GraphModule, job: Job) -> Peer:
    """snnTorch: ``Leaky`` without leak; it fires above the threshold, not at it."""
    from snntorch import Leaky

    neurons = _exchanged(
        network, lambda: Leaky(beta=1.0, init_hidden=True, reset_mechanism="subtract")
    )

    def forward(x: Tensor) -> Tensor:
        for neuron in neurons:
            neuron.mem = torch.full_like(neuron.mem, 0.5)
        return sum_of_steps(network, x, job.steps)

    return Peer(neurons, forward)


def sinabs(network: fx.GraphModule, job: Job) -> Peer:
    """sinabs: ``IAFSqueeze``, each layer for all steps, samples first."""
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAFSqueeze

    neurons = _exchanged(network, lambda: IAFSqueeze(num_timesteps=job.steps, spike_fn=SingleSpike))

    def forward(x: Tensor) -> Tensor:
        for neuron in neurons:
            if neuron.is_state_initialised():
                neuron.v_mem.fill_(0.5)
        every = x.repeat_interleave(job.steps, dim=0)
        outputs: Tensor = network(every)
        return outputs.reshape(len(x), job.steps, -1).sum(dim=1)

    return Peer(neurons, forward)


class NorseNeuron(nn.Module):
    """norse's ``IAFCell``, which is given its state and returns it."""

    def __init__(self) -> None:
        super().__init__()
        from norse.torch import IAFCell

        self.cell = IAFCell()
        self.state: Any = None

    def forward(self, x: Tensor) -> Tensor:
        """Advance one step."""
        from norse.torch.functional.iaf import IAFFeedForwardState

        if self.state is None:
            self.state = IAFFeedForwardState(v=torch.full_like(x, 0.5))
        spikes: Tensor
        spikes, self.state = self.cell(x, self.state)
        return spikes


def norse(network: fx.GraphModule, job: Job) -> Peer:
    """norse: ``IAFCell``, the whole network once for each step."""
    neurons = _exchanged(network, NorseNeuron)

    def forward(x: Tensor) -> Tensor:
        for neuron in neurons:
            neuron.state = None
        return sum_of_steps(network, x, job.steps)

    return Peer(neurons, forward, "its neuron resets to 0, so its answers are not the network's")


SYSTEMS: dict[str, Callable[[fx.GraphModule, Job], Peer]] = {
    "SpikingJelly, single-step": single_step,
    "SpikingJelly, multi-step": multi_step,
    "SpikingJelly, multi-step in blocks": cached_multi_step,
    "snnTorch": snntorch,
    "sinabs": sinabs,
    "norse": norse,
}
