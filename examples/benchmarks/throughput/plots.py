"""Two figures: throughput by network and code, and time against activity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.benchmarks.figures import STYLE
from examples.benchmarks.throughput.records import Record, best

THROUGHPUT, ACTIVITY = "throughput.svg", "activity.svg"

PEERS = ("SpikingJelly", "snnTorch", "sinabs", "norse", "ANN")


def draw(records: Sequence[Record], folder: Path) -> list[str]:
    """Draw what there are results for, and return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if bars := rates(records):
        _throughput(bars, folder / THROUGHPUT)
        drawn.append(THROUGHPUT)
    activity = [record for record in records if record.kind == "activity" and record.played]
    if activity:
        _activity(activity, folder / ACTIVITY)
        drawn.append(ACTIVITY)
    return drawn


def rates(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return image-steps a second by system, then network, each at its largest T.

    Of a peer the fastest mode counts, of snnc its compiled kernels.
    """
    found: dict[str, dict[str, float]] = {}
    last = dict[str, Record]()
    for record in sorted(records, key=lambda record: record.timesteps or 0):
        if record.kind == "throughput":
            last[record.network] = record
    for record in (*last.values(), *(r for r in records if r.kind == "own T")):
        for line in record.played:
            if line.system == "snnc":
                found.setdefault(f"snnc, {line.code}", {})[record.network] = line.rate
    for name in PEERS:
        for record in last.values():
            if fastest := best(x for x in record.lines if x.system.startswith(name)):
                label = f"{name}, dense" if name == "ANN" else name
                found.setdefault(label, {})[record.network] = fastest.rate
    return found


def _throughput(bars: dict[str, dict[str, float]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(name for heights in bars.values() for name in heights))
    width = 0.85 / len(bars)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes: Any = figure.add_subplot()
        for number, (label, heights) in enumerate(bars.items()):
            places = [networks.index(name) + (number + 0.5) * width for name in heights]
            colour = {} if label.startswith("snnc") else {"hatch": "///", "alpha": 0.7}
            axes.bar(places, list(heights.values()), width, label=label, **colour)
        axes.set_yscale("log")
        axes.set_xticks([place + 0.425 for place in range(len(networks))], networks)
        axes.set(ylabel="image-steps a second")
        axes.grid(alpha=0.3, axis="y")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})


def _activity(records: Sequence[Record], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.0), layout="constrained")
        axes: Any = figure.add_subplot()
        for name in dict.fromkeys(line.system for record in records for line in record.played):
            points = sorted(
                (100 * (line.density or 0.0), 1e6 / line.rate)
                for record in records
                if (line := record.line(name))
            )
            style = {"linewidth": 3, "alpha": 0.4} if name == "automatic" else {"linewidth": 1.2}
            axes.plot(*zip(*points, strict=True), "o-", markersize=4, label=name, **style)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set(
            xlabel="neurons that send an event in a step, %",
            ylabel="microseconds an image-step",
        )
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})
