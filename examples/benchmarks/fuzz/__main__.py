"""Feed damaged models and artifacts to snnc, in processes of their own, and count how it ends.

::

    python -m examples.benchmarks.fuzz --inputs 200000 --jobs 2

Every input follows from its number: ``--first N --inputs 1`` makes it again. What is done is kept
in the file of results, block by block, and not done again.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BLOCK = 2000
"""Inputs of one process, which takes as long to begin as for some hundred of them."""

LONGEST = 300.0
"""Seconds one input may take on the clock; the worker counts those of work, which are fewer."""

START = 120.0
"""Seconds a process may take to begin."""

FAILURES = ("crash", "hang", "memory", "foreign", "no hint")
UNKNOWN = {"kind": "", "seconds": 0.0, "bytes": 0}
"""What is not known of an input whose process ended."""

UNFORESEEN = "unforeseen"
"""A handler ran into an exception, which became a refusal: right, and worth a better message."""


def run_block(first: int, end: int) -> list[dict[str, Any]]:
    """Try some inputs; return what was found for each."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="snnc-fuzz-") as folder:
        while first < end:
            found += _run_process(Path(folder), first, end)
            first = found[-1]["number"] + 1
    return found


def _run_process(folder: Path, first: int, end: int) -> list[dict[str, Any]]:
    """Try inputs in one process until it ends, dies or hangs."""
    words = [sys.executable, "-m", "examples.benchmarks.fuzz.worker", folder, first, end]
    process = subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
    reader.start()
    found, current = list[dict[str, Any]](), first - 1
    try:
        while True:
            line = lines.get(timeout=START if current < first else LONGEST)
            if not line:
                break
            if line.startswith("{"):
                found.append(json.loads(line))
            else:
                current = int(line)
        outcome = "hang" if process.wait() == -signal.SIGPROF else "crash"
    except queue.Empty:
        outcome = "hang"
    process.kill()
    process.wait()
    reader.join()
    process.stdout.close()
    if current < first:
        raise SystemExit("the process that tries inputs does not start")
    if not found or found[-1]["number"] != current:
        detail = f"exit status {process.returncode}"
        found.append({"number": current, "outcome": outcome, "detail": detail, **UNKNOWN})
    return found


def _forward(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line.strip())
    lines.put("")


def main() -> None:
    """Try all inputs that have not been tried, and print the counts of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("fuzz.jsonl"))
    arguments = parser.parse_args()
    lines = arguments.results.read_text().splitlines() if arguments.results.exists() else []
    blocks = {tuple(block["inputs"]): block for block in map(json.loads, lines)}
    end = arguments.first + arguments.inputs
    wanted = [(n, min(n + BLOCK, end)) for n in range(arguments.first, end, BLOCK)]

    def work(block: tuple[int, int]) -> None:
        begin = time.monotonic()
        found = run_block(*block)
        blocks[block] = {
            "inputs": list(block),
            "counts": dict(Counter(f"{each['kind']}: {each['outcome']}" for each in found)),
            "slowest": max([each["seconds"], each["number"]] for each in found),
            "bytes": max(each["bytes"] for each in found),
            "failures": [each for each in found if each["outcome"] in (*FAILURES, UNFORESEEN)],
            "seconds": round(time.monotonic() - begin, 1),
        }
        with lock, arguments.results.open("a") as file:
            file.write(json.dumps(blocks[block]) + "\n")

    lock = threading.Lock()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(work, [block for block in wanted if block not in blocks]))
    report([blocks[block] for block in wanted])


def report(blocks: list[dict[str, Any]]) -> None:
    """Print the counts, of each kind and of all, and every failure."""
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for block in blocks:
        kinds.update(block["counts"])
        for failure in block["failures"]:
            print(f"{failure['number']}: {failure['outcome']}: {failure['detail']}")
    for name, count in sorted(kinds.items()):
        print(f"{name}: {count}")
        counts[name.rpartition(": ")[2]] += count
    done = {name: counts[name] for name in ("read", "refused", UNFORESEEN, *FAILURES)}
    seconds, slowest = max(block["slowest"] for block in blocks)
    most = {
        "seconds": round(sum(block["seconds"] for block in blocks), 1),
        "slowest": {"number": slowest, "seconds": seconds},
        "most_bytes": max(block["bytes"] for block in blocks),
    }
    print(json.dumps({"inputs": sum(counts.values()), **done, **most}))


if __name__ == "__main__":
    main()
