"""What the user did wrong: one error and one hint line a problem, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import Command, Outcome, write_model

X = np.zeros((3, 1, 6, 6), np.float32)


def refusal(found: Outcome, problems: int = 1) -> str:
    """Check the form of a refusal and return its first error line."""
    lines = found.err.splitlines()
    assert (found.status, found.out) == (2, "")
    assert [line.split(": ")[0] for line in lines] == ["error", "hint"] * problems
    assert all(len(line) > len("error: ") for line in lines)
    return lines[0]


def untouched(folder: Path, call: Callable[[], Outcome]) -> Outcome:
    """Check that a call leaves a folder as it was."""
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    found = call()
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before
    return found


@pytest.mark.parametrize("json", [(), ("--json",)])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"no onnx at all", "is not"),
        (..., "is not"),  # truncated
        (b"\x00\xff" * 500, "is not"),
    ],
)
def test_broken_models(
    command: Command,
    tmp_path: Path,
    model_file: Path,
    content: Any,
    message: str,
    json: tuple[str, ...],
) -> None:
    path = tmp_path / "m.onnx"
    if content is ...:
        content = model_file.read_bytes()[:-100]
    if content is not None:
        path.write_bytes(content)
    for words in ([path], ["inspect", path]):
        found = untouched(tmp_path, partial(command, *words, *json))
        assert message in refusal(found)


def arrays(**named: Any) -> Callable[[Path], object]:
    return lambda path: np.savez(path, **named)


def damaged(path: Path) -> None:
    """Write an archive whose array cannot be unpacked."""
    np.savez_compressed(path, x=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is no .npz file"),
        (lambda path: path.write_bytes(b""), "is no .npz file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), "is no .npz file"),
        (lambda path: path.write_text("1,2,3"), "is no .npz file"),
        (damaged, "cannot be read"),
        (arrays(x=np.array([None, 1])), "cannot be read"),
        (arrays(z=X), "no array named 'x'"),
        (arrays(x=X[:, :, :5]), "has shape (3, 1, 5, 6)"),
        (arrays(x=X[0]), "has shape (1, 6, 6)"),
        (arrays(x=X[:0]), "has no samples"),
        (arrays(x=np.where(np.arange(36).reshape(6, 6) == 7, np.nan, X)), "holds NaN"),
        (arrays(x=X + np.inf), "holds NaN or infinity"),
        (arrays(x=X.astype(np.float64) + 0.1), "values that float32 cannot hold"),
        (arrays(x=X.astype(np.float64) + 1e300), "values that float32 cannot hold"),
        (arrays(x=np.full(X.shape, 2**63 - 1)), "values that float32 cannot hold"),
        (arrays(x=X.astype(np.complex64)), "is complex64"),
        (arrays(x=X.astype(str)), "is <U32"),
    ],
)
def test_unusable_data(
    command: Command,
    tmp_path: Path,
    model_file: Path,
    artifact: Path,
    write: Callable[[Path], object],
    message: str,
) -> None:
    path = tmp_path / "x.npz"
    write(path)
    for words in (
        [model_file, "--calibration", path],
        ["run", artifact, "--input", path, "--output", "y.npz"],
        ["evaluate", artifact, "--data", path],
        ["estimate", artifact, "--data", path],
        ["verify", artifact, "--data", path],
    ):
        found = untouched(tmp_path, partial(command, *words))
        assert message in refusal(found)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "no labels"),
        (np.zeros(2, int), "2 labels for 3 samples"),
        (np.zeros(3), "labels are float64"),
        (np.zeros((3, 1), int), "of shape (3, 1)"),
        (np.array([0, 1, 3]), "labels reach from 0 to 3"),
        (np.array([-1, 1, 2]), "labels reach from -1 to 2"),
    ],
)
def test_unusable_labels(command: Command, artifact: Path, labels: Any, message: str) -> None:
    np.savez("xy.npz", **({"x": X} if labels is None else {"x": X, "y": labels}))
    assert message in refusal(command("evaluate", artifact, "--data", "xy.npz"))


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["--target", "numpi"], "unknown target 'numpi'", "did you mean 'numpy'?"),
        (["--code", "rade"], "unknown code 'rade'", "rate"),
        (["--thresholds", "mean"], "unknown threshold rule 'mean'", "mmse"),
        (["--timesteps", "0"], "--timesteps 0", "from 1"),
        (["--weight-bits", "9"], "--weight-bits 9", "from 2 to 8"),
        (["--input-bits", "1"], "--input-bits 1", "from 2 to 8"),
        (["--max-payload", "1"], "--max-payload 1", "from 2 to 127"),
        (["--code", "rate", "--deadband", "1"], "--deadband", "ternary"),
        (["--thresholds", "percentile", "--percentile", "0"], "--percentile 0", "99.9"),
        (["--percentile", "99"], "--percentile 99 has no meaning", "--thresholds percentile"),
        (["--rehearsal", "6"], "--rehearsal 6 has no meaning", "--two-phase"),
        (["--weight-bits", "float", "--input-bits", "8"], "--input-bits 8", "leave it out"),
        (["--v-init", "2"], "--v-init 2", "from 0 to 1"),
        (["--v-init", "nan"], "--v-init nan", "from 0 to 1"),
        (["--seed", "-1"], "--seed -1", "0 or more"),
    ],
)
def test_unusable_options(
    command: Command, tmp_path: Path, model_file: Path, words: list[str], error: str, hint: str
) -> None:
    found = untouched(tmp_path, partial(command, model_file, *words))
    assert error in refusal(found)
    assert hint in found.err.splitlines()[1]


def test_foreign_folders_are_not_replaced(
    command: Command, tmp_path: Path, model_file: Path
) -> None:
    Path("folder").mkdir()
    Path("folder/thesis.tex").write_text("years of work")
    Path("file").write_text("also precious")
    Path("link").symlink_to("nowhere")
    for out in ("folder", "file", "link", "file/out", "."):
        found = untouched(tmp_path, partial(command, model_file, "-o", out))
        assert "artifact" in refusal(found) or "cannot be written" in found.err


@pytest.mark.parametrize(
    ("target", "out", "folder", "file"),
    [
        ("nir", "net.nir", "net", "network.nir"),
        ("nir", "out/Net.NIR", "out/Net", "network.nir"),
        ("onnx", "net.onnx", "net", "network.onnx"),
        ("numpy", "net.net", "net", "network.net"),
    ],
)
def test_an_artifact_is_no_file(
    command: Command,
    tmp_path: Path,
    model_file: Path,
    target: str,
    out: str,
    folder: str,
    file: str,
) -> None:
    found = untouched(tmp_path, partial(command, model_file, "--target", target, "-o", out))
    assert "an artifact is a folder" in refusal(found)
    hint = found.err.splitlines()[1]
    assert f"e.g. {folder};" in hint
    assert file in hint


def test_the_destination_is_checked_first(
    command: Command, tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the long work has begun")

    monkeypatch.setattr("snnc.compiler.api.compile", fail)
    Path("file").touch()
    refusal(command(model_file, "-o", "file"))
    refusal(command(model_file, "--dump-passes", "file"))


def test_outputs_do_not_overwrite_other_files(
    command: Command, tmp_path: Path, artifact: Path
) -> None:
    np.savez("x.npz", x=X)
    Path("notes.txt").write_text("hello")
    for output, message in (
        ("notes.txt", "is not an .npz file"),
        ("x.npz", "is the file with the input"),
        (".", "is a folder"),
        ("missing/y.npz", "there is no folder missing"),
        ("/dev/null", "is not a plain file"),
        ("y.txt", "is not named like an .npz file"),
        ("y", "is not named like an .npz file"),
    ):
        words = ("run", artifact, "--input", "x.npz", "--output", output)
        assert message in refusal(untouched(tmp_path, partial(command, *words)))


def test_folders_that_are_no_artifacts(command: Command) -> None:
    Path("empty").mkdir()
    np.savez("x.npz", x=X)
    for words in (
        ["show", "missing"],
        ["show", "empty"],
        ["verify", "empty"],
        ["run", "x.npz", "--input", "x.npz"],
    ):
        assert "is not an snnc artifact" in refusal(command(*words))


def test_a_damaged_artifact(command: Command, model_file: Path) -> None:
    command(model_file, "-o", "out")
    manifest = json.loads(Path("out/manifest.json").read_text())
    Path("out/weights.npz").write_bytes(b"PK")
    assert "weights.npz was changed" in refusal(command("verify", "out"))
    Path("out/manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    assert "has version 99" in refusal(command("show", "out"))


def test_steps_beyond_the_compiled_ones(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("evaluate", artifact, "--data", data_file, "--timesteps", "2,5")
    assert "--timesteps 5: the network was compiled for T = 4" in refusal(found)


def test_accuracy_needs_one_output(command: Command, two_outputs_file: Path) -> None:
    np.savez("xy.npz", x=np.zeros((2, 4), np.float32), y=np.zeros(2, int))
    command(two_outputs_file, "-o", "out")
    assert "2 outputs ('a', 'b')" in refusal(command("evaluate", "out", "--data", "xy.npz"))


def test_an_artifact_without_its_source_model(
    command: Command, model_file: Path, data_file: Path
) -> None:
    command(model_file, "--no-ann", "-o", "out")
    for name in ("evaluate", "estimate"):
        found = command(name, "out", "--data", data_file)
        assert "has no file ann.onnx" in refusal(found)
        assert "--no-ann" in found.err


def test_verify_names_both_models(
    command: Command, artifact: Path, model_file: Path, two_outputs_file: Path
) -> None:
    recorded = json.loads((artifact / "manifest.json").read_text())["model"]["sha256"]
    found = command("verify", artifact, "--model", two_outputs_file)
    assert recorded in refusal(found)
    assert str(two_outputs_file) in found.err


def test_unknown_hardware(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("estimate", artifact, "--data", data_file, "--hardware", "loihi")
    assert "--hardware 'loihi' is unknown" in refusal(found)
    assert "did you mean 'loihi2'?" in found.err


def test_an_unknown_target_to_run_on(command: Command, artifact: Path, data_file: Path) -> None:
    assert "unknown target 'lave'" in refusal(
        command("run", artifact, "--input", data_file, "--on", "lave")
    )


def test_every_unsupported_operator_is_named(command: Command, tmp_path: Path) -> None:
    operators = ("Sin", "Cosh", "Tan", "Sign", "Ceil")
    body = " ".join(f"t{i + 1} = {name} (t{i})" for i, name in enumerate(operators))
    nodes = f"t0 = Gemm (x, w) {body} y = Gemm (t5, w)"
    path = write_model(
        tmp_path / "five.onnx", nodes, "(float[N,4] x) => (float[N,4] y)", {"w": np.eye(4)}
    )
    found = command(path)
    refusal(found, problems=6)
    assert "nothing of the model would spike" in found.err
    assert all(f"operator {name}" in found.err for name in operators)
    inspected = command("inspect", path, "--json")
    assert inspected.status == 0
    assert [entry["operator"] for entry in inspected.json["unsupported"]] == list(operators)


def test_a_missing_extra(command: Command, model_file: Path, data_file: Path) -> None:
    command(model_file, "--target", "lava", "-o", "out")
    commands = (
        ["run", "out", "--input", str(data_file)],
        ["verify", "out"],
        ["demo", "--target", "lava", "--samples", "2"],
    )
    code = (
        "import sys; sys.modules['lava'] = None; from snnc.compiler.cli import main\n"
        f"for words in {commands}:\n"
        "    print(main(words), 'end'); print('end', file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    errors, outs = process.stderr.split("end\n"), process.stdout.split(" end\n")
    for words, out, err in zip(commands, outs, errors, strict=False):
        found = Outcome(int(out[-1]), out[:-1], err)
        assert "needs lava-nc, which is not installed" in refusal(found)
        assert "--on numpy" in found.err or words[0] == "demo"
    assert (len(errors), len(outs)) == (4, 4)
    assert command("verify", "out", "--on", "numpy").status == 0
