"""Nothing is written outside the given folders, and hostile names do not change that."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from ast import literal_eval
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from snnc import compile
from tests.hostile_models import model, node

CHILD = Path(__file__).parent / "audit_child.py"
ESCAPE = "../../escaped/\x1b[31mred\u202e/..\\x\n<script>alert(1)</script>"


def run(folder: Path, *calls: list[str]) -> tuple[list[int], str, list[tuple[str, Path]]]:
    """Run snnc in a folder; return the exit statuses, what it printed, and what it touched."""
    record = folder.parent / "record"
    done = subprocess.run(
        [sys.executable, str(CHILD), str(record), json.dumps(calls)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
    )
    lines = record.read_text().splitlines()
    assert not [line for line in lines if line.startswith("start ")]
    touched = [(kind, Path(literal_eval(path))) for kind, path in (x.split(" ", 1) for x in lines)]
    statuses = json.loads(done.stdout.splitlines()[-1])
    return statuses, done.stdout + done.stderr, touched


def environment() -> dict[str, str]:
    import os

    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def check(folder: Path, touched: list[tuple[str, Path]]) -> None:
    """Writing stays in the folder and in temporary folders; so does reading of the test's files."""
    outside = folder.parent
    temporary = Path(tempfile.gettempdir())
    for kind, path in touched:
        path = path.resolve()
        if path.is_relative_to(folder):
            continue
        assert not path.is_relative_to(outside), (kind, path)
        ours = path.parent == temporary or str(path).startswith(f"{temporary}/snnc-")
        assert kind == "read" or ours or path == Path("/dev/null"), (kind, path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to work in, with something secret beside it."""
    (tmp_path / "secret").write_bytes(bytes(64))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_hostile_names_leave_no_folder(place: Path) -> None:
    """Compile, run, show, report and evaluate a model whose every name is an escape."""
    weight = np.eye(4, dtype=np.float32)
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"])]
    made = model([*nodes, node("MatMul", ["b", "w"], ["y"])], w=weight)
    text = {"x": f"{ESCAPE}x", "a": f"{ESCAPE}a", "b": f"/{ESCAPE}b", "y": f"{ESCAPE}y"}
    for each in made.graph.node:
        each.name = f"{ESCAPE}{each.op_type}"
        each.input[:] = [text.get(name, name) for name in each.input]
        each.output[:] = [text.get(name, name) for name in each.output]
    made.graph.input[0].name, made.graph.output[0].name = text["x"], text["y"]
    made.graph.name = ESCAPE
    onnx.save(made, place / "m.onnx")
    np.savez(place / "x.npz", x=np.ones((3, 4), np.float32), y=np.zeros(3, np.int64))
    statuses, printed, touched = run(
        place,
        ["m.onnx", "-o", "out", "--calibration", "x.npz", "--dump-passes", "passes"],
        ["inspect", "m.onnx"],
        ["show", "out"],
        ["run", "out", "--input", "x.npz", "--output", "z.npz"],
        ["report", "out", "-o", "r.html", "--data", "x.npz"],
    )
    assert statuses == [0] * 5, printed
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    check(place, touched)
    assert {"read", "write"} == {kind for kind, _ in touched}
    assert sorted(p.name for p in place.parent.iterdir()) == ["record", "secret", "work"]
    assert "<script>alert(1)" not in (place / "r.html").read_text()
    assert sorted(p.name for p in place.iterdir()) == [
        *("m.onnx", "out", "passes", "r.html", "x.npz", "z.npz")
    ]


def test_what_points_outside_is_not_opened(place: Path) -> None:
    """External data, linked or not, and an artifact that lists a file beside its folder."""
    (place / "link").symlink_to(place.parent / "secret")
    (place / "folder").symlink_to(place.parent)
    locations = ["../secret", "link", "folder/../../secret", "folder/secret", "/etc/hostname"]
    for index, location in enumerate(locations):
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        made = model([node("Add", ["x", "w"], ["y"])], w=tensor)
        (place / f"{index}.onnx").write_bytes(made.SerializeToString())
    onnx.save(model([node("Relu", ["x"], ["y"])]), place / "m.onnx")
    compile(place / "m.onnx").save(place / "net")
    manifest = json.loads((place / "net" / "manifest.json").read_text())
    manifest["files"]["../../secret"] = "0"
    (place / "net" / "manifest.json").write_text(json.dumps(manifest))
    calls = [[f"{index}.onnx", "-o", "out"] for index in range(len(locations))]
    statuses, printed, touched = run(place, *calls, ["show", "net"], ["report", "net"])
    assert statuses == [2] * (len(locations) + 2)
    assert printed.count("not in the model's folder") == len(locations)
    assert printed.count("leaves the folder") == 2
    check(place, touched)
    assert ("read", Path("/etc/hostname")) not in touched
