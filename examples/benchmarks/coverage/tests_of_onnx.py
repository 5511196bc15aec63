"""Runs the tests of the onnx package in a process of its own, and goes on where one kills it.

    python -m examples.benchmarks.coverage.tests_of_onnx node 0

prints one JSON line a test, from the given number on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

from examples.benchmarks.coverage.answer import Answer, answer
from examples.benchmarks.coverage.cases import Case, node_cases, stored_cases

KINDS = ("node", "pytorch-converted", "pytorch-operator")


def cases(kind: str) -> list[Case]:
    """Return the tests of a kind, sorted by name; ``node`` includes ``function``."""
    return node_cases() if kind == "node" else stored_cases(kind)


def answers(kind: str) -> list[Answer]:
    """Put all tests of a kind to the importer, in other processes."""
    found: list[Answer] = []
    names = [(case.name, case.kind, case.operator) for case in cases(kind)]
    while len(found) < len(names):
        command = [sys.executable, "-m", __name__, kind, str(len(found))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [Answer(**json.loads(line)) for line in done.stdout.splitlines()]
        found += lines
        if done.returncode:  # killed by the test after the last that was answered
            last = (done.stderr.strip().splitlines() or [""])[-1]
            reason = f"the process ended with status {done.returncode}: {last}"
            found.append(Answer(*names[len(found)], "crash", (reason,), 0))
    return found


def main() -> None:
    """Answer the tests of a kind from a number on."""
    kind, first = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="snnc-coverage-") as folder:
        for case in cases(kind)[first:]:
            print(json.dumps(asdict(answer(case, Path(folder)))), flush=True)


if __name__ == "__main__":
    main()
