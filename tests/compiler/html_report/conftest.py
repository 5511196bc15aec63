"""Reports of the tiny network, and a browser to open them in."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from snnc.compiler.cli import main
from tests.compiler.html_report.browser import Page, find_chromium, open_browser

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory, artifact: Path, data_file: Path) -> Path:
    """A report with everything in it; not to be changed."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", str(artifact), "--data", str(data_file), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a headless Chromium."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("there is no Chromium here: no report is opened in a browser")
    with open_browser(chromium, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The script of axe-core, an accessibility checker, from npm; kept in pytest's cache."""
    folder = request.config.cache.mkdir("axe-core") if request.config.cache else None
    if folder is None:
        pytest.skip("pytest has no cache to keep axe-core in")
    archive = folder / f"{AXE.replace('@', '-')}.tgz"
    if not archive.exists():
        try:
            subprocess.run(
                ["npm", "pack", AXE, "--silent"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=60,
            )
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"axe-core cannot be fetched from npm: {error}")
    with tarfile.open(archive) as files:
        script = files.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode("utf-8")
