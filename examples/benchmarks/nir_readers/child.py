"""Runs one reader of NIR on one file, in an environment of its own that knows no snnc.

python child.py READER FILE.nir INPUTS.npz RESULT.npz TIMESTEPS [--corrected]

INPUTS.npz holds ``x``, what the file is to be fed, ``(samples, *shape)``. RESULT.npz then holds
``output``, what the output node received, ``(samples, timesteps, *shape)``, for each population
``spikes.<node>``, ``(samples, timesteps, *shape)``, and the versions of the packages as JSON.
``--corrected`` changes the reader's neurons to what the metadata of the file say, where they can.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import nir
import numpy as np
import torch

Step = Callable[[Any, Any], tuple[Any, Any]]


class Recorder:
    """Keeps what modules send, for each step of a sample or a batch of them."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Any]] = {}

    def watch(self, name: str, module: Any) -> None:
        """Keep what a module sends under the name of its node."""
        self.sent[name] = []

        def hook(module: Any, arguments: Any, result: Any) -> None:
            spikes = result[0] if isinstance(result, tuple) else result
            self.sent[name].append(spikes.detach().numpy().copy())

        module.register_forward_hook(hook)


def populations(network: Any) -> list[str]:
    """Return the names of all nodes of a file that spike."""
    kinds = (nir.IF, nir.LIF, nir.CubaLIF)
    return [name for name, node in network.nodes.items() if isinstance(node, kinds)]


def meant(network: Any, name: str) -> tuple[bool, bool]:
    """Return whether neurons subtract, and whether a step later, by the metadata of the file."""
    said = json.loads(network.metadata["snnc"])
    neuron = said.get("neurons", {}).get(name) or said["neuron"]
    return neuron["reset"] == "subtract", bool(neuron.get("reset_delay", 0))


def scaled(module: Any, factor: Any) -> None:
    """Multiply what comes into a module."""
    by = torch.as_tensor(np.asarray(factor), dtype=torch.float32)
    module.register_forward_pre_hook(lambda module, given: (given[0] * by, *given[1:]))


def snntorch(network: Any, corrected: bool, samples: int, dt: float) -> tuple[Any, Recorder]:
    """Import with snnTorch: ``snn.Leaky`` and ``snn.Synaptic``; for ``IF`` with beta 0.9."""
    import snntorch as snn
    from snntorch.import_nir import import_from_nir

    with contextlib.redirect_stdout(io.StringIO()):  # it says what it is doing
        model = import_from_nir(network)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        assert isinstance(module, (snn.Leaky, snn.Synaptic))
        module.init_hidden = True  # else an IF hands (spikes, membrane) on, and nothing runs
        subtracts, late = meant(network, name)
        if corrected and isinstance(network.nodes[name], nir.IF):
            module.beta.fill_(1.0)
            module.reset_delay = True
        elif corrected and subtracts:
            module.reset_mechanism = "subtract"
            module.state_function = module._base_sub
            module.reset_delay = late
        recorder.watch(name, module)
    return model, recorder


def spikingjelly(network: Any, corrected: bool, samples: int, dt: float) -> tuple[Any, Recorder]:
    """Import with SpikingJelly, whose neurons fire at the threshold and reset to v_reset."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    model = import_from_nir(network, dt=dt)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        if corrected and meant(network, name)[0]:
            module.module.v_reset = None
        recorder.watch(name, module)
    return model, recorder


def norse(network: Any, corrected: bool, samples: int, dt: float) -> tuple[Any, Recorder]:
    """Import with norse, whose neurons fire above the threshold and reset to 0."""
    from norse.torch.functional.reset import reset_subtract
    from norse.torch.utils.import_nir import from_nir

    logging.disable(logging.WARNING)  # it says that r of LIF is left out
    model = from_nir(network, dt=dt)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        cell = getattr(module, "lif", module)
        if corrected and not isinstance(network.nodes[name], nir.IF):
            if meant(network, name)[0]:
                cell.p = cell.p._replace(reset_method=reset_subtract)
            if isinstance(network.nodes[name], nir.LIF):
                scaled(module, network.nodes[name].r)
        recorder.watch(name, module)
    return model, recorder


def sinabs(network: Any, corrected: bool, samples: int, dt: float) -> tuple[Any, Recorder]:
    """Import with sinabs: several spikes a step, time constants in steps, gains of 1."""
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.from_torch import from_model  # noqa: F401 (fails early where sinabs is broken)
    from sinabs.nir import from_nir

    model = from_nir(network, batch_size=samples)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        if corrected:
            module.spike_fn, module.min_v_mem = SingleSpike, None
            if not meant(network, name)[0]:
                module.reset_fn = MembraneReset()
        if corrected and isinstance(network.nodes[name], nir.LIF):
            share = kept_less(network, network.nodes[name].tau)
            module.tau_mem.data = torch.as_tensor(-1 / np.log1p(-share), dtype=torch.float32)
            scaled(module, network.nodes[name].r * share)
        recorder.watch(name, module)
    return model, recorder


def kept_less(network: Any, tau: Any) -> Any:
    """Return one minus the decay of a time constant, in the discretisation of the file."""
    said = json.loads(network.metadata["snnc"])
    steps = said["dt"] / tau
    return steps if said["discretisation"] == "euler" else -np.expm1(-steps)


READERS = {"snntorch": snntorch, "sinabs": sinabs, "spikingjelly": spikingjelly, "norse": norse}


def run(name: str, file: str, x: Any, *, corrected: bool, dt: float = 1.0) -> dict[str, Any]:
    """Let a reader load a file and feed it.

    Args:
        name: One of ``READERS``.
        file: Path of the file.
        x: What the file is fed, ``(samples, timesteps, *shape)``.
        corrected: Whether the reader's neurons are changed to what the file says.
        dt: Length of a step, for readers that want to know it.

    Returns:
        ``output`` and ``spikes.<node>``, each ``(samples, timesteps, *shape)``.
    """
    network = nir.read(file)
    model, recorder = READERS[name](network, corrected, len(x), dt)
    outputs, state = [], None
    with torch.no_grad():
        for t in range(x.shape[1]):
            given = torch.from_numpy(x[:, t].astype(np.float32))
            y, state = model(given) if state is None else model(given, state)
            outputs.append(y.detach().numpy().copy())
    arrays = {f"spikes.{node}": np.stack(s, axis=1) for node, s in recorder.sent.items()}
    return arrays | {"output": np.stack(outputs, axis=1)}


def main(arguments: list[str]) -> None:
    """Run a reader."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    name, file, inputs, result, timesteps, *rest = arguments
    with np.load(inputs) as given:
        x = given["x"]
        steps = np.broadcast_to(x[:, None], (len(x), int(timesteps), *x.shape[1:]))
        arrays = run(name, file, steps, corrected="--corrected" in rest)
    packages = (name, "nir", "nirtorch", "torch")
    versions = np.array(json.dumps({p: version(p) for p in packages}))
    np.savez(result, versions=versions, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
