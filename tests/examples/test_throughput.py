"""The benchmark of throughput: what it makes of measured seconds. No timing is tested here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from snnc.backends.lava_process import LavaBackend
from snnc.backends.numpy_sim import NumpyBackend

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.results import Result
from examples.benchmarks.throughput import records, report
from examples.benchmarks.throughput.activity import random_graph
from examples.benchmarks.throughput.contestant import Contestant, Job
from examples.benchmarks.throughput.lava import TimedProgram, seconds_each
from examples.benchmarks.throughput.match import Match, play
from examples.benchmarks.throughput.matches import _wall
from examples.benchmarks.throughput.networks import TestNetwork
from examples.benchmarks.throughput.plots import rates
from examples.benchmarks.throughput.records import Line, Record
from examples.benchmarks.throughput.to_accuracy import common_count, defaults, earliest

OURS = Line(system="snnc", code="rate", seconds=(1.0, 2.0, 9.0), image_steps=100)
SLOW = Line(system="SpikingJelly, single-step", code="rate", seconds=(8, 9, 27), image_steps=200)
FAST = Line(system="SpikingJelly, multi-step", code="rate", seconds=(4, 8, 18), image_steps=200)
ABSENT = Line(system="sinabs", code="rate", failure="MemoryError: too large")

MATCH = Record(
    kind="throughput",
    network="lenet5",
    sha256="0",
    setting="",
    timesteps=4,
    batch=25,
    samples=25,
    threads=2,
    machine={"processor": "a", "cores": 2, "flags": [], "system": "b", "python": "c"}
    | {"versions": {"numpy": "1"}, "native": "none"},
    lines=(OURS, SLOW, FAST, ABSENT),
)


def accuracy(system: str, method: str, timesteps: int, accuracy: float, count: int = 10) -> Result:
    """Return a result of which only the accuracy matters."""
    return Result(
        data="digits",
        network="lenet5",
        sha256="0",
        count=count,
        calibration=1,
        system=system,
        method=method,
        settings={"code": "rate"},
        timesteps=timesteps,
        ann=0.9,
        accuracy=accuracy,
        spikes=0,
        synops=0,
        unit_synops=0,
        seconds=0,
    )


def test_ratios_are_medians_of_rounds_and_per_image_step() -> None:
    assert OURS.rate == 50
    assert records.ratio(OURS, FAST) == 2  # of 2, 2 and 1
    assert records.ratio(OURS, replace(FAST, seconds=(2, 12, 18))) == 1  # of 1, 3 and 1; not 3
    assert records.best(MATCH.lines) is OURS
    assert records.best([ABSENT]) is None
    assert report.yardstick(MATCH) is FAST


def test_a_match_that_is_played_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "results" / "throughput.jsonl"
    again = replace(MATCH, lines=(replace(OURS, seconds=(5.0,)),))
    for record in (MATCH, replace(MATCH, timesteps=8), again):
        records.append(path, record)
    first, second = records.read(path)
    assert (first.timesteps, second.timesteps) == (4, 8)
    assert first.lines[0].rate == 20
    assert len(second.played) == 3


def test_rows_show_rates_ratios_and_who_failed() -> None:
    text = report.as_markdown([MATCH], [])
    assert "| snnc | rate | 50 (2.00) |" in text
    assert "| SpikingJelly, single-step | rate | 22 (0.67) |" in text
    assert "| sinabs | rate | failed |" in text
    assert "- sinabs: failed: MemoryError: too large" in text
    assert rates([MATCH]) == {"snnc, rate": {"lenet5": 50}, "SpikingJelly": {"lenet5": 25}}


def test_rows_of_lava_say_whether_outputs_are_the_simulators() -> None:
    lava = Line(system="Lava", code="rate", seconds=(8, 8, 90), image_steps=4, equal=True)
    lines = (OURS, lava, replace(lava, system="other", equal=False))
    text = report.as_markdown([replace(MATCH, kind="lava", lines=lines)], [])
    assert "| lenet5 | rate | 4 | snnc | 50.0 |  |  |  |" in text
    assert "| lenet5 | rate | 4 | Lava | 0.5 | 200.0 | equal |  |" in text
    assert "| lenet5 | rate | 4 | other | 0.5 | 200.0 | **DIFFER** |  |" in text


def test_shares_of_a_wall_compare_operations_a_second() -> None:
    wall = Line(system="8 bit, x", code="product", seconds=(1, 1, 1), operations=1000)
    kernel = Line(system="snnc, 8 bit", code="rate", seconds=(1, 2, 2), operations=1200)
    (bound,) = report.walls_of(kernel, [wall])
    assert report.share(kernel, bound) == pytest.approx(0.6)
    assert report.walls_of(wall, [wall]) == []


def test_the_smallest_t_near_the_ann_is_timed_or_else_the_best_one() -> None:
    near = [accuracy("snnc 1", "default rate", t, a) for t, a in ((4, 0.7), (8, 0.896), (16, 0.9))]
    far = [accuracy("snnc 1", "default ternary", 2, 0.5), accuracy("snnc 1", "max", 1, 0.9)]
    assert [(c.result.method, c.result.timesteps) for c in defaults([*near, *far])] == [
        ("default rate", 8)
    ]
    peer = [accuracy("other 2", "max", t, a) for t, a in ((8, 0.8), (32, 0.89), (64, 0.88))]
    choice = earliest(peer)
    assert (choice.reached, choice.result.timesteps) == (False, 32)
    assert "lower bound" in choice.note
    more = [accuracy("snnc 1", "max", 1, 0.9, count=20)]
    assert common_count([*near, *peer, *more]) == 10


@pytest.mark.parametrize("activity", [0.02, 0.5])
def test_a_network_sends_as_many_events_as_it_is_asked_to(activity: float) -> None:
    graph, x = random_graph(activity, width=128, samples=8, timesteps=8)
    result = NumpyBackend().lower(graph, 8).run({"x": x})
    spikes = sum(result.activity[node.name].spikes.sum() for node in graph.populations)
    neurons = sum(graph.types[node.name].size for node in graph.populations)
    assert spikes / (8 * 8 * neurons) == pytest.approx(activity, rel=0.05)


def test_steps_on_lava_count_while_its_network_is_full() -> None:
    times = {0: 0.0, 4: 20.0, 5: 22.0, 8: 28.0, 9: 99.0}
    assert seconds_each(times, begin=4, end=8) == 2
    with pytest.raises(ValueError, match="too few steps"):
        seconds_each(times, begin=6, end=8)


@pytest.mark.lava
@pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed")
def test_steps_on_lava_are_seen() -> None:
    graph, x = random_graph(0.1, width=8, samples=200, timesteps=4)
    lowered = LavaBackend().lower(graph, 4)
    program = TimedProgram(lowered.graph, lowered.timesteps, lowered.plan)
    result = program.run({"x": x})
    assert seconds_each(program.times, program.depth_latency, 4 * len(x)) > 0
    expected = NumpyBackend().lower(graph, 4).run({"x": x})
    assert result.decoded["y"].tolist() == expected.decoded["y"].tolist()


def test_who_cannot_run_a_network_stands_in_the_results_with_the_reason() -> None:
    job = Job(TestNetwork("lenet5", Path("missing.onnx")), 4, 2, 2, 1, Path("missing"), 1)
    raises = Contestant("raises", "rate", partial(_wall, name="no_such_wall"))
    dies = Contestant("dies", "rate", partial(_wall, name="no_such_wall"), {"PYTHONHOME": "none"})
    record = play(Match("throughput", job, [raises, dies]), rounds=1)
    first, second = record.lines
    assert record.played == ()
    assert first.failure.startswith("AttributeError: ")
    assert second.failure == "its process ended with code 1"
