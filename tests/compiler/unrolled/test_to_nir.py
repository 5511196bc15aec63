"""Unrolled networks go into NIR files: from ONNX to what other simulators read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.compiler.cli import main

from .unrolled_files import NEURONS, network, saved

pytest.importorskip("h5py", reason="the extra nir is not installed")


@pytest.mark.parametrize("kind", NEURONS)
def test_from_the_command_line(kind: str, tmp_path: Path) -> None:
    path, out = saved(network(kind), tmp_path), tmp_path / "out"
    assert main([str(path), "--target", "nir", "--nir-version", "1.0.4", "-o", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    written, simulated = snnc.load(out), snnc.compile(path)
    assert not any("not used" in message for message, _ in written.report["warnings"])
    (name,) = written.artifact.golden.inputs
    x = 2 * np.random.default_rng(5).normal(size=(6, *written.golden.inputs[name].shape[1:]))
    np.savez(tmp_path / "x.npz", **{name: x.astype(np.float32)})
    given = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert main(["run", str(out), *given]) == 0
    found = np.load(tmp_path / "y.npz")
    for key, wanted in simulated.run(tmp_path / "x.npz").decoded.items():
        np.testing.assert_allclose(found[key], wanted[:, -1], rtol=1e-5, atol=1e-6)
    assert any(found[key].any() for key in found)
