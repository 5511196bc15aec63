"""``inspect`` takes the options of ``compile`` that change what converts, and answers for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends import get_backend
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.inspection import Inspection, inspect
from snnc.compiler.options import Options
from snnc.compiler.search.inspection import inspect_search
from snnc.ir import Array
from snnc.ir.errors import DataError, OptionError, SnncError
from tests.command_line import Command, write_model

SAMPLES = {"x": np.random.default_rng(4).normal(size=(240, 4)).astype(np.float32)}


def layers(folder: Path, activation: str) -> Path:
    """Write a file with a ReLU and another activation between matrix products."""
    rng = np.random.default_rng(3)
    weights = {"w": rng.normal(size=(4, 6)), "u": rng.normal(size=(6, 6)) / 2}
    return write_model(
        folder / "m.onnx",
        f"g = MatMul (x, w) r = Relu (g) h = MatMul (r, u) a = {activation} y = MatMul (a, v)",
        "(float[N,4] x) => (float[N,3] y)",
        weights | {"v": rng.normal(size=(6, 3)), "low": np.array(-1.0), "high": np.array(1.0)},
    )


def answers(path: Path, given: dict[str, Any], samples: dict[str, Array] | None) -> Inspection:
    return inspect(path, get_backend("numpy"), Options(**given), calibration=samples)


@pytest.mark.parametrize(
    ("activation", "given"),
    [
        ("Relu (h)", {"quantize": 8}),
        ("Relu (h)", {"quantize": 8, "code": "exact"}),
        ("Relu (h)", {"approximate": True, "code": "exact"}),
        ("Relu (h)", {"code": "exact"}),
        ("Sigmoid (h)", {"approximate": True}),
        ("Sigmoid (h)", {"approximate": True, "code": "exact"}),
        ("Sigmoid (h)", {}),
        ("Softmax (h)", {"approximate": True}),
        ("Clip (h, low, high)", {"approximate": True, "code": "rate"}),
    ],
)
@pytest.mark.filterwarnings("ignore::snnc.compiler.partition.CutWarning")
def test_the_answer_is_that_of_compile(
    tmp_path: Path, activation: str, given: dict[str, Any]
) -> None:
    path = layers(tmp_path, activation)
    found = answers(path, given, SAMPLES)
    if not found.convertible:
        with pytest.raises(SnncError) as caught:
            snnc.compile(path, calibration=SAMPLES, **given)
        assert found.unsupported[0].reason in str(caught.value)
        return
    network = snnc.compile(path, calibration=SAMPLES, correction="none", **given)
    assert [entry.node for entry in found.host] == [
        entry["node"] for entry in network.report.get("partition", {"host": []})["host"]
    ]
    said = [text for text in network.report["approximations"] if text in found.approximations]
    assert bool(said) == bool(not found.host and (given.get("quantize") or "approximate" in given))


@pytest.mark.parametrize(
    ("activation", "given"), [("Relu (h)", {"quantize": 8}), ("Sigmoid (h)", {"approximate": True})]
)
def test_it_says_by_how_much(tmp_path: Path, activation: str, given: dict[str, Any]) -> None:
    path = layers(tmp_path, activation)
    (text,) = (t for t in answers(path, given, SAMPLES).approximations if "all that" in t)
    (off,) = re.findall(r"([0-9.]+)% off, root mean square on 240 calibration samples", text)
    ann = snnc.compile(path, calibration=SAMPLES, correction="none", **given).artifact.ann
    assert ann is not None
    wanted, found = (AnnSession(part).run(SAMPLES)["y"] for part in (path.read_bytes(), ann))
    assert float(off) == pytest.approx(
        100 * np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2)), abs=0.006
    )
    assert 0 < float(off) < 5


def test_samples_that_do_not_fit_are_refused_as_by_compile(tmp_path: Path) -> None:
    path = layers(tmp_path, "Relu (h)")
    with pytest.raises(DataError, match="--quantize 8 needs calibration data"):
        answers(path, {"quantize": 8}, None)
    for activation in ("Relu (h)", "Softmax (h)"):  # the latter is cut
        wrong = {"x": np.zeros((8, 5), np.float32)}
        with pytest.raises(DataError, match="calibration data"):
            answers(layers(tmp_path, activation), {}, wrong)


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, ["augmented, K = 4", "augmented, K = 15", "ternary"]),
        ({"code": "augmented", "max_payload": 2}, ["augmented, K = 2"]),
        ({"code": "rate"}, ["rate"]),
    ],
)
def test_a_search_is_told_setting_by_setting(
    tmp_path: Path, given: dict[str, Any], settings: list[str]
) -> None:
    path = layers(tmp_path, "Clip (h, low, high)")
    target = get_backend("numpy")
    found = inspect_search(path, target, Options(**given), 0.01, SAMPLES, 2)
    assert [name.partition(" with")[0] for name in found.settings] == settings
    assert found.convertible == ("rate" not in settings)  # which has no negative spikes
    assert all(bool(entries) != ("rate" not in settings) for entries in found.settings.values())
    with pytest.raises(OptionError, match="needs real samples"):
        inspect_search(path, target, Options(**given), 0.01, None)
    few = {"x": SAMPLES["x"][:20]}
    if found.convertible:
        with pytest.raises(DataError, match="too few to judge"):
            inspect_search(path, target, Options(**given), 0.01, few)


def test_the_command_line(command: Command, model_file: Path, tmp_path: Path) -> None:
    path = layers(tmp_path, "Sigmoid (h)")
    np.savez("x.npz", **SAMPLES)
    words = ("inspect", path, "--calibration", "x.npz")
    assert command(*words, "--json").json["spiking_share"] < 1
    found = command(*words, "--approximate", "--quantize", "8")
    assert "rounds sigmoid" in found.out
    found = command(*words, "--approximate")
    assert "convertible  yes\n" in found.out
    assert "calibration  x.npz fits the model" in found.out
    table = command(*words, "--target", "all", "--approximate", "--json").json["targets"]
    assert table["numpy"]["spiking_share"] == 1
    searched = command(*words, "--approximate", "--max-drop", "1%")
    assert "searched     ternary with T of 4, 8, 16, 32: converts" in searched.out
    refused = command("inspect", model_file, "--calibration", "x.npz")
    assert (refused.status, "calibration data" in refused.err) == (2, True)


def test_readers_of_no_file_are_warned_of(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the extra nir is not installed")
    path = layers(tmp_path, "Softmax (h)")
    found = command("inspect", path, "--target", "nir", "--readers")
    assert found.status == 0
    assert "warning: --readers: there is no file to read" in found.err
