"""Tables and figures of the measured results, made without running anything.

    uv run --group peers python -m examples.benchmarks.tables docs/results/cifar10-resnet20.jsonl

Writes ``docs/results/NAME.md`` and ``docs/figures/NAME-timesteps.svg`` and ``NAME-synops.svg``;
with ``--count N`` ``NAME-N``.
Only results of one network and one number of test samples go together: the last network of the
file, and the number on which most systems, then most results, were measured, unless ``--count``
says another.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from examples.benchmarks.figures import draw
from examples.benchmarks.published import PUBLISHED, agreements
from examples.benchmarks.results import Result, read
from snnc.compiler.evaluate import wilson

FIGURES = Path("docs/figures")

Rows = Mapping[tuple[str, str], Mapping[int, Result]]
"""For each system and method, results by T."""


def select(results: Sequence[Result], count: int | None) -> list[Result]:
    """Return the results of the last network, on one number of samples."""
    results = [result for result in results if result.sha256 == results[-1].sha256]

    def on(number: int) -> list[Result]:
        return [result for result in results if result.count == number]

    def size(number: int) -> tuple[int, int]:
        return len({result.system for result in on(number)}), len(on(number))

    return on(count or max({result.count for result in results}, key=size))


def rows_of(results: Sequence[Result]) -> Rows:
    """Return the results arranged as a table."""
    rows: dict[tuple[str, str], dict[int, Result]] = {}
    for result in results:
        real = result.settings.get("weight_bits", 8) is None
        name = result.method + (", real weights" if real else "")
        rows.setdefault((result.system, name), {})[result.timesteps] = result
    return rows


def table(rows: Rows, cell: Callable[[Result], str]) -> list[str]:
    """Return a Markdown table with one row a method and one column a T."""
    steps = sorted({t for row in rows.values() for t in row})
    return [
        f"| system | method | {' | '.join(f'T={t}' for t in steps)} |",
        "|---|---|" + "---|" * len(steps),
        *(
            f"| {system} | {method} | "
            + " | ".join(cell(row[t]) if t in row else "" for t in steps)
            + " |"
            for (system, method), row in rows.items()
        ),
    ]


def as_markdown(results: Sequence[Result], figures: Sequence[str]) -> str:
    """Return all tables as Markdown."""
    first, rows = results[0], rows_of(results)
    low, high = wilson(first.ann, first.count)
    return "\n".join(
        [
            f"# {first.network} on {first.data}",
            "",
            f"The first {first.count:,} test samples, calibrated on {first.calibration:,} training "
            f"samples drawn with a fixed seed; nothing was chosen on the test set. The ANN has "
            f"{first.ann:.2%} on them (95 % interval {low:.1%} to {high:.1%}). Made by "
            f"`examples/benchmarks/tables.py`; what a method is stands in `methods.py` and "
            f"`peers.py` beside it. SpikingJelly computes with real weights and inputs, snnc with "
            f"8-bit ones where a method is not marked real.",
            "",
            *(line for name in figures for line in (f"![{name}](../figures/{name})", "")),
            "## Accuracy, %",
            "",
            *table(rows, lambda result: f"{100 * result.accuracy:.2f}"),
            "",
            "## Accuracy lost to the ANN, points",
            "",
            *table(rows, lambda result: f"{result.loss:+.2f}"),
            "",
            "## SynOps a sample, millions (in brackets unit SynOps, where they differ)",
            "",
            *table(rows, _synops),
            "",
            *_published(),
            *_agreement(rows),
        ]
    )


def _synops(result: Result) -> str:
    text = f"{result.synops / 1e6:.2f}"
    units = f"{result.unit_synops / 1e6:.2f}"
    return text if units == text else f"{text} ({units})"


def _published() -> list[str]:
    steps = sorted({t for entry in PUBLISHED for t in entry.accuracy})
    columns = " | ".join(f"T={t}" for t in steps)
    lines = [
        "## Published for CIFAR-10, not run here",
        "",
        "Other networks, other training: compare the order in a column of one network, not the "
        "figures. Trained: the ANN was trained for the conversion. PAPER: read in the paper named; "
        "CODE: in the authors' repository; SEC: in somebody else's text.",
        "",
        f"| method | network | trained | ANN | {columns} | tag | source |",
        "|---|---|---|---|" + "---|" * (len(steps) + 2),
    ]
    for entry in PUBLISHED:
        figures = (f"{entry.accuracy[t]:.2f}" if t in entry.accuracy else "" for t in steps)
        ann = "" if entry.ann is None else f"{entry.ann:.2f}"
        trained = "yes" if entry.trained else "no"
        lines.append(
            f"| {entry.method} | {entry.network} | {trained} | {ann} | {' | '.join(figures)} "
            f"| {entry.tag} | {entry.source} |"
        )
    return [*lines, ""]


def _agreement(rows: Rows) -> list[str]:
    measured = {
        (result.method, t): (100 * result.accuracy, 100 * result.ann)
        for (system, _), row in rows.items()
        if system.startswith("snnc")
        for t, result in row.items()
    }
    lines = [
        "## Do the methods come in the published order?",
        "",
        "Spearman's rank correlation between the published figures and those of the nearest "
        "setting of snnc, on this network. With so few methods it can take few values: 1 says "
        "that the order is the same, and not more.",
        "",
        "| published network | T | methods, best first (ours, %) | accuracy | loss |",
        "|---|---|---|---|---|",
    ]
    for found in agreements(measured):
        pairs = zip(found.methods, found.ours, strict=True)
        names = ", ".join(f"{name} ({ours:.2f})" for name, ours in pairs)
        loss = "" if found.loss is None else f"{found.loss:.2f}"
        lines.append(
            f"| {found.network} | {found.timesteps} | {names} | {found.accuracy:.2f} | {loss} |"
        )
    return [*lines, ""] if len(lines) > 6 else []


def main() -> int:
    """Write the tables and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="files of results")
    parser.add_argument("--count", type=int, help="number of test samples")
    arguments = parser.parse_args()
    for path in arguments.results:
        results = select(tuple(read(path).values()), arguments.count)
        stem = f"{path.stem}-{arguments.count}" if arguments.count else path.stem
        figures = draw(results, FIGURES, stem)
        output = path.with_name(f"{stem}.md")
        output.write_text(as_markdown(results, figures).rstrip() + "\n", encoding="utf-8")
        print(f"{output}: {len(results)} results; {', '.join(figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
