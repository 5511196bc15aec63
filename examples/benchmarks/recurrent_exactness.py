"""Recurrent networks: does every spiking network equal its quantised ANN, on whole sequences?

    python -m examples.benchmarks.recurrent_exactness --sequences 1000

Row-wise and pixel-wise sequential MNIST (28 and 784 elements), with states behind a ReLU and behind
a tanh: the trained network of ``examples/models``, and networks with random weights. For each, the
ANN in integers (``ir.reference.evaluate``) is compared with the spiking network in the simulator:
every logit of every sequence. Beside it stands ONNX Runtime on the file itself, its graph
optimisation disabled: how many logits differ by more than float32 rounding, and by how many steps
of the logits at most. The trained network's accuracies follow.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from examples.datasets import load
from examples.train.qcrnn import TASKS, Qcrnn, start_steps
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.onnx_import import load as load_model
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Array, Dequantize
from snnc.ir.reference import evaluate
from snnc.ir.settling import settling_bound

TRAINED = Path(__file__).parents[1] / "models" / "qcrnn-smnist.onnx"

FLOAT32 = 0.25
"""Logits are whole numbers of steps; what is nearer than this is the same one in float32."""


def untrained(task: str, state: str, folder: Path) -> Path:
    """Write a network with random weights, large enough for a lively state."""
    torch.manual_seed(0)
    model = Qcrnn(TASKS[task], channels=16, hidden=64, bits=4, state=state)
    images, _ = load("mnist", "train")
    torch.nn.init.orthogonal_(model.recurrent.weight, gain=1.5)
    torch.nn.init.normal_(model.inner.weight, std=2 * model.inner.in_features**-0.5)
    start_steps(model, TASKS[task].sequences(torch.from_numpy(images[:100])))
    if state == "relu":  # over many elements its sums would run away, and the steps with them
        model.state.step.data.fill_(0.25)
    path = folder / f"{task}-{state}.onnx"
    onnx.save(model.to_onnx(), path)
    return path


def compare(path: Path, x: Array, caps: list[int]) -> dict[str, Any]:
    """Convert one file and compare it on sequences ``(sequences, elements, *shape)``."""
    quantised = ToInteger()(run_passes(load_model(path).graph, SIMPLIFY))
    (output,) = quantised.outputs.values()
    wanted = evaluate(quantised, {"x": x})[output]
    readout = quantised[output]
    assert isinstance(readout, Dequantize)
    original = in_onnxruntime(path, x)
    distance = np.abs(original - wanted) / readout.scale
    found: dict[str, Any] = {
        "sequences": len(x),
        "elements": x.shape[1],
        "logits": wanted.size,
        "distinct_logits": len(np.unique(wanted)),
        "onnxruntime": {
            "differing_values": int(np.sum(distance > FLOAT32)),
            "sequences_with_a_difference": int(np.sum((distance > FLOAT32).any(axis=1))),
            "max_difference_units": float(distance.max()),
            "same_class": float(np.mean(original.argmax(1) == wanted.argmax(1))),
        },
    }
    for cap in caps:
        spiking = ToExact(cap)(quantised)
        bound = settling_bound(spiking)
        result = NumpyBackend().lower(spiking, bound).run({"x": x})
        decoded = result.decoded[next(iter(quantised.outputs))][:, -1]
        assert result.settled is not None
        found[f"payload {cap}"] = {
            "differing_logits": int(np.sum(decoded != wanted.astype(np.float32))),
            "steps_bound": bound,
            "steps_settled_max": int(result.settled.max()),
            "not_settled": int(np.sum(result.settled == 0)),
            "spikes_per_sequence": float(
                sum(result.activity[n.name].spikes.sum() for n in spiking.populations) / len(x)
            ),
        }
    return found


def in_onnxruntime(path: Path, x: Array) -> Array:
    """Return the logits of the file itself."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"x": x[i : i + 100]})[0] for i in range(0, len(x), 100)]
    return np.concatenate(parts)


def accuracies(path: Path, x: Array, labels: Array) -> dict[str, float]:
    """Return the accuracy of a file in ONNX Runtime, and of its spiking network."""
    spiking = ToExact(15)(ToInteger()(run_passes(load_model(path).graph, SIMPLIFY)))
    result = NumpyBackend().lower(spiking, settling_bound(spiking)).run({"x": x})
    decoded = result.decoded[next(iter(spiking.outputs))][:, -1]
    return {
        "onnxruntime": float(np.mean(in_onnxruntime(path, x).argmax(1) == labels)),
        "spiking": float(np.mean(decoded.argmax(1) == labels)),
    }


def main() -> None:
    """Compare all networks, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--digits", type=int, default=10000, help="for the accuracies")
    parser.add_argument("--pixelwise", type=int, default=1000, help="sequences of 784 elements")
    parser.add_argument("--model", type=Path, default=TRAINED)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = load("mnist")
    digits = torch.from_numpy(images)
    rows = TASKS["smnist"].sequences(digits).numpy()
    pixels = TASKS["psmnist"].sequences(digits[: arguments.pixelwise]).numpy()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {
            "trained, rows": compare(arguments.model, rows[: arguments.sequences], [15, 1])
        }
        for state in ("relu", "tanh"):
            path = untrained("smnist", state, Path(folder))
            found[f"untrained {state}, rows"] = compare(path, rows[: arguments.sequences], [15, 1])
            path = untrained("psmnist", state, Path(folder))
            found[f"untrained {state}, pixels"] = compare(path, pixels, [15])
    x, y = rows[: arguments.digits], labels[: arguments.digits]
    found["accuracy"] = accuracies(arguments.model, x, y)
    found["seconds"] = round(time.perf_counter() - begin)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
