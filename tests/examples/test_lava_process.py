"""The example that connects a network to a source and a sink of its own."""

import subprocess
import sys

import pytest

from snnc.backends.lava_process import LavaBackend


@pytest.mark.lava
@pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed")
def test_predictions_of_the_example() -> None:
    pytest.importorskip("examples.datasets", reason="runs in a checkout only")
    arguments = [sys.executable, "-m", "examples.lava_process", "--digits", "6"]
    done = subprocess.run(arguments, timeout=180, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:2])
    assert lines["labels"] == "7 2 1 0 4 1"
    assert lines["predictions"] == lines["labels"]
    assert done.stdout.endswith("equal to net.run: yes\n")
