"""Figures of measured results: accuracy against time steps and against synaptic operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.benchmarks.results import Result

STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small files
    "svg.hashsalt": "snnc",  # the same file for the same results
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Sequence[Result], folder: Path, name: str) -> list[str]:
    """Draw both figures and return the names of the files.

    Shown are the default recipes of snnc, solid, and all other systems, dashed; where none of
    these were measured nothing is drawn.
    """
    shown = [
        result
        for result in results
        if not result.system.startswith("snnc") or result.method.startswith("default")
    ]
    if not shown:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = [f"{name}-timesteps.svg", f"{name}-synops.svg"]
    _draw(shown, folder / files[0], "timesteps", "T, time steps")
    _draw(shown, folder / files[1], "synops", "SynOps a sample")
    return files


def _draw(results: Sequence[Result], path: Path, quantity: str, label: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        axes: Any = figure.add_subplot()
        for system, method in dict.fromkeys((r.system, r.method) for r in results):
            line = [r for r in results if (r.system, r.method) == (system, method)]
            line.sort(key=lambda result: result.timesteps)
            axes.plot(
                [getattr(result, quantity) for result in line],
                [100 * result.accuracy for result in line],
                "o-" if system.startswith("snnc") else ".--",
                markersize=4,
                linewidth=1.2,
                label=f"{system.split()[0]}: {method}",
            )
        ann, count = 100 * results[0].ann, results[0].count
        axes.axhline(ann, color="grey", linewidth=0.8, label=f"ANN, {ann:.2f} %")
        axes.set_xscale("log", base=2 if quantity == "timesteps" else 10)
        if quantity == "timesteps":
            steps = sorted({result.timesteps for result in results})
            axes.set_xticks(steps, [str(t) for t in steps])
        else:  # networks that are all but silent say nothing
            axes.set_xlim(left=max(result.synops for result in results) / 1000)
        axes.set(
            xlabel=label,
            ylabel="accuracy, %",
            title=f"{results[0].network}, {results[0].data}, {count:,} test samples",
        )
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        figure.savefig(path, metadata={"Date": None})
