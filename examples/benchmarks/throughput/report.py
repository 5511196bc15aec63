"""The page of benchmarks: tables and figures of what stands in the file of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from examples.benchmarks.throughput.plots import draw
from examples.benchmarks.throughput.records import Line, Record, best, ratio

Table = list[str]

EQUAL = {None: "", True: "equal", False: "**DIFFER**"}
"""What is said of outputs that were compared with the simulator's."""

YARDSTICK = "SpikingJelly"
"""Ratios are to its fastest mode."""


def write(records: Sequence[Record], page: Path) -> None:
    """Write the page, and its figures into the folder ``figures`` beside it."""
    figures = draw(records, page.parent / "figures")
    page.write_text(as_markdown(records, figures).rstrip() + "\n", encoding="utf-8")
    print(f"{page}: {len(records)} matches; {', '.join(figures)}")


def as_markdown(records: Sequence[Record], figures: Sequence[str]) -> str:
    """Return the page as Markdown."""
    parts = [
        ["# Benchmarks", "", *_introduction(records)],
        *([f"![{name}](figures/{name})", ""] for name in figures),
        *(section(records) for section in SECTIONS),
    ]
    return "\n".join(line for part in parts for line in part)


def of_kind(records: Iterable[Record], kind: str) -> list[Record]:
    """Return the matches of one kind."""
    return [record for record in records if record.kind == kind]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a Markdown table and an empty line.

    >>> table(["system", "T=4"], [["snnc", "10"]])
    ['| system | T=4 |', '|---|---|', '| snnc | 10 |', '']
    """
    written = [columns, ["---"] * len(columns), *rows]
    lines = ["| " + " | ".join(row) + " |" for row in written]
    lines[1] = lines[1].replace(" ", "")
    return [*lines, ""]


def _introduction(records: Sequence[Record]) -> Table:
    lines = [
        "Made by `python -m examples.benchmarks.throughput`. In every match all contestants take "
        "turns, one run each in every round, in processes of their own, with as many threads as "
        "the machine has cores, on the same samples. A rate is the median over the rounds, a "
        "ratio the median of the ratios of single rounds. An image-step is one time step of one "
        "sample. Compiling, calibrating and warming up are not timed: for these see "
        "[compile_time.md](compile_time.md).",
        "",
    ]
    machines = {str(record.machine): record for record in records}
    for key, record in machines.items():
        found = record.machine
        versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
        flags = ", ".join(found["flags"]) or "none of interest"
        rounds = sorted(
            {len(x.seconds) for r in records if str(r.machine) == key for x in r.played}
        )
        count = str(rounds[0]) if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
        lines += [
            f"Measured on: {found['processor']}, {found['cores']} cores ({flags}), "
            f"{found['system']}, Python {found['python']}, {versions}; compiled kernels of snnc: "
            f"{found['native']}. {record.threads} threads, {count} rounds.",
            "",
        ]
    return lines


def walls(records: Sequence[Record]) -> Table:
    """Return how fast matrices are multiplied, and what share of it the kernels reach."""
    lines: Table = []
    for record in of_kind(records, "walls"):
        products = [line for line in record.played if line.code == "product"]
        rows = []
        for line in record.played:
            reached = [
                f"{share(line, wall):.0%} of {wall.system}" for wall in walls_of(line, products)
            ]
            speed = f"{line.speed / 1e9:,.0f}"
            rows.append((line.system, speed, "; ".join(reached)))
        lines += [
            "## The walls",
            "",
            "Multiplications and additions a second, in thousand millions (G): square matrices, "
            f"and the dense kernels on {record.network}, T = {record.timesteps}, batch "
            f"{record.batch}, every synapse that reads events counted as if all were events. A "
            "whole run includes neurons, pools, the constant first layer and counting; the "
            "kernels alone compute currents and neurons. Without compiled kernels, networks of "
            "integers are computed in float32, where it is exact.",
            "",
            *table(("what", "G/s", "share of the wall"), rows),
        ]
    return lines


def walls_of(line: Line, products: Sequence[Line]) -> list[Line]:
    """Return the products that bound a line: the fastest with float32, and that with 8 bits."""
    if line in products:
        return []
    kind = "8 bit" if "8 bit" in line.system else "float"
    names = ("8 bit",) if kind == "8 bit" else ("float32", "float64")
    found = (
        max((p for p in products if p.system.startswith(name)), key=lambda p: p.speed, default=None)
        for name in names
    )
    return [wall for wall in found if wall]


def share(line: Line, wall: Line) -> float:
    """Return what share of a wall is reached, the median over rounds."""
    pairs = zip(line.seconds, wall.seconds, strict=True)
    return line.operations / wall.operations * median(theirs / ours for ours, theirs in pairs)


def throughput(records: Sequence[Record]) -> Table:
    """Return image-steps a second of all systems, a table for each network."""
    lines = [
        "## Image-steps a second",
        "",
        "In brackets: how many times as fast as SpikingJelly's fastest mode, which sends binary "
        "spikes whatever the code of snnc in that row: no peer converts to the others. All peers "
        "run SpikingJelly's conversion with float weights; snnc has 8-bit weights where nothing "
        "else is said. Weights are not fitted to the ANN after the conversion: that takes long and "
        "changes numbers, not how many there are. The ANN in ONNX Runtime does one dense step an "
        "image.",
        "",
    ]
    found = of_kind(records, "throughput")
    for network in dict.fromkeys(record.network for record in found):
        here = sorted((r for r in found if r.network == network), key=_steps)
        lines += [f"### {network}, batch {here[0].batch}", "", *_by_steps(here)]
        lines += [*_bound(here[-1], records), *_notes(here)]
    return lines if found else []


def _bound(record: Record, records: Sequence[Record]) -> Table:
    """Return in words what the walls would allow a network whose synapses are all dense."""
    ours = record.line("snnc")
    products = [line for found in of_kind(records, "walls") for line in found.played]
    allowed = []
    for name in ("float32", "8 bit"):
        wall = max((p.speed for p in products if p.system.startswith(name)), default=0.0)
        if ours and wall:
            rate = wall * ours.image_steps / ours.operations
            allowed.append(f"{rate:,.0f} image-steps/s with {name} products")
    words = "Were all events multiplied densely, at the speed of the walls: "
    return [words + " and ".join(allowed) + ".", ""] if allowed else []


def _steps(record: Record) -> int:
    return record.timesteps or 0


def _by_steps(records: Sequence[Record]) -> Table:
    names = dict.fromkeys((line.system, line.code) for r in records for line in r.lines)
    columns = [f"T={record.timesteps}" for record in records]
    last = records[-1]
    more = (f"events a neuron, T={last.timesteps}", "SynOps a step")
    rows = []
    for system, code in names:
        line = last.line(system, code) or Line(system=system, code=code)
        rows.append(
            (
                system,
                code,
                *(_rate(record, system, code) for record in records),
                _or_nothing("{:.3f}", line.density),
                _or_nothing("{:,.0f}", line.synops),
                _or_nothing("{:.1%}", line.agreement),
            )
        )
    return table(("system", "code", *columns, *more, "answers as the ANN"), rows)


def yardstick(record: Record) -> Line | None:
    """Return SpikingJelly's fastest mode in a match."""
    return best(line for line in record.lines if line.system.startswith(YARDSTICK))


def _rate(record: Record, system: str, code: str) -> str:
    line, other = record.line(system, code), yardstick(record)
    if line is None:
        return "failed"
    rate = f"{line.rate:,.0f}"
    return rate if other is None else f"{rate} ({ratio(line, other):.2f})"


def _or_nothing(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)


def _notes(records: Sequence[Record]) -> Table:
    said = {
        f"- {line.system}: {text}"
        for record in records
        for line in record.lines
        for text in (line.note, line.failure and f"failed: {line.failure}")
        if text
    }
    return [*sorted(said), ""] if said else []


def own_steps(records: Sequence[Record]) -> Table:
    """Return code ``exact``, which has a T of its own."""
    rows = []
    for record in of_kind(records, "own T"):
        for line in record.played:
            rate = f"{line.rate:,.0f}"
            images = f"{record.samples / _median(line):,.0f}"
            row = (record.network, line.system, line.code, rate, images)
            rows.append((*row, _or_nothing("{:.3f}", line.density), line.note))
    columns = ("network", "system", "code", "image-steps/s", "images/s", "events a neuron", "")
    head = ["## Code exact, the network quantised to 8 bits first", ""]
    return [*head, *table(columns, rows)] if rows else []


def _median(line: Line) -> float:
    return float(median(line.seconds))


def on_lava(records: Sequence[Record]) -> Table:
    """Return Lava beside the simulator."""
    rows = []
    for record in of_kind(records, "lava"):
        ours = record.line("snnc")
        for line in record.lines:
            rate, times = "failed", ""
            if line.seconds:
                rate = f"{line.rate:,.1f}"
                times = f"{ratio(ours, line):,.1f}" if ours and line is not ours else ""
            words = "; ".join(text for text in (line.note, line.failure) if text)
            case = (record.network, line.code, str(record.timesteps), line.system)
            rows.append((*case, rate, times, EQUAL[line.equal], words))
    columns = (
        *("network", "code", "T", "system", "image-steps/s"),
        *("simulator is faster, times", "outputs", ""),
    )
    head = [
        "## Lava's simulation on the CPU",
        "",
        "The same spiking network, compiled once, with 8-bit weights, on the same cores: Lava runs "
        "a process for each population and each synapse, and images pass through them one behind "
        "the other. snnc brings process models for Lava's connections, which call the kernels of "
        "the simulator; with them Lava's time is that of its messages, with its own models that "
        "of their loops. Timed are the steps in which all layers are at work; starting and "
        "stopping Lava is not. Outputs are compared with the simulator's at every step of every "
        "image that ran on Lava.",
        "",
    ]
    return [*head, *table(columns, rows)] if rows else []


def accuracy(records: Sequence[Record]) -> Table:
    """Return the time to come near the ANN's accuracy."""
    lines: Table = []
    for record in of_kind(records, "accuracy"):
        other = yardstick(record)
        rows = []
        for line in sorted(record.played, key=_median):
            seconds = 1000 * _median(line) / record.samples
            times = ""
            if other and not line.system.startswith(YARDSTICK):
                times = f"{_of_runs(line, other):.1f}"
            right = _or_nothing("{:.2%}", line.accuracy)
            rows.append((line.system, f"{seconds:.2f}", times, right))
        lines += [
            f"## Time to within half a point of the ANN, {record.network}",
            "",
            f"Seconds for 1,000 images, measured on the first {record.samples:,} of the test set. "
            "The smallest T with an accuracy within half a point, by the tables in `results`, for "
            "each default recipe of snnc and for SpikingJelly's best. Here SpikingJelly's outputs "
            "are averaged over all steps; to leave out the first ones takes as long.",
            "",
            *table(("system and setting", "s", "SpikingJelly takes, times", "accuracy here"), rows),
        ]
    return lines


def _of_runs(fast: Line, slow: Line) -> float:
    pairs = zip(fast.seconds, slow.seconds, strict=True)
    return float(median(theirs / ours for ours, theirs in pairs))


def activity(records: Sequence[Record]) -> Table:
    """Return the time of each kernel against activity."""
    found = sorted(of_kind(records, "activity"), key=density)
    rows = []
    for record in found:
        lines = {line.system: line for line in record.played}
        cells = [f"{1e6 / line.rate:.1f}" for line in lines.values()]
        rows.append((record.setting, f"{density(record):.2%}", *cells, _against_best(lines)))
    if not found:
        return []
    columns = ("wanted", "measured", *(line.system for line in found[-1].played))
    return [
        "## Cost follows events",
        "",
        f"An MLP of four layers with 8-bit weights, T = {found[0].timesteps}, batch "
        f"{found[0].batch}, whose neurons send events in a given share of the steps: microseconds "
        "an image-step with the simulator's own choice of a kernel and with each kernel alone. "
        "The first layer reads a constant image and is computed once.",
        "",
        *table((*columns, "choice against the better one"), rows),
    ]


def density(record: Record) -> float:
    """Return the activity that was measured."""
    return max((line.density or 0.0 for line in record.lines), default=0.0)


def _against_best(lines: dict[str, Line]) -> str:
    chosen = lines.get("automatic")
    other = best(line for name, line in lines.items() if name != "automatic")
    return f"{ratio(other, chosen) - 1:+.0%}" if chosen and other else ""


SECTIONS: Sequence[Callable[[Sequence[Record]], Table]] = (
    walls,
    throughput,
    own_steps,
    on_lava,
    accuracy,
    activity,
)
