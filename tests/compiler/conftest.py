"""A tiny model with data and its artifact, and the command line run in an empty folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.cli import main
from tests.command_line import Command, Outcome, write_model

TIMESTEPS = 4


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run ``snnc`` with some words, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with Conv, Relu, MaxPool, Flatten, Gemm and Softmax."""
    rng = np.random.default_rng(0)
    return write_model(
        tmp_path_factory.mktemp("model") / "tiny.onnx",
        """
        c = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
        r = Relu (c)
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
        f = Flatten (p)
        l = Gemm (f, w2, b2)
        y = Softmax (l)
        """,
        "(float[N,1,6,6] x) => (float[N,3] y)",
        {
            "w1": rng.normal(size=(2, 1, 3, 3)),
            "b1": rng.normal(size=2) / 4,
            "w2": rng.normal(size=(18, 3)),
            "b2": rng.normal(size=3) / 4,
        },
    )


@pytest.fixture(scope="session")
def two_outputs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with two outputs, ``a`` and ``b``."""
    rng = np.random.default_rng(1)
    return write_model(
        tmp_path_factory.mktemp("model") / "two.onnx",
        "h = Gemm (x, w1) r = Relu (h) a = Gemm (r, w2) b = Gemm (r, w3)",
        "(float[N,4] x) => (float[N,3] a, float[N,2] b)",
        {"w1": rng.normal(size=(4, 5)), "w2": rng.normal(size=(5, 3)), "w3": np.eye(5)[:, :2]},
    )


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """Samples ``x`` and labels ``y`` that the source model gets right, all but the last."""
    x = np.random.default_rng(2).normal(size=(20, 1, 6, 6)).astype(np.float32)
    scores = AnnSession(model_file.read_bytes()).run({"x": x})["y"]
    labels = scores.argmax(axis=1)
    labels[-1] = (labels[-1] + 1) % 3
    path = tmp_path_factory.mktemp("data") / "xy.npz"
    np.savez(path, x=x, y=labels)
    return path


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory, model_file: Path, data_file: Path) -> Path:
    """The model compiled for target numpy; not to be changed."""
    out = tmp_path_factory.mktemp("artifact") / "out"
    return snnc.compile(model_file, calibration=data_file, timesteps=TIMESTEPS).save(out)
