"""NIR files on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from snnc.compiler.cli import main
from tests.nir_files import affine, chain, lif

STEPS = 20


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weight = np.array([[3.0, -1.0], [1.0, 2.0]], np.float32)
    return chain(
        tmp_path / "net.nir",
        affine(weight, np.zeros(2, np.float32)),
        lif((2,), r=4.0),
        shape=(2,),
        version="1.0.4",
    )


def test_the_whole_journey(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main([str(model), "--timesteps", str(STEPS), "--dt", "2e-4", "-o", out]) == 0
    told = capsys.readouterr()
    assert "steps of 0.0002 s, discretisation exact" in told.out
    assert "for a network that was trained there take --discretisation euler" in told.out
    assert "warning: spikes subtract the threshold" in told.err
    assert "hint: choose with --reset" in told.err
    assert main(["verify", out]) == 0
    assert main(["verify", out, "--model", str(model)]) == 0
    assert main(["show", out]) == 0
    assert "LIF(" in capsys.readouterr().out
    x = np.random.default_rng(0).normal(0, 1, (3, STEPS, 2)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "named.npz", input=x)
    arguments = ["run", out, "--output", str(tmp_path / "y.npz"), "--json", "--input"]
    assert main([*arguments, str(tmp_path / "x.npz")]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {"output": [3, 2]}
    assert np.load(tmp_path / "y.npz")["output"].sum() > 3
    assert main([*arguments, str(tmp_path / "named.npz")]) == 0


def test_data_that_do_not_fit(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main([str(model), "--timesteps", str(STEPS), "-o", out]) == 0
    for shape, message in (
        ((3, STEPS + 1, 2), "21 time steps along axis 1, but the network runs 20"),
        ((3, 2), "needs (samples, timesteps, 2)"),
    ):
        np.savez(tmp_path / "x.npz", x=np.zeros(shape, np.float32))
        assert main(["run", out, "--input", str(tmp_path / "x.npz")]) == 2
        assert message in capsys.readouterr().err


def test_inspect(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["convertible"]
    assert found["operators"] == {"Input": 1, "Linear": 1, "LIF": 1, "Output": 1}
    assert "1.0.4" in found["warnings"][0]["message"]
    assert main(["inspect", str(model), "--target", "all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"]["numpy"]["convertible"]
    assert main(["inspect", str(model), "--target", "all"]) == 0
    told = capsys.readouterr().out
    assert "()" not in told
    assert "host nodes" not in told
    assert f"`snnc inspect {model} --target TARGET` lists all of it" in told
    assert main(["inspect", str(model), "--target", "netx", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["unsupported"]
    (whole,) = (entry for entry in entries if "real-valued" in entry["reason"])
    assert (whole["node"], whole["hint"]) == ("", "train it in integers")


def test_readers_of_a_trained_network(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["inspect", str(model), "--target", "nir", "--timesteps", "12", "--readers"]
    assert main([*command, "--json"]) == 0
    found = {each["reader"]: each for each in json.loads(capsys.readouterr().out)["readers"]}
    assert found["snnc"]["unlike"] == found["NIR, old spec"]["unlike"] == 0
    assert found["NIR, current spec"]["unlike"] > 0, "it resets to v_reset"
    assert "r = 1 or r = tau / dt" in found["spikingjelly"]["refused"]
    assert not found["spikingjelly"]["rates"]
    samples = np.random.default_rng(2).random((5, 12, 2)) < 0.4
    np.savez(tmp_path / "x.npz", x=samples.astype(np.float32), y=np.zeros(5, int))
    assert main([*command, "--calibration", str(tmp_path / "x.npz")]) == 0
    told = capsys.readouterr()
    assert "other spikes" in told.out
    assert "not modelled for trained networks" in told.out
    assert told.err.count("is before 1.0.6") == 1


def test_inspect_says_what_is_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chain(tmp_path / "n.nir", {"type": "MaxPool2d"}, {"type": "Wave"}, shape=(2,))
    assert main(["inspect", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["convertible"]
    assert [entry["node"] for entry in found["unsupported"]] == ["0", "1"]


def test_options_of_the_other_kind_of_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model), "--code", "rate", "--percentile", "99"]) == 2
    assert "--code, --percentile: no meaning for a NIR file" in capsys.readouterr().err
    assert main(["model.onnx", "--dt", "1e-3"]) == 2
    assert "--dt is about NIR files" in capsys.readouterr().err


def test_a_file_is_known_by_its_first_bytes(model: Path, tmp_path: Path) -> None:
    other = model.rename(tmp_path / "net.h5")
    assert main([str(other), "--timesteps", "2", "-o", str(tmp_path / "out")]) == 0
