"""The comparison with peers: same network, same definitions, nothing measured twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snnc.backends.counting import fan_out
from snnc.compiler.demo import bundled
from snnc.compiler.onnx_import import load
from snnc.ir import Clip, Conv, Linear, MaxPool, Node

ROOT = Path(__file__).parent.parent.parent
MAX = ROOT / "examples" / "models" / "lenet5-max.onnx"

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks import methods, results, tables  # noqa: E402
from examples.benchmarks.published import PUBLISHED  # noqa: E402
from examples.benchmarks.task import Task  # noqa: E402


@pytest.fixture
def task() -> Task:
    """Return the bundled network on a few of the bundled digits."""
    demo = bundled()
    return Task(
        data="digits",
        model=demo.model,
        sha256="0" * 64,
        calibration=demo.calibration[:32],
        x=demo.test[:20],
        y=demo.labels[:20],
        ann=1.0,
    )


def test_what_is_there_is_not_measured_again(
    task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    plain = methods.Method("plain", {"code": "rate", "correction": "none"}, (2, 1))
    unknown = methods.Method("unknown", {"thresholds": "astrology"}, (1,))
    methods.run([task], [plain, unknown])
    assert "unknown, T=1: refused: unknown threshold rule 'astrology'" in capsys.readouterr().out
    path = tmp_path / "digits-lenet5.jsonl"
    first = results.read(path)
    assert [result.timesteps for result in first.values()] == [1, 2]
    assert all(0 < result.spikes < result.synops for result in first.values())

    few = replace(task, x=task.x[:7], y=task.y[:7])
    signed = replace(plain, name="signed", options={"code": "ternary", "correction": "none"})
    methods.run([task, few], [plain, signed])
    second = results.read(path)
    assert list(second.items())[:2] == list(first.items())
    assert [(result.method, result.count) for result in list(second.values())[2:]] == [
        *(("signed", 7), ("signed", 20)),
        *(("signed", 7), ("signed", 20)),
    ]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6


def test_tables_hold_one_network_and_one_number_of_samples() -> None:
    one = results.Result(
        data="digits",
        network="lenet5",
        sha256="a",
        count=100,
        calibration=10,
        system="snnc",
        method="plain",
        settings={},
        timesteps=4,
        ann=0.99,
        accuracy=0.97,
        spikes=10,
        synops=2_000_000,
        unit_synops=3_000_000,
        seconds=1,
    )
    measured = [
        replace(one, sha256="b"),
        one,
        *(replace(one, count=200, timesteps=t) for t in (1, 2, 4)),
        replace(one, timesteps=8),
        replace(one, system="peer", accuracy=0.96),
    ]
    chosen = tables.select(measured, None)
    assert chosen == [one, *measured[-2:]]
    assert tables.select(measured, 200) == measured[2:5]
    text = tables.as_markdown(chosen, [])
    assert "| snnc | plain | 97.00 | 97.00 |" in text
    assert "| peer | plain | 96.00 |  |" in text
    assert "| snnc | plain | +2.00 | +2.00 |" in text
    assert "| snnc | plain | 2.00 (3.00) | 2.00 (3.00) |" in text


def test_published_methods_name_ours() -> None:
    names = {method.name for method in methods.METHODS}
    assert len(names) == len(methods.METHODS)
    assert {entry.ours for entry in PUBLISHED} <= {None, *names}


def test_rank_correlation_by_hand() -> None:
    """1 - 6 * sum(d**2) / (n (n**2 - 1)) with rank differences -1, 1, 0."""
    pytest.importorskip("scipy")
    from examples.benchmarks.published import rank_correlation

    assert rank_correlation([(90.0, 81.0), (91.0, 80.0), (92.0, 82.0)]) == pytest.approx(0.5)


@pytest.mark.torch
@pytest.mark.parametrize("model", [bundled().model, MAX], ids=["average", "max"])
def test_the_torch_network_is_the_imported_one(model: Path) -> None:
    torch = pytest.importorskip("torch")
    from examples.benchmarks.torch_network import TOLERANCE, check_equal, torch_network

    network = torch_network(load(model).graph)
    assert check_equal(network, model.read_bytes(), bundled().test[:8]) < TOLERANCE
    with torch.no_grad():
        next(network.parameters()).mul_(1.001)
    with pytest.raises(AssertionError, match="differ by"):
        check_equal(network, model.read_bytes(), bundled().test[:8])


@pytest.mark.torch
def test_fan_out_of_a_peer_is_that_of_snnc() -> None:
    """With max pools in front of the neurons, each event goes to one linear map."""
    pytest.importorskip("spikingjelly")
    import torch
    from spikingjelly.activation_based.ann2snn import Converter, RateCodingRecipe

    from examples.benchmarks.peer_events import FanOut
    from examples.benchmarks.torch_network import torch_network

    graph = load(MAX).graph

    def reached(node: Node) -> int:
        (reader,) = graph.users[node.name]
        if isinstance(reader, (Conv, Linear)):
            return int(fan_out(graph, reader.name).sum())
        return reached(reader)

    recipe = RateCodingRecipe(
        [torch.rand(4, 1, 28, 28)],
        mode="max",
        channel_wise=True,
        half_threshold=True,
        pre_spike_maxpool=True,
    )
    snn = Converter(recipe).convert(torch_network(graph))
    assert [int(found.sum()) for found in FanOut(snn).find((1, 28, 28)).values()] == [
        reached(node)
        for node in graph
        if isinstance(node, MaxPool)
        or (isinstance(node, Clip) and not isinstance(graph.users[node.name][0], MaxPool))
    ]
