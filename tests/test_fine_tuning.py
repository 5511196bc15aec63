"""What the training recipes put into a network before it is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
nn: Any = torch.nn

from examples.train.activations import QCFS, RateNorm  # noqa: E402
from examples.train.finetune import normalise, read  # noqa: E402
from examples.train.rate_inference import shrink_thresholds  # noqa: E402
from examples.train.recipe import approach  # noqa: E402

RESNET = Path("examples/models/resnet20.onnx")


def test_qcfs_rounds_to_levels_and_clips() -> None:
    z = torch.tensor([-3.0, -0.1, 0.06, 0.07, 0.5, 1.0, 1.9, 2.0, 7.0])
    levels = torch.tensor([0.0, 0, 0, 1, 4, 8, 15, 16, 16])  # of a sixteenth of the bound
    assert torch.equal(QCFS(2.0, 16).eval()(z), levels / 8)


@pytest.mark.parametrize(
    ("z", "of_z", "of_bound"), [(-1.0, 0.0, 0.0), (0.6, 1.0, (0.5 - 0.6) / 2), (3.0, 0.0, 1.0)]
)
def test_qcfs_gradient_passes_the_floor(z: float, of_z: float, of_bound: float) -> None:
    layer, value = QCFS(2.0, 4), torch.tensor(z, requires_grad=True)
    torch.autograd.backward(layer(value))
    assert layer.bound.grad is not None
    assert value.grad is not None
    assert float(value.grad) == pytest.approx(of_z)
    assert float(layer.bound.grad) == pytest.approx(of_bound)


def test_rate_norm_is_a_rate_times_its_threshold() -> None:
    layer, z = RateNorm(2.0), torch.linspace(-1, 4, 11)
    layer(z)  # training: the maximum moves a tenth of the way from 2 to 4
    assert float(layer.maximum) == pytest.approx(2.2)
    theta = float(layer.eval().theta())
    assert theta == pytest.approx(2.2 / (1 + np.exp(-2.5)))
    assert torch.allclose(layer(z), z.clamp(0, theta))
    assert torch.equal(layer.frozen()(z), layer(z))


def test_normalisations_come_back_without_a_change() -> None:
    x = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(str(RESNET))
    expected = torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
    model = read(RESNET)
    with torch.no_grad():
        assert torch.allclose(model(x), expected, atol=1e-4)
        normalise(model, x)
        assert torch.allclose(model(x), expected, atol=1e-4)
        # The statistics are those of these images: taking them anew makes no difference either.
        for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.train()
        assert torch.allclose(model(x), expected, atol=1e-2 * float(expected.abs().max()))


def test_running_mean_moves_a_share_of_the_way() -> None:
    mean, model = nn.Linear(2, 1), nn.Linear(2, 1)
    expected = 0.75 * mean.weight.detach() + 0.25 * model.weight.detach()
    approach(mean, model, 0.25)
    assert torch.allclose(mean.weight, expected)


@pytest.mark.slow
def test_rate_inference_lowers_thresholds_and_nothing_else() -> None:
    torch.manual_seed(0)
    layer = RateNorm(2.0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), layer, nn.Flatten(), nn.Linear(32, 3)).eval()
    x = torch.rand(64, 1, 4, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shrink_thresholds(model, x, model(x).argmax(1))
    after = model.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["1.scale"]
    assert after["1.scale"] < before["1.scale"]
