"""NeuroBench's metrics equal those of the package ``neurobench`` on the same networks.

The package is in the dependency group ``peers``: ``uv run --group peers pytest``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.cost.neurobench import neurobench
from snnc.compiler.demo import bundled
from snnc.ir.errors import DataError
from tests.recurrent_graphs import state

RESNET = Path(__file__).parents[3] / "examples/models/resnet20.onnx"
SAMPLES = 3


def networks() -> dict[str, Any]:
    """Return LeNet-5 with ternary and graded events, and ResNet-20 with binary ones, and inputs."""
    rng = np.random.default_rng(0)
    demo = bundled()
    lenet = {"x": demo.test[:SAMPLES]}
    image = {"x": rng.random((SAMPLES, 3, 32, 32), np.float32)}
    return {
        "lenet ternary": (demo.model, demo.calibration, lenet, {"code": "ternary", "timesteps": 4}),
        "lenet graded": (
            demo.model,
            demo.calibration,
            lenet,
            {"code": "augmented", "timesteps": 3},
        ),
        "resnet rate": (RESNET, None, image, {"code": "rate", "timesteps": 3}),
    }


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["lenet ternary", "lenet graded", "resnet rate"])
def test_equal_to_the_package(name: str) -> None:
    pytest.importorskip(
        "neurobench", reason="needs neurobench: uv run --extra torch --group peers pytest"
    )
    from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import TorchModel

    from tests.compiler.cost.neurobench_mirror import Arrays, Mirror

    model, calibration, inputs, options = networks()[name]
    network = snnc.compile(model, calibration=calibration, **options)
    (key,) = network.golden.inputs
    inputs = {key: inputs["x"]}
    graph, timesteps = network.graph, network.timesteps
    found = neurobench(graph, inputs, timesteps)

    recorded = NumpyBackend().lower(graph, timesteps).run(inputs, record=True).spikes
    mirror = Mirror(graph, recorded, timesteps)
    mirror.register_hooks()
    mirror(inputs)
    data = (inputs[key], None)
    operations = SynapticOperations()(mirror, None, _Batch.of(data))
    assert found.effective_macs == operations["Effective_MACs"]
    assert found.effective_acs == operations["Effective_ACs"]
    assert found.dense == operations["Dense"]
    assert found.membrane_updates == MembraneUpdates()(mirror, None, _Batch.of(data))
    assert found.activation_sparsity == pytest.approx(ActivationSparsity()(mirror, None, None))
    assert found.connection_sparsity == ConnectionSparsity()(mirror)
    arrays = TorchModel(Arrays(graph))
    assert found.footprint == Footprint()(arrays)
    assert found.parameter_count == ParameterCount()(arrays)
    assert (found.effective_acs == 0) == (name == "lenet graded")  # graded events are MACs
    assert found.effective_macs > 0
    assert found.effective_macs + found.effective_acs < found.dense


class _Batch:
    """What NeuroBench asks of data: how many samples there are."""

    @staticmethod
    def of(data: tuple[Any, Any]) -> tuple[Any, Any]:
        import torch

        return torch.from_numpy(data[0]), data[1]


def test_sequences_are_refused() -> None:
    graph = state(4)
    with pytest.raises(DataError, match="sequences"):
        neurobench(graph, {"x": np.zeros((1, 3, 4), np.float32)}, 2)
