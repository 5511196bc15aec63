"""What a network from an unrolled file costs, where it is placed, and what its report says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from snnc.compiler.cli import main

from .unrolled_files import STEPS, network, saved


@pytest.mark.parametrize("stepwise", [True, False])
@pytest.mark.parametrize("kind", ["snntorch", "norse"])
def test_the_commands_that_once_asked_for_an_ann(
    kind: str, stepwise: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    model = saved(network(kind, stepwise=stepwise, recurrent=stepwise), tmp_path)
    assert main([str(model), "-o", str(out)]) == 0
    x = np.random.default_rng(0).normal(size=(9, STEPS, 3) if stepwise else (9, 3))
    np.savez(tmp_path / "x.npz", x=x.astype(np.float32))
    capsys.readouterr()
    assert main(["estimate", str(out), "--data", str(tmp_path / "x.npz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["twin"] is None
    assert found["no_ann"]
    leaky = [layer for layer in found["layers"] if layer["kind"] in ("LIF", "CubaLIF")]
    assert len(leaky) == 2
    for layer in leaky:
        assert layer["macs"] >= layer["neuron_updates"] > 0
    for chip in ("loihi1", "loihi2"):
        given = ["--data", str(tmp_path / "x.npz"), "--chip", chip, "--json"]
        assert main(["fit", str(out), *given]) == 0
        placed = json.loads(capsys.readouterr().out)
        assert {layer["layer"] for layer in placed["layers"]} >= {layer["node"] for layer in leaky}
        assert not any("--weight-bits" in each["hint"] for each in placed["violations"])
    page = tmp_path / "report.html"
    given = ["--data", str(tmp_path / "x.npz"), "-o", str(page)]
    assert main(["report", str(out), *given]) == 0
    assert "the network was trained as a spiking one" in page.read_text(encoding="utf-8")
