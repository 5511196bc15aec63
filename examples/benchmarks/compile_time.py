"""How long compiling large files takes, and what calibration adds to inference.

    python -m examples.benchmarks.compile_time                       # all of it, 5 rounds
    python -m examples.benchmarks.compile_time --only mixer --rounds 1
    python -m examples.benchmarks.compile_time --page                # write the page again

The files are made with random weights (``large_models``) in a folder outside the repository. Every
run is a process of its own. Passes run as they do without calibration data, but for the full
scales: these are 1. Calibration is what looks at data before corrections: the largest magnitude and
a histogram of every channel, and the full scales worked out from them. It takes turns with ONNX
Runtime on the file itself: same images, same threads, and each in the batches that suit it. Those
of calibration are the compiler's choice, those of inference the fastest of ``BATCHES``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np

from examples.benchmarks.large_models import MAKERS, write
from examples.benchmarks.throughput.machine import describe
from examples.benchmarks.throughput.report import table
from examples.datasets import load
from snnc.backends.numpy_sim.histogram import ENOUGH
from snnc.compiler import calibration
from snnc.ir import Array

RESULTS = Path("docs/results/compile_time.jsonl")
PAGE = Path("docs/compile_time.md")
RESNET20 = Path("examples/models/resnet20.onnx")
IMAGES = {"resnet20": 512, "resnet50": 512}
"""Calibration images."""

SECONDS = ("plain", "fresh", "statistics", "full scales")
"""What is timed of calibration and of inference."""

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Images at a time among which plain inference has its best."""

TRIAL = 128
"""Images on which batches are compared."""


def compiled(path: Path) -> dict[str, float]:
    """Return the seconds of each stage from a file to a network, or to its refusal."""
    from snnc.backends import get_backend
    from snnc.backends.onnx_runtime import to_onnx
    from snnc.backends.resources import most_resident
    from snnc.compiler import pipeline
    from snnc.compiler.onnx_import import load as load_model
    from snnc.compiler.options import Options
    from snnc.ir.errors import UnsupportedOperatorError

    seconds: dict[str, float] = {}

    def timed(stage: str, run: Callable[[], Any]) -> Any:
        begin = perf_counter()
        try:
            return run()
        finally:
            seconds[stage] = perf_counter() - begin

    before = process_time()
    try:
        imported = timed("import", lambda: load_model(path))
    except UnsupportedOperatorError as error:
        seconds["refusal"] = seconds.pop("import")
        used = {"cpu": process_time() - before, "peak": most_resident()}
        return {**seconds, "reasons": len(error.problems), **used}
    options, backend = Options(), get_backend("numpy")
    code = options.code_for(backend.target)
    ann = timed("simplify", lambda: pipeline.run_passes(imported.graph, pipeline.SIMPLIFY))
    values, _ = timed("populations", lambda: pipeline.watched_values(ann, code))
    passes = pipeline.conversion(
        options,
        code,
        {name: np.ones(1) for name in values},
        pipeline.signed_bounds(ann),
        {node.name: 1.0 for node in ann if not node.inputs},
        lambda note: None,
        caps=dict.fromkeys(values, code.max_positive),
        target=backend.target,
    )
    spiking = timed("conversion", lambda: pipeline.run_passes(ann, passes))
    timed("lowering", lambda: backend.lower(spiking, options.timesteps))
    timed("clean ANN", lambda: to_onnx(ann).SerializeToString())
    used = {"cpu": process_time() - before, "peak": most_resident()}
    return {**seconds, "nodes": len(spiking), **used}


def calibrated(name: str, path: Path, rounds: int) -> dict[str, Any]:
    """Return the seconds of plain inference and of calibration, taking turns."""
    import onnxruntime

    from snnc.backends import get_backend
    from snnc.compiler.calibration import collect
    from snnc.compiler.onnx_import import load as load_model
    from snnc.compiler.options import Options
    from snnc.compiler.pipeline import SIMPLIFY, run_passes, watched_values

    options = Options()
    code = options.code_for(get_backend("numpy").target)
    ann = run_passes(load_model(path).graph, SIMPLIFY)
    values, _ = watched_values(ann, code)
    (node,) = (node for node in ann if not node.inputs)
    shape = (IMAGES[name], *ann.types[node.name].shape)
    if name == "resnet20":
        x = np.ascontiguousarray(load("cifar10", "train")[0][: IMAGES[name]], np.float32)
    else:
        x = np.random.default_rng(1).standard_normal(shape, np.float32)
    rule = options.threshold_rule(synthetic=False)

    load_session = partial(onnxruntime.InferenceSession, path, providers=["CPUExecutionProvider"])
    session = load_session()

    def infer(images: Array, batch: int, *, fresh: bool = False) -> float:
        before = perf_counter()
        used = load_session() if fresh else session
        for begin in range(0, len(images), batch):
            used.run(None, {node.name: images[begin : begin + batch]})
        return perf_counter() - before

    def calibrate() -> tuple[float, float]:
        begin = perf_counter()
        found = collect(ann, values, {node.name: x})
        between = perf_counter()
        for statistics in found.values():
            rule.full_scale(statistics, options.timesteps, code.max_positive)
        return between - begin, perf_counter() - between

    batch = best_batch(partial(infer, x[:TRIAL]))
    infer(x, batch)
    calibrate()
    taken: dict[str, list[float]] = {what: [] for what in SECONDS}
    for turn in range(rounds):
        for what in ("plain", "calibrate")[:: -1 if turn % 2 else 1]:
            sleep(0.5)  # threads of the session before wait for more, awake
            if what == "calibrate":
                looked, fitted = calibrate()
                taken["statistics"].append(looked)
                taken["full scales"].append(fitted)
            else:
                taken["plain"].append(infer(x, batch))
                taken["fresh"].append(infer(x, batch, fresh=True))
    return {"images": len(x), "populations": len(values), "batch": batch, **taken}


def best_batch(seconds: Callable[[int], float]) -> int:
    """Return the batch of least time, of three turns: a single one may meet other work."""
    turns = [[seconds(batch) for batch in BATCHES] for _ in range(3)]
    return min(zip(BATCHES, zip(*turns, strict=True), strict=True), key=lambda one: min(one[1]))[0]


def child(*words: str) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--child", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(only: Iterable[str], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Measure, and return one record for each file and kind of measurement."""
    records: list[dict[str, Any]] = []
    wanted = set(only)
    for name in MAKERS:
        if name in wanted:
            path = write(name, folder)
            size = path.stat().st_size
            runs = [child("compile", str(path)) for _ in range(rounds)]
            records.append({"kind": "compile", "file": name, "bytes": size, "runs": runs})
            print(name, {stage: round(median(r[stage] for r in runs), 3) for stage in runs[0]})
    for name in IMAGES:
        if name in wanted:
            path = RESNET20 if name == "resnet20" else write(name, folder)
            found = child("calibrate", name, str(path), str(rounds))
            records.append({"kind": "calibrate", "file": name, **found})
            print(name, f"calibration: {ratio(found, 'plain'):.2f} times inference")
    machine = describe()
    return [{**record, "machine": machine} for record in records]


def ratio(record: Mapping[str, Any], inference: str) -> float:
    """Return the median of calibration over inference, round by round.

    Args:
        record: What ``calibrated`` found.
        inference: ``plain``, or ``fresh``: it loads the network first, as calibration does.
    """
    rounds = zip(record[inference], record["statistics"], record["full scales"], strict=True)
    return float(median((looked + fitted) / plain for plain, looked, fitted in rounds))


def as_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the page."""
    lines = ["# Compile time", "", *(__doc__ or "").split("\n\n    ")[0].splitlines()[:1], ""]
    lines += [
        "Made by `python -m examples.benchmarks.compile_time`: every run is a process of its own, "
        "figures are medians. The files have random weights (`examples/benchmarks/large_models.py`)"
        ": `resnet50` is a ResNet-50 (25.6 million parameters), `vit` a ViT-B/16 (86.6 million), "
        "`mixer` a network with the projections of ViT-B/16 (86.7 million) in which batch "
        "normalisation, ReLU and depthwise convolutions stand for LayerNormalization, GELU and "
        "attention. No spike code expresses softmax attention, LayerNormalization or GELU today, "
        "so `vit` is refused: the time is that until all reasons are listed.",
        "",
    ]
    for machine in {str(r["machine"]): r["machine"] for r in records}.values():
        versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
        lines += [
            f"Measured on: {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
            f"Python {machine['python']}, {versions}; compiled kernels of snnc: "
            f"{machine['native']}.",
            "",
        ]
    compiled_files = [r for r in records if r["kind"] == "compile"]
    stages = ("import", "simplify", "populations", "conversion", "lowering", "clean ANN")
    lines += ["## Import and passes", ""]
    lines += table(
        ["file", "MB", *(f"{stage}, s" for stage in stages), "total, s", "CPU, s", "peak, GB"],
        [_row(record, stages) for record in compiled_files],
    )
    lines += [
        "- *import*: reading, hashing, checking, shapes, every node, weights as float64.",
        "- *simplify*: the exact passes on the ANN, batch normalisation among them.",
        "- *populations*: which values get a population, and which of them one full scale.",
        "- *conversion*: synapses and neurons, thresholds, integer weights, bounds of membranes.",
        "- *clean ANN*: the source model as the artifact keeps it.",
        "- *CPU*: seconds of all threads together, which other work on the machine moves less.",
        "- Weights of a layer that several populations read are written once for each of them: in "
        "`mixer` no ReLU stands between the residual sums, and each of the 24 sums is integrated "
        "anew from all branches before it.",
        "",
        "## Calibration",
        "",
        "What looks at the data before corrections: one run of ONNX Runtime on the activations "
        "that become populations, and the full scales (`mmse` per channel) that follow. The "
        "largest magnitude of a channel is that of all its values; its histogram counts all of "
        f"them up to {ENOUGH:,}, and those on a grid where there are more "
        "([calibration](methods/index.md#calibration)). Corrections (`--correction reconstruct`) "
        "simulate the spiking network, and are not part of it.",
        "",
        "Calibration takes turns with ONNX Runtime on the file itself, on the same images and as "
        "many threads. *Inference* runs in the batch that was fastest of "
        f"{', '.join(map(str, BATCHES))}. *Statistics* run in batches of at most "
        f"{calibration.BATCH} images and {calibration.BATCH_BYTES >> 20} MiB of what is seen of "
        "their activations (one image for each thread at least), and every thread computes images "
        "of its own; writing and loading the network that hands these out is part of them. "
        "Calibration happens once, with a network that was just loaded. So there "
        "are two ratios: to *warm* inference, by a network that has computed these images "
        "before, and to *fresh* inference, which loads the file first.",
        "",
    ]
    calibrations = [r for r in records if r["kind"] == "calibrate"]
    lines += table(
        [
            "file",
            "images",
            "populations",
            "batch of inference",
            "warm inference, s",
            "fresh inference, s",
            "statistics, s",
            "full scales, s",
            "ratio to warm",
            "ratio to fresh",
        ],
        [
            [
                r["file"],
                str(r["images"]),
                str(r["populations"]),
                str(r["batch"]),
                *(f"{median(r[key]):.2f}" for key in SECONDS),
                f"{ratio(r, 'plain'):.2f}",
                f"{ratio(r, 'fresh'):.2f}",
            ]
            for r in calibrations
        ],
    )
    return "\n".join(lines).rstrip() + "\n"


def _row(record: Mapping[str, Any], stages: Sequence[str]) -> list[str]:
    runs = record["runs"]
    size = f"{record['bytes'] / 1e6:.0f}"
    used = [f"{median(r['cpu'] for r in runs):.2f}", f"{median(r['peak'] for r in runs) / 1e9:.1f}"]
    if "refusal" in runs[0]:
        refusal = f"{median(r['refusal'] for r in runs):.2f}"
        reasons = f"refused, {runs[0]['reasons']} reasons"
        return [record["file"], size, reasons, *["-"] * (len(stages) - 1), refusal, *used]
    each = [f"{median(r[stage] for r in runs):.2f}" for stage in stages]
    total = median(sum(r[stage] for stage in stages) for r in runs)
    return [record["file"], size, *each, f"{total:.2f}", *used]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", action="append", choices=[*MAKERS, "resnet20"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files are kept (default: nowhere)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, *rest = arguments.child
        found = (
            compiled(Path(rest[0]))
            if kind == "compile"
            else calibrated(rest[0], Path(rest[1]), int(rest[2]))
        )
        print(json.dumps(found))
        return
    if not arguments.page:
        with tempfile.TemporaryDirectory(prefix="snnc-compile-") as name:
            folder = arguments.folder or Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            only = arguments.only or [*MAKERS, "resnet20"]
            new = measure(only, folder, arguments.rounds)
        old = _records() if RESULTS.exists() else []
        made = {(r["kind"], r["file"]) for r in new}
        kept = [r for r in old if (r["kind"], r["file"]) not in made]
        lines = (json.dumps(record) + "\n" for record in [*kept, *new])
        RESULTS.write_text("".join(lines), encoding="utf-8")
    PAGE.write_text(as_markdown(_records()), encoding="utf-8")


def _records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
