"""Networks that other frameworks wrote give the spikes that the framework itself gives."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc import compile
from snnc.ir import Array, CubaLIF, Feedback

# The packages call what their own dependencies have deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:nirtorch"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]

STEPS, SAMPLES = 60, 4


def events(size: int) -> Array:
    rng = np.random.default_rng(3)
    return (rng.random((SAMPLES, STEPS, size)) < 0.3).astype(np.float32)


def written(graph: Any, path: Path) -> Path:
    nir = pytest.importorskip("nir")
    nir.write(path, graph)
    return path


def exported(module: Any, x: Array, path: Path) -> Path:
    """Write a module of snnTorch, which prints what it is doing."""
    torch = pytest.importorskip("torch")
    export = pytest.importorskip("snntorch.export_nir")
    if version("nir") == "1.0.4":
        pytest.skip("snnTorch writes v_reset, which nir 1.0.4 has not")
    with contextlib.redirect_stdout(io.StringIO()):
        graph = export.export_to_nir(module, torch.from_numpy(x[0, 0]))
    return written(graph, path)


@pytest.mark.parametrize("all_to_all", [True, False])
def test_recurrent_networks_of_snntorch(tmp_path: Path, all_to_all: bool) -> None:
    """Reset to zero at once: what its file says. By default it subtracts, a step later."""
    torch = pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    torch.manual_seed(1)
    common = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    kind = {"linear_features": 8} if all_to_all else {"V": torch.randn(8), "all_to_all": False}
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 8),
        snntorch.RLeaky(beta=0.8, **kind, **common),
        torch.nn.Linear(8, 3),
        snntorch.Leaky(beta=torch.full((3,), 0.9), threshold=torch.full((3,), 0.4), **common),
    )
    x = events(5)
    with torch.no_grad():
        for layer in (module[0], module[2]):
            layer.weight *= 3
        wanted = [module(torch.from_numpy(x[:, t])).numpy() for t in range(STEPS)]
    path = exported(module, x, tmp_path / "n.nir")
    network = compile(path, timesteps=STEPS, discretisation="euler")
    assert network.graph.of_type(Feedback)
    found = np.diff(network.run(x).decoded["output"], axis=1, prepend=0)
    assert np.sum(wanted) > 50
    np.testing.assert_array_equal(found, np.stack(wanted, axis=1))


def test_recurrent_currents_of_snntorch(tmp_path: Path) -> None:
    """RSynaptic of snnTorch 1.0.0 fails where it shall reset at once: written out instead."""
    torch = pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    torch.manual_seed(1)
    layer = snntorch.RSynaptic(alpha=0.7, beta=0.8, linear_features=8, init_hidden=True)
    module = torch.nn.Sequential(torch.nn.Linear(5, 8), layer)
    x = events(5)
    network = compile(
        exported(module, x, tmp_path / "n.nir"), timesteps=STEPS, discretisation="euler"
    )
    assert network.graph.of_type(CubaLIF)
    found = np.diff(network.run(x).decoded["output"], axis=1, prepend=0)
    weight, bias, recurrent, offset = (
        part.detach().numpy().astype(np.float64)
        for part in (*module[0].parameters(), *layer.recurrent.parameters())
    )
    current, membrane, sent = (np.zeros((SAMPLES, 8)) for _ in range(3))
    wanted = []
    for t in range(STEPS):
        current = 0.7 * current + x[:, t] @ weight.T + bias + sent @ recurrent.T + offset
        membrane = 0.8 * membrane + current
        sent = (membrane > 1).astype(float)
        membrane = np.where(sent, 0, membrane)
        wanted.append(sent)
    assert np.sum(wanted) > 50
    np.testing.assert_array_equal(found, np.stack(wanted, axis=1))


def test_a_network_of_norse(tmp_path: Path) -> None:
    """Its writer multiplies time constants by its dt; with dt = 1 they are seconds."""
    torch = pytest.importorskip("torch")
    norse = pytest.importorskip("norse.torch")
    torch.manual_seed(2)
    parameters = norse.LIFBoxParameters(
        tau_mem_inv=torch.full((6,), 200.0),
        v_leak=torch.zeros(6),
        v_th=torch.full((6,), 0.3),
        v_reset=torch.zeros(6),
    )
    module = norse.SequentialState(torch.nn.Linear(5, 6), norse.LIFBoxCell(parameters))
    with torch.no_grad():
        module[0].weight *= 4
    x, wanted, state = events(5), [], None
    with torch.no_grad():
        for t in range(STEPS):
            spikes, state = module(torch.from_numpy(x[:, t]), state)
            wanted.append(spikes.numpy())
        graph = norse.to_nir(module, torch.from_numpy(x[0, 0]), dt=1.0)
    path = written(graph, tmp_path / "n.nir")
    network = compile(path, timesteps=STEPS, dt=1e-3, discretisation="euler", reset="zero")
    found = np.diff(network.run(x).decoded["output"], axis=1, prepend=0)
    assert np.sum(wanted) > 50
    np.testing.assert_array_equal(found, np.stack(wanted, axis=1))


@pytest.mark.parametrize(
    "kind", ["IFNode", "LIFNode", "LIFNode, input not decayed", "ParametricLIFNode", "CUBALIFNode"]
)
def test_networks_of_spikingjelly(tmp_path: Path, kind: str) -> None:
    """Its file says what a spike does; that it steps by Euler it does not say."""
    torch = pytest.importorskip("torch")
    neurons = pytest.importorskip("spikingjelly.activation_based.neuron")
    if version("nir") == "1.0.4":
        pytest.skip("SpikingJelly writes v_reset, which nir 1.0.4 has not")
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    torch.manual_seed(1)
    name, *undecayed = kind.split(", ")
    settings: dict[str, Any] = {
        "LIFNode": {"tau": 2.5, "decay_input": not undecayed, "v_threshold": 0.7, "v_reset": -0.2},
        "CUBALIFNode": {"c_decay": 0.4, "v_decay": 0.3},
    }.get(name, {})
    make = getattr(neurons, name)
    module = torch.nn.Sequential(
        *(torch.nn.Linear(5, 8), make(**settings), torch.nn.Linear(8, 3), make(**settings))
    )
    x = events(5)
    with torch.no_grad():
        for layer in (module[0], module[2]):
            layer.weight *= 8
        wanted = [module(torch.from_numpy(x[:, t])).numpy() for t in range(STEPS)]
        graph = exchange.export_to_nir(module, torch.from_numpy(x[:, 0]))
    path = written(graph, tmp_path / "n.nir")
    network = compile(path, timesteps=STEPS, discretisation="euler")
    found = np.diff(network.run(x).decoded["output"], axis=1, prepend=0)
    assert np.sum(wanted) > 20
    np.testing.assert_array_equal(found, np.stack(wanted, axis=1))


def test_a_network_of_sinabs(tmp_path: Path) -> None:
    """One spike a step at most, and no lower bound of the membrane: what its file says."""
    torch = pytest.importorskip("torch")
    layers = pytest.importorskip("sinabs.layers")
    activation = pytest.importorskip("sinabs.activation")
    sinabs_nir = pytest.importorskip("sinabs.nir")
    torch.manual_seed(3)

    def neurons() -> Any:
        return layers.IAFSqueeze(
            batch_size=SAMPLES,
            spike_fn=activation.SingleSpike,
            reset_fn=activation.MembraneSubtract(),
            min_v_mem=None,
        )

    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=1, bias=True),
        neurons(),
        layers.SumPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 4),
        neurons(),
    )
    x = events(36).reshape(SAMPLES, STEPS, 1, 6, 6)
    with torch.no_grad():
        module[0].weight *= 4
        module[4].weight *= 4
        spikes = module(torch.from_numpy(x.reshape(-1, 1, 6, 6)))
        graph = sinabs_nir.to_nir(module, torch.from_numpy(x[:, 0]))
    graph.infer_types()  # it leaves the shapes of Conv2d and Flatten out, which nir cannot write
    network = compile(written(graph, tmp_path / "n.nir"), timesteps=STEPS, reset="subtract")
    found = np.diff(network.run(x).decoded["output"], axis=1, prepend=0)
    wanted = spikes.numpy().reshape(SAMPLES, STEPS, 4)
    assert wanted.sum() > 50
    np.testing.assert_array_equal(found, wanted)
