"""What snnc says to every ONNX file there is at hand: tests, well-known networks, other people's.

    python -m examples.benchmarks.coverage                     # all of it, then the page
    python -m examples.benchmarks.coverage --only packages     # onnx, light or packages
    python -m examples.benchmarks.coverage --page              # write the page again

Every network is a process of its own with a deadline, one at a time. Results go to
``docs/results/coverage_*.jsonl``, the page is ``docs/coverage.md``. Files of packages are fetched
into the cache folder of the examples (``SNNC_DATA``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from examples.benchmarks.coverage.light import graphs
from examples.benchmarks.coverage.measured import measured
from examples.benchmarks.coverage.packages import MODELS
from examples.benchmarks.coverage.page import as_markdown
from examples.benchmarks.coverage.tests_of_onnx import KINDS, answers

FOLDER, PAGE = Path("docs/results"), Path("docs/coverage.md")
PARTS = ("onnx", "light", "packages")
DEADLINE = 900.0
"""Seconds for one network; nobody waits longer for an answer."""


def run(part: str) -> Iterable[Mapping[str, Any]]:
    """Measure one part."""
    if part == "onnx":
        for kind in KINDS:
            yield from (asdict(found) for found in answers(kind))
    elif part == "light":
        for path in graphs():
            yield measured("light", path.stem, DEADLINE)
    else:
        for model in MODELS:
            yield measured("package", model.name, DEADLINE)


def file_of(part: str) -> Path:
    """Return where the results of a part are kept."""
    return FOLDER / f"coverage_{part}.jsonl"


def read(part: str) -> list[dict[str, Any]]:
    """Return the results of a part; none where it was not measured."""
    path = file_of(part)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--page", action="store_true", help="only write the page again")
    arguments = parser.parse_args()
    for part in () if arguments.page else (arguments.only,) if arguments.only else PARTS:
        with file_of(part).open("w", encoding="utf-8") as file:
            for record in run(part):
                file.write(json.dumps(record) + "\n")
                file.flush()
                if part != "onnx" or record["status"] in ("crash", "hang", "mismatch"):
                    print(record["name"], record["status"], *record["reasons"][:1], flush=True)
    PAGE.write_text(as_markdown(*(read(part) for part in PARTS)), encoding="utf-8")


if __name__ == "__main__":
    main()
