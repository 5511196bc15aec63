"""Runs one reader of NIR on one file, in an environment of its own that knows no snnc.

python child.py READER FILE.nir INPUTS.npz RESULT.npz TIMESTEPS [--corrected]

INPUTS.npz holds ``x``, what the file is to be fed, ``(samples, *shape)``. RESULT.npz then holds
``output``, what the output node received, ``(samples, timesteps, *shape)``, for each population
``spikes.<node>``, ``(samples, timesteps, *shape)``, and the versions of the packages as JSON.
``--corrected`` changes the reader's neurons to what the metadata of the file say, where they can.
"""

from __future__ import annotations

import json
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
    """Return the names of all ``IF`` nodes of a file."""
    return [name for name, node in network.nodes.items() if isinstance(node, nir.IF)]


def flattened_behind_batch(model: Any) -> None:
    """Let modules flatten behind the batch axis: dimensions in NIR are counted without it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Flatten) and module.start_dim == 0:
            module.start_dim = 1


def snntorch(network: Any, corrected: bool, samples: int) -> tuple[Any, Recorder]:
    """Import with snnTorch: ``snn.Leaky`` with beta 0.9, which subtracts."""
    import snntorch as snn
    from snntorch.import_nir import import_from_nir

    model = import_from_nir(network)
    flattened_behind_batch(model)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        assert isinstance(module, snn.Leaky)
        module.init_hidden = True  # else it hands (spikes, membrane) on, and nothing runs
        if corrected:
            module.beta.fill_(1.0)
            module.reset_delay = True
        recorder.watch(name, module)
    return model, recorder


def spikingjelly(network: Any, corrected: bool, samples: int) -> tuple[Any, Recorder]:
    """Import with SpikingJelly: ``IFNode``, which fires at the threshold and resets to v_reset."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    model = import_from_nir(network, dt=1.0)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        if corrected:
            module.module.v_reset = None
        recorder.watch(name, module)
    return model, recorder


def norse(network: Any, corrected: bool, samples: int) -> tuple[Any, Recorder]:
    """Import with norse: ``IAFCell``, which fires above the threshold and resets to 0."""
    from norse.torch.utils.import_nir import from_nir

    model = from_nir(network, dt=1.0)
    flattened_behind_batch(model)
    recorder = Recorder()
    for name in populations(network):
        recorder.watch(name, model.get_submodule(name))
    return model, recorder


def sinabs(network: Any, corrected: bool, samples: int) -> tuple[Any, Recorder]:
    """Import with sinabs: ``IAFSqueeze``, several spikes a step, membranes above minus 1."""
    from sinabs.activation import SingleSpike
    from sinabs.from_torch import from_model  # noqa: F401 (fails early where sinabs is broken)
    from sinabs.nir import from_nir

    model = from_nir(network, batch_size=samples)
    recorder = Recorder()
    for name in populations(network):
        module = model.get_submodule(name)
        if corrected:
            module.spike_fn, module.min_v_mem = SingleSpike, None
        recorder.watch(name, module)
    return model, recorder


READERS = {"snntorch": snntorch, "sinabs": sinabs, "spikingjelly": spikingjelly, "norse": norse}


def run(name: str, file: str, x: Any, timesteps: int, *, corrected: bool) -> dict[str, Any]:
    """Let a reader load a file and feed it the same values at every step.

    Args:
        name: One of ``READERS``.
        file: Path of the file.
        x: What the file is fed at every step, ``(samples, *shape)``.
        timesteps: Number of steps.
        corrected: Whether the reader's neurons are changed to what the file says.

    Returns:
        ``output`` and ``spikes.<node>``, each ``(samples, timesteps, *shape)``.
    """
    network = nir.read(file)
    model, recorder = READERS[name](network, corrected, len(x))
    given, outputs, state = torch.from_numpy(x.astype(np.float32)), [], None
    with torch.no_grad():
        for _ in range(timesteps):
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
        arrays = run(name, file, given["x"], int(timesteps), corrected="--corrected" in rest)
    packages = (name, "nir", "nirtorch", "torch")
    versions = np.array(json.dumps({p: version(p) for p in packages}))
    np.savez(result, versions=versions, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
