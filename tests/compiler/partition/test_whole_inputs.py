"""Inputs without batch axis beside one that has it: states, and numbers that a host reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import snnc
from snnc.compiler.partition import CutWarning, PartitionedNetwork
from snnc.compiler.partition.storage import load
from tests.command_line import write_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    return write_model(
        tmp_path / "state.onnx",
        """
        a = Gemm (x, w1) r = Relu (a) b = Gemm (r, w2) q = Abs (b)
        s = Exp (q) c = Gemm (s, w3) t = Relu (c) d = Gemm (t, w2)
        f = Cast <to = 1> (rate) l = ReduceSum <keepdims = 0> (state) n = Div (l, f)
        y = Mul (d, n) z = Mul (state, f)
        """,
        "(float[1,6] x, float[2,1,4] state, int64 rate) => (float[1,8] y, float[2,1,4] z)",
        {
            "w1": rng.normal(size=(6, 16)) / 3,
            "w2": rng.normal(size=(16, 8)) / 8,
            "w3": rng.normal(size=(8, 16)) / 8,
        },
    )


def test_a_sample_has_the_whole_tensor(path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    samples = {
        "x": rng.uniform(size=(40, 6)).astype(np.float32),
        "state": rng.uniform(size=(40, 2, 1, 4)).astype(np.float32),
        "rate": np.full(40, 4),
    }
    with pytest.warns(CutWarning):
        network = snnc.compile(path, calibration=samples, timesteps=32)
    assert isinstance(network, PartitionedNetwork)
    assert network.division.whole == {"state", "rate"}
    assert len(network.networks) == 2  # also behind the Exp, of which onnx knows no type here
    few = {name: x[:3] for name, x in samples.items()}
    found = {name: trace[:, -1] for name, trace in network.run(few).decoded.items()}
    assert found["z"].shape == (3, 2, 1, 4)
    assert found["y"].shape == (3, 8)
    session = onnxruntime.InferenceSession(
        onnx.load(path).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for index in range(3):
        y, z = session.run(
            ["y", "z"],
            {
                "x": few["x"][index : index + 1],
                "state": few["state"][index],
                "rate": np.asarray(few["rate"][index], np.int64),
            },
        )
        np.testing.assert_allclose(found["z"][index], z, rtol=1e-6)
        assert np.linalg.norm(found["y"][index] - y[0]) < 0.2 * np.linalg.norm(y[0])
    network.save(tmp_path / "out")
    again = load(tmp_path / "out").run(few)
    np.testing.assert_array_equal(again.decoded["z"][:, -1], found["z"])
