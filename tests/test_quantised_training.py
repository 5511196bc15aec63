"""Training with quantisers, the files it writes, and quantisation after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
nn: Any = torch.nn

from examples.train import qat  # noqa: E402
from examples.train.qdq import Writer  # noqa: E402
from examples.train.quantize import quantize  # noqa: E402
from examples.train.quantizers import (  # noqa: E402
    QuantizedConv,
    Quantizer,
    Weights,
    best_step,
)
from snnc.compiler.oracle import integer_graph  # noqa: E402
from snnc.ir import Dequantize, Requantize  # noqa: E402

LENET = Path("compiler/demo/lenet5.onnx")
RESNET = Path("examples/models/resnet20.onnx")


def images(count: int, *shape: int) -> Any:
    whole = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0))
    return whole.float() / 255


def test_a_quantiser_rounds_ties_to_even_and_clips() -> None:
    x = torch.tensor([-1.0, 0.25, 0.75, 1.25, 1.4, 9.0])
    assert Quantizer(0.5, 0, 3)(x).tolist() == [0.0, 0.0, 1.0, 1.0, 1.5, 1.5]


@pytest.mark.parametrize(("x", "of_x", "of_step"), [(-1.0, 0, 0), (0.6, 1, -0.2), (9.0, 0, 3)])
def test_gradients_are_those_of_learned_steps(x: float, of_x: float, of_step: float) -> None:
    quantizer, value = Quantizer(0.5, 0, 3), torch.tensor([[x]], requires_grad=True)
    torch.autograd.backward(quantizer(value).sum())
    assert value.grad is not None
    assert value.grad.item() == of_x
    assert quantizer.step.grad is not None
    assert quantizer.step.grad.item() == pytest.approx(of_step / 3**0.5, abs=1e-6)


def test_the_first_step_has_the_least_error() -> None:
    x = torch.randn(3, 500, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1], [2], [8]]
    )
    step = best_step(x, -7, 7)

    def error(step: Any) -> Any:
        levels = (x / step[:, None]).round().clamp(-7, 7)
        return (levels * step[:, None] - x).square().mean(1)

    assert torch.all(error(step) <= error(0.7 * step))
    assert torch.all(error(step) <= error(1.4 * step))


def test_a_normalisation_that_turns_a_channel_round_or_off_is_folded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(1, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10)
    norm.weight.data = torch.linspace(-2, 2.5, 10)
    norm.running_mean, norm.running_var = torch.randn(10), torch.rand(10) + 0.5
    layer, image = QuantizedConv(conv, 4), Quantizer(1 / 255, 0, 255)
    writer = Writer()
    read = writer.quantize("input", "x", image)
    writer.weighted("conv", read, layer, norm)
    writer.node("GlobalAveragePool", "mean", "conv")
    writer.node("Flatten", "flat", "mean")
    writer.write(tmp_path / "m.onnx", (1, 6, 6))
    x = images(4, 1, 6, 6)
    with torch.no_grad():
        expected = norm.eval()(layer(image(x))).mean((2, 3))
    found = onnxruntime.InferenceSession(str(tmp_path / "m.onnx")).run(None, {"x": x.numpy()})[0]
    # The bias is rounded to units of input scale times weight scale.
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    factor[factor == 0] = 1
    unit = (layer.weights.step * factor).abs().detach() / 255
    assert np.all(np.abs(found - expected.numpy()) <= 0.51 * unit.numpy())


@pytest.mark.parametrize(
    ("read", "model", "shape", "bits"),
    [
        (qat.read_lenet, LENET, (1, 28, 28), 2),
        (qat.read_lenet, LENET, (1, 28, 28), 4),
        (qat.read_resnet, RESNET, (3, 32, 32), 4),
    ],
)
def test_the_file_computes_what_was_trained(
    read: Any, model: Path, shape: tuple[int, ...], bits: int, tmp_path: Path
) -> None:
    x = images(2, *shape)
    network = read(model)
    with torch.no_grad():  # biases are rounded in the file: without them both are equal
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("bias", "running_mean")):
                value.zero_()
    qat.quantize(network, bits, x)
    qat.write(network, tmp_path / "m.onnx", shape)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    found = session.run(["logits"], {"x": x.numpy()})[0]
    with torch.no_grad():
        expected = network(x).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    graph = integer_graph(tmp_path / "m.onnx")
    highest = {node.high for node in graph.of_type(Requantize)}
    assert 2**bits - 1 in highest
    assert highest <= {2**bits - 1, 255}


def test_weights_have_no_level_beyond_their_bits() -> None:
    weight = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    levels = Weights(weight, 2).levels(weight)
    assert set(levels.flatten().tolist()) == {-1.0, 0.0, 1.0}


def test_quantisation_after_training_leaves_the_logits_real(tmp_path: Path) -> None:
    x = images(256, 1, 28, 28).numpy()
    proto = quantize(LENET, x, tmp_path / "m.onnx")
    assert proto.graph.node[-1].op_type == "Gemm"
    assert {n.op_type for n in onnx.load(LENET).graph.node} - {"Relu"} <= {
        n.op_type for n in proto.graph.node
    }
    graph = integer_graph(tmp_path / "m.onnx")
    assert len(graph.of_type(Dequantize)) == 1
    assert len(graph.of_type(Requantize)) == 6
