"""What is computed of a sample does not depend on its block, its neighbours, or the threads."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends import Activity, Result
from snnc.backends.assembly import assembled
from snnc.backends.numpy_sim import NumpyBackend, NumpyProgram
from snnc.backends.numpy_sim import backend as simulator
from snnc.backends.resources import Resources, parse_size
from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    TensorType,
)
from snnc.ir.errors import OptionError
from snnc.ir.settling import is_exact
from tests.exact_graphs import AT_REST, EXACT, exact_inputs
from tests.spiking_graphs import SCHEDULES, TIMESTEPS, random_graph, random_inputs, scheduled_graph

SAMPLES = 7
CAP = 15
KINDS = ("integer", "real", "exact", *SCHEDULES)


def graph_of(kind: str, seed: int) -> Graph:
    if kind == "exact":
        return list(EXACT.values())[seed % len(EXACT)](CAP)
    if kind in SCHEDULES:
        return scheduled_graph(seed, kind, integer=kind != "differential")
    graph = random_graph(seed, integer=kind == "integer")
    return unrounded(graph, seed) if kind == "real" else graph


def unrounded(graph: Graph, seed: int) -> Graph:
    """Return a real-valued graph whose sums are rounded, so that the order of additions shows."""
    rng = np.random.default_rng(seed)
    nodes = [
        replace(node, weight=node.weight * rng.uniform(0.9, 1.1, node.weight.shape))
        if isinstance(node, (Conv, Linear))
        else replace(node, initial=node.initial + rng.uniform(0, 0.1, node.initial.shape))
        if isinstance(node, IF)
        else node
        for node in graph
    ]
    return Graph(nodes, dict(graph.outputs))


def inputs_of(kind: str, graph: Graph, seed: int, samples: int) -> dict[str, Array]:
    if kind == "exact":
        return exact_inputs(graph, samples)
    return random_inputs(graph, seed, samples)


def program_of(graph: Graph) -> NumpyProgram:
    return NumpyBackend().lower(graph, AT_REST[CAP] if is_exact(graph) else TIMESTEPS)


def assert_same(one: Result, other: Result) -> None:
    assert one.activity.keys() == other.activity.keys()
    for name, done in one.activity.items():
        for count in fields(Activity):
            expected, got = (getattr(each, count.name) for each in (done, other.activity[name]))
            np.testing.assert_array_equal(expected, got, f"{name}: {count.name}")
    for part in ("decoded", "spikes", "unrounded"):
        expected, got = getattr(one, part), getattr(other, part)
        assert expected.keys() == got.keys()
        for name in expected:
            np.testing.assert_array_equal(expected[name], got[name], f"{part} {name}")
    assert (one.settled is None) == (other.settled is None)
    if one.settled is not None and other.settled is not None:
        np.testing.assert_array_equal(one.settled, other.settled)


def of(result: Result, samples: Array) -> Result:
    """Return the result of some of the samples."""

    def chosen(arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: array[samples] for name, array in arrays.items()}

    return Result(
        chosen(dict(result.decoded)),
        {
            name: Activity(*(getattr(done, count.name)[samples] for count in fields(Activity)))
            for name, done in result.activity.items()
        },
        chosen(dict(result.spikes)),
        None if result.settled is None else result.settled[samples],
        chosen(dict(result.unrounded)),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
    st.integers(1, SAMPLES),
    st.integers(1, 3),
    st.permutations(range(SAMPLES)),
    st.booleans(),
)
def test_blocks_jobs_and_order_change_nothing(
    kind: str, seed: int, size: int, jobs: int, order: list[int], record: bool
) -> None:
    graph = graph_of(kind, seed)
    inputs = inputs_of(kind, graph, seed, SAMPLES)
    whole = program_of(graph).run(inputs, record=record, resources=Resources(jobs=1))
    shuffled = {name: x[order] for name, x in inputs.items()}
    with patch.object(NumpyProgram, "_block_size", size):
        program = program_of(graph)
        resources = Resources(jobs=jobs)
        assert_same(
            of(whole, np.array(order)), program.run(shuffled, record=record, resources=resources)
        )
        parts = list(program.stream(inputs, record=record, resources=resources))
    assert all(len(part.decoded["y"]) <= size for part in parts)
    assert_same(whole, assembled(parts, SAMPLES))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_real_sums_are_rounded_alike_in_any_block(size: int) -> None:
    """A library adds in another order for another number of rows: the last bits would tell."""
    rng = np.random.default_rng(0)
    one = np.ones(1)
    graph = Graph(
        [
            Input(name="x", type=TensorType((40,))),
            Encoder(name="e", inputs=("x",), scale=None),
            Linear(name="c", inputs=("e",), weight=rng.normal(size=(500, 40))),
            IF(name="r", inputs=("c",), threshold=3 * one, bias=0 * one, initial=one),
            Linear(name="l", inputs=("r",), weight=rng.normal(size=(10, 500))),
            Integrator(name="y", inputs=("l",), bias=0 * one, scale=one),
        ],
        {"y": "y"},
    )
    inputs = {"x": rng.normal(size=(23, 40)).astype(np.float32)}
    whole = program_of(graph).run(inputs, record=True, resources=Resources(jobs=1))
    with patch.object(NumpyProgram, "_block_size", size):
        assert_same(whole, program_of(graph).run(inputs, record=True))


@pytest.mark.parametrize("kind", ["integer", "exact"])
def test_a_limit_makes_blocks_smaller_and_changes_nothing(kind: str) -> None:
    graph = graph_of(kind, 4)
    inputs = inputs_of(kind, graph, 4, 40)
    whole = program_of(graph).run(inputs, resources=Resources(jobs=2))
    program = program_of(graph)
    list(program.stream(inputs, resources=Resources(memory=1 << 40)))  # makes what is shared
    footprint = program._footprint({name: x[:1] for name, x in inputs.items()}, False)
    room = (footprint.fixed + 4.5 * footprint.each) / 0.92
    with patch.object(Resources, "left", lambda self: int(room)):
        parts = list(program.stream(inputs, resources=Resources(memory=1 << 30, jobs=2)))
    assert [len(part.decoded["y"]) for part in parts] == [4] * 10  # and one job
    assert_same(whole, assembled(parts, 40))


def test_too_little_memory_says_how_much_is_needed() -> None:
    graph = random_graph(3)
    inputs = random_inputs(graph, 3)
    with pytest.raises(OptionError, match="too little to run one sample") as caught:
        next(program_of(graph).stream(inputs, resources=Resources.of("20MB")))
    assert "give at least" in caught.value.hint
    with pytest.raises(OptionError, match="keep all results") as caught:
        program_of(graph).run(inputs, resources=Resources.of("20MB"))
    assert "stream" in caught.value.hint


def test_a_stream_that_is_given_up_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(3)
    monkeypatch.setattr(simulator, "BLOCK_BYTES", 1)
    seen: list[int] = []
    results = program_of(graph).stream(
        random_inputs(graph, 3, 50), progress=lambda done, _: seen.append(done)
    )
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert seen == [1]


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 500_000_000), ("2gb", 2 * 10**9), ("1.5GiB", 3 << 29), ("1 G", 10**9), ("7", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "2 PB", "-1GB", "2,5GB", "1i", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="is no size") as caught:
        Resources.of(text)
    assert "give e.g." in caught.value.hint


def test_no_jobs_are_refused() -> None:
    with pytest.raises(OptionError, match="jobs 0"):
        Resources.of(jobs=0)


@pytest.mark.parametrize("native", [True, False])
def test_the_process_stays_within_the_limit(native: bool) -> None:
    """Measured from outside: neither Python nor NumPy knows what libraries take."""
    limit, samples = 400 * 10**6, 32
    size, most = peak(limit, 2, samples, native)
    assert 1 < size < samples // 2
    assert most <= limit
    if not native:  # without a limit it takes more
        assert peak(0, 2, samples, native) > (size, limit)


def peak(memory: int, jobs: int, samples: int, native: bool) -> tuple[int, int]:
    """Return the samples of the largest block and the peak memory of a child process."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            sys.executable,
            str(root / "tests" / "memory_child.py"),
            *map(str, (memory, jobs, samples)),
        ],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "SNNC_NATIVE": str(int(native))},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    size, most = map(int, done.stdout.split())
    return size, most
