"""A spiking network with nothing but onnxruntime and numpy: whole runs, or one step at a time.

    python examples/run_onnx_network.py out samples.npz     # snnc model.onnx --target onnx -o out
    python examples/run_onnx_network.py out samples.npz --stream --until 0.9
    python examples/run_onnx_network.py out/network.onnx samples.npz

The samples are arrays named after the inputs of the network, batch axis first; ``x`` will do where
there is one input, and ``y`` are labels. ``--stream`` feeds ``step.onnx``, as a device would that
gets its input piece by piece, and stops where the softmax of the outputs is sure enough. Samples
that have a value for every step, ``(samples, timesteps, ...)``, are fed a value in each.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Arrays = dict[str, Any]


def open_model(path: Path) -> Any:
    """Return a session on the CPU."""
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def samples(data: Arrays, session: Any) -> Arrays:
    """Return the inputs of a network from what a file holds."""
    names = [n.name for n in session.get_inputs() if not n.name.startswith("state.")]
    alone = names[0] if len(names) == 1 and names[0] not in data else ""
    return {name: data["x" if name == alone else name].astype(np.float32) for name in names}


def run(path: Path, data: Arrays) -> Arrays:
    """Run samples through all steps at once."""
    session = open_model(path)
    outputs = [node.name for node in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, samples(data, session)), strict=True))


def stream(folder: Path, data: Arrays, sure: float) -> tuple[Arrays, int]:
    """Run samples step by step; return the outputs and how many steps it took.

    A state is an input ``state.NAME``; the output ``next.NAME`` is what it is one step later.
    """
    session = open_model(folder / "step.onnx")
    inputs = samples(data, session)
    at_rest = open_model(folder / "initial_state.onnx")
    states = [node.name for node in at_rest.get_outputs()]
    batch = np.array([len(next(iter(inputs.values())))])
    held = dict(zip(states, at_rest.run(states, {"batch": batch}), strict=True))
    outputs = [n.name for n in session.get_outputs() if not n.name.startswith("next.")]
    after = ["next." + name.removeprefix("state.") for name in states]
    told = session.get_modelmeta().custom_metadata_map
    steps, own = int(told["steps"]), json.loads(told.get("stepwise", "[]"))
    taken, found = 0, list[Any]()
    while taken < steps and (not taken or confidence(found[0]) < sure):
        now = {name: inputs[name][:, taken] for name in own}
        found = session.run(outputs + after, {**inputs, **now, **held})
        held = dict(zip(states, found[len(outputs) :], strict=True))
        taken += 1
    return dict(zip(outputs, found, strict=False)), taken


def confidence(logits: Any) -> float:
    """Return the largest softmax of the sample that is the least sure."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return float(1 / e.sum(axis=-1).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, help="an artifact's folder, or its network.onnx")
    parser.add_argument("data", type=Path, help="an .npz file")
    parser.add_argument("--stream", action="store_true", help="step by step")
    parser.add_argument("--until", type=float, default=2.0, help="stop at this confidence")
    parser.add_argument("--output", type=Path, help="an .npz file for the outputs")
    arguments = parser.parse_args()
    folder = arguments.network if arguments.network.is_dir() else arguments.network.parent
    path = folder / "network.onnx" if arguments.network.is_dir() else arguments.network
    if not path.is_file():
        regions = "; of a network with parts on the host, give a folder in its regions/"
        parser.error(f"there is no {path}: compile with --target onnx{regions}")
    with np.load(arguments.data) as file:
        data = dict(file)
    begin = time.perf_counter()
    if arguments.stream:
        outputs, steps = stream(folder, data, arguments.until)
        print(f"{steps} steps")
    else:
        outputs = run(path, data)
    print(f"{time.perf_counter() - begin:.3f} s, the models' loading included")
    for name, values in outputs.items():
        print(name, values.shape)
        if "y" in data and values.ndim == 2:
            print(f"accuracy {(values.argmax(axis=1) == data['y']).mean():.2%}")
    if arguments.output:
        np.savez(arguments.output, **outputs)


if __name__ == "__main__":
    main()
