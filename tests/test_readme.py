"""What the README shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snnc.compiler.cli import main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="runs in a checkout only")


def test_the_python_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "compiler").symlink_to(ROOT / "compiler")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    (expected,) = re.findall(r"print\(.*#\s*(\S+)", code)
    assert capsys.readouterr().out.strip() == expected
    assert (tmp_path / "lenet5-numpy" / "manifest.json").exists()


def test_the_demo_shown_is_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures do not depend on the target: the simulator equals Lava bit for bit.

    They do depend a little on the machine: the fit of the weights is computed in floats.
    """
    assert main(["demo", "--target", "numpy"]) == 0
    shown = re.findall(
        r"^  (?:ANN accuracy|SNN accuracy|spikes|SynOps) .*$", README.read_text(), re.M
    )
    assert len(shown) == 4
    printed = {line[:18]: numbers(line) for line in capsys.readouterr().out.splitlines()}
    for line in shown:
        assert printed[line[:18]] == pytest.approx(numbers(line), rel=0.01), line


def numbers(line: str) -> list[float]:
    """Return the numbers in a line."""
    return [float(text) for text in re.findall(r"\d+(?:\.\d+)?", line.replace(",", ""))]


def test_links_lead_somewhere() -> None:
    for name in [README, *(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#]+)\)", name.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (name.parent / link).exists(), f"{name}: {link}"


def test_the_package_folders_are_links() -> None:
    for name in ("backends", "compiler", "ir"):
        assert (ROOT / "snnc" / name).resolve() == ROOT / name


def test_no_file_is_over_400_lines() -> None:
    for folder in ("backends", "compiler", "ir", "tests", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_tests_that_need_a_checkout_say_so() -> None:
    """The wheel is tested without ``examples``: such a module would stop all of its tests."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if needed := re.search(r"^(from|import) examples", text, re.MULTILINE):
            assert "pytest.importorskip(" in text[: needed.start()], path
