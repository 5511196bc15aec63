"""Models that would be cut into thousands of regions, or into copies of one large weight."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from onnx import ModelProto

from snnc.backends import get_backend
from snnc.compiler.inspection import Inspection, inspect
from snnc.compiler.options import Options
from snnc.compiler.partition.levels import LEAST_SHARE, Candidate, cut
from tests.hostile_models import model, node

SECONDS = 10.0


def alternating(count: int, features: int) -> ModelProto:
    """Return a model in which layers and operators that cannot spike take turns."""
    nodes, here = [], "x"
    for index in range(count):
        last = "y" if index == count - 1 else f"s{index}"
        nodes += [
            node("Gemm", [here, "w"], [f"g{index}"]),
            node("Relu", [f"g{index}"], [f"r{index}"]),
        ]
        nodes.append(node("Sin", [f"r{index}"], [last]))
        here = last
    return model(nodes, (features,), w=np.ones((features, features), np.float32))


def inspected(path: Path, made: ModelProto) -> Inspection:
    path.write_bytes(made.SerializeToString())
    begin = time.process_time()
    found = inspect(path, get_backend("numpy"), Options())
    assert time.process_time() - begin < SECONDS
    return found


def test_a_thousand_layers_one_by_one(tmp_path: Path) -> None:
    found = inspected(tmp_path / "m.onnx", alternating(1000, 4))
    assert len(found.unsupported) == 1000  # nothing would spike: each has too small a share


def test_copies_of_one_weight(tmp_path: Path) -> None:
    assert inspected(tmp_path / "few.onnx", alternating(50, 16)).host
    found = inspected(tmp_path / "many.onnx", alternating(90, 512))
    assert found.unsupported
    assert not found.host


def test_of_thousands_of_small_levels_half_goes_at_once() -> None:
    steps: list[Candidate] = []
    before: tuple[str, ...] = ()
    for index in range(2000):
        layer = Candidate(f"l{index}", before, spikes=True, synapse=True, neuron=True, macs=1)
        steps += [layer, Candidate(f"h{index}", (layer.name,), spikes=False)]
        before = (f"h{index}",)
    large = Candidate("large", before, spikes=True, synapse=True, neuron=True, macs=10**6)
    begin = time.process_time()
    regions, joined = cut([*steps, large])
    assert time.process_time() - begin < SECONDS
    assert regions[-1] == ["large"]
    assert len(joined) == 2000
    uncounted = [Candidate(s.name, s.before, s.spikes, s.synapse, s.neuron) for s in steps]
    regions, _ = cut(uncounted)
    assert len(regions) <= 2 / LEAST_SHARE + 1
