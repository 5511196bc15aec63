"""The search for the cheapest setting: its statistics, its candidates, its choice, its refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.numpy_sim.backend import TARGET
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.commands.argument_types import fraction
from snnc.compiler.cost import estimate, get_hardware
from snnc.compiler.demo import bundled
from snnc.compiler.onnx_import import load
from snnc.compiler.options import Options
from snnc.compiler.search import Search, Setting, candidates
from snnc.compiler.search.cost import HARDWARE
from snnc.compiler.search.drop import Drop, margins, measure, newcombe
from snnc.compiler.search.judge import split
from snnc.ir import Array, Graph
from snnc.ir.errors import AccuracyError, DataError, DesignRuleError, OptionError, Problem
from snnc.ir.printer import to_text
from tests.command_line import Command, write_model

SAMPLES = 240


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """Samples and labels; the source model gets about nine tenths of them right."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(SAMPLES, 1, 6, 6)).astype(np.float32)
    labels = AnnSession(model_file.read_bytes()).run({"x": x})["y"].argmax(axis=1)
    wrong = rng.random(SAMPLES) < 0.1
    path = tmp_path_factory.mktemp("search") / "xy.npz"
    np.savez(path, x=x, y=np.where(wrong, (labels + 1) % 3, labels))
    return path


def scores(network: snnc.Network, x: Array) -> Array:
    """Return the outputs of a network with one output."""
    outputs = network.run(x).outputs
    assert isinstance(outputs, np.ndarray)
    return outputs


# -- statistics ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "interval"),
    [
        # Newcombe's own example; and what the R package contingencytables gives (its test-ch8.R).
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        ((59, 6, 16, 80), (-0.1186, -0.0046)),
    ],
)
def test_newcombes_interval(table: tuple[int, ...], interval: tuple[float, float]) -> None:
    assert newcombe(*table) == pytest.approx(interval, abs=1e-4)


def test_margins_by_hand() -> None:
    given = np.array([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0], [3.0, 3.0, 0.0]])
    assert margins(given, np.array([1, 2, 0])).tolist() == [2, -2, 0]


def drawn_drop(seed: int, noise: float) -> tuple[Drop, float]:
    """Return what 256 of 1024 samples say of a made-up network, and its drop on many more."""
    rng = np.random.default_rng(seed)

    def pairs(count: int) -> tuple[Array, Array]:
        before = rng.normal(2, 1.5, size=count)  # a classifier that is right on 91 %
        size = noise * (1 + 0.1 * np.abs(before))
        return before, 0.95 * before + size * rng.standard_t(5, size=count)

    before, after = pairs(1024)
    many_before, many_after = pairs(100_000)
    found = measure(before[:256], after[:256], before[256:])
    return found, float((many_before > 0).mean() - (many_after > 0).mean())


def test_the_prediction_is_steadier_than_the_count_and_its_limit_holds() -> None:
    found = [drawn_drop(seed, 0.2) for seed in range(16)]
    counted = np.array([drop.counted - real for drop, real in found])
    predicted = np.array([drop.predicted - real for drop, real in found])
    assert np.sqrt(np.mean(predicted**2)) < 0.6 * np.sqrt(np.mean(counted**2))
    # Of 16 draws 14 or 15 are expected; 11 or fewer have a probability of 2 %.
    assert sum(real <= drop.limit for drop, real in found) > 11


def test_a_network_that_changes_nothing_loses_nothing() -> None:
    before = np.random.default_rng(0).normal(2, 1, size=256)
    found = measure(before[:64], before[:64], before[64:])
    assert (found.lost, found.gained) == (0, 0)
    assert found.predicted == pytest.approx(0, abs=1e-12)
    assert found.limit == pytest.approx(0, abs=1e-12)


def test_a_prediction_that_the_count_refutes_is_not_believed() -> None:
    drop = Drop(256, 40, 0, (0.11, 0.21), predicted=0.01, predicted_limit=0.02)
    assert drop.limit == 0.11


def test_the_split_is_a_quarter_drawn_by_the_seed() -> None:
    samples = {"x": np.zeros((100, 3))}
    calibrating, held_back = split(samples, 0)
    assert sorted([*calibrating, *held_back]) == list(range(100))
    assert len(held_back) == 25
    assert held_back.tolist() == split(samples, 0)[1].tolist() != split(samples, 1)[1].tolist()


# -- candidates ------------------------------------------------------------------------------------


def codes(found: tuple[Setting, ...]) -> set[str]:
    return {setting.code for setting in found}


def test_candidates_are_what_the_target_takes() -> None:
    assert codes(candidates(Options(), TARGET, None)) == {"augmented", "ternary"}
    signed = replace(TARGET, graded_payloads=False)
    assert codes(candidates(Options(), signed, None)) == {"ternary"}
    binary = replace(signed, signed_payloads=False)
    assert codes(candidates(Options(), binary, None)) == {"rate"}


def test_candidates_are_what_the_user_leaves_open() -> None:
    assert codes(candidates(Options(code="rate"), TARGET, None)) == {"rate"}
    assert codes(candidates(Options(code="auto"), TARGET, None)) == {"augmented", "ternary"}
    capped = candidates(Options(max_payload=7), TARGET, None)
    assert {(setting.code, setting.max_payload) for setting in capped} == {("augmented", 7)}
    ternary = candidates(Options(code="ternary"), TARGET, 10)
    assert [setting.timesteps for setting in ternary] == [4, 8, 10]
    assert candidates(Options(code="ternary"), TARGET, 2) == (Setting("ternary", 2),)
    assert codes(candidates(Options(two_phase="offset"), TARGET, None)) == {"rate"}
    late = candidates(Options(code="augmented", readout_delay=2), TARGET, None)
    assert {setting.timesteps for setting in late} == {4, 8}, "an answer after the delay"
    with pytest.raises(OptionError, match="max-payload"):
        candidates(Options(code="rate", max_payload=4), TARGET, None)


# -- the choice ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lenet() -> snnc.Network:
    """The bundled model, searched for on its test digits."""
    demo = bundled()
    return snnc.compile(
        demo.model, calibration={"x": demo.test, "y": demo.labels}, max_drop=0.02, timesteps=4
    )


def test_the_first_setting_that_keeps_to_the_drop_is_chosen(lenet: snnc.Network) -> None:
    found = lenet.report["search"]
    *failed, last = found["tried"]
    assert last["met"]
    assert last["drop"]["limit"] <= found["max_drop"] == 0.02
    assert not any(trial["met"] for trial in failed)
    chosen = found["chosen"]
    assert chosen == {key: last[key] for key in ("code", "timesteps", "max_payload")}
    options = lenet.artifact.manifest["options"]
    assert chosen == {key: options[key] for key in chosen}
    assert (found["judged_by"], found["calibrated_on"], found["held_back"]) == ("labels", 375, 125)
    assert lenet.timesteps == chosen["timesteps"] <= 4


def test_what_was_not_tried_was_expected_to_cost_more(lenet: snnc.Network) -> None:
    found = lenet.report["search"]
    cost = found["tried"][-1]["cost"]["energy_joules"]
    assert found["not_tried"]
    # Settings whose costs differ by less than a tenth are in the order of T.
    assert all(entry["expected_energy_joules"] > cost / 1.2 for entry in found["not_tried"])


def test_the_network_is_the_one_that_was_judged(lenet: snnc.Network) -> None:
    demo, found = bundled(), lenet.report["search"]
    calibrating, held_back = split({"x": demo.test}, seed=0)
    again = snnc.compile(demo.model, calibration=demo.test[calibrating], **found["chosen"])
    x = demo.test[held_back]
    np.testing.assert_array_equal(scores(again, x), scores(lenet, x))
    (ann,) = AnnSession(load(demo.model).graph).run({"x": x}).values()
    labels = demo.labels[held_back]
    right, kept = (values.argmax(axis=1) == labels for values in (ann, scores(lenet, x)))
    drop = found["tried"][-1]["drop"]
    assert (drop["lost"], drop["gained"]) == (sum(right & ~kept), sum(~right & kept))


def test_the_cost_is_what_estimate_says(lenet: snnc.Network) -> None:
    demo = bundled()
    x = demo.test[split({"x": demo.test}, seed=0)[1]]
    found = estimate(lenet, load(demo.model).graph, {"x": x}, get_hardware(HARDWARE))
    cost = lenet.report["search"]["tried"][-1]["cost"]
    assert cost["energy_joules"] == pytest.approx(found.joules("snn"))
    assert cost["spikes"] == pytest.approx(found.total("snn", "events"))


def test_the_record_is_saved(lenet: snnc.Network, tmp_path: Path) -> None:
    loaded = snnc.load(lenet.save(tmp_path / "out"))
    assert loaded.report["search"] == json.loads(json.dumps(lenet.report["search"]))
    assert loaded.artifact.manifest["options"]["max_drop"] == 0.02


def test_a_stricter_requirement_costs_no_less(model_file: Path, data: Path) -> None:
    networks = [
        snnc.compile(model_file, calibration=data, max_drop=allowed, code="ternary")
        for allowed in (0.2, 0.02)
    ]
    loose, strict = (net.report["search"]["tried"][-1]["cost"] for net in networks)
    assert loose["energy_joules"] <= strict["energy_joules"]
    assert networks[0].timesteps < networks[1].timesteps


def test_without_labels_every_changed_answer_is_lost(model_file: Path, data: Path) -> None:
    with np.load(data) as file:
        x = file["x"]
    found = snnc.compile(model_file, calibration=x, max_drop=0.2).report["search"]
    assert (found["judged_by"], found["ann_accuracy"]) == ("agreement with the ANN", None)
    assert all(trial["drop"]["gained"] == 0 for trial in found["tried"])


def test_what_a_target_refuses_is_passed_over_and_named(model_file: Path, data: Path) -> None:
    def build(**arguments: Any) -> snnc.Network:
        if arguments["code"] == "augmented":
            raise DesignRuleError("small", [Problem("r: too rich", "use fewer")])
        return snnc.compile(model_file, **arguments)

    search = partial(
        Search, model=model_file, calibration=data, max_drop=0.1, options=Options(), build=build
    )
    found = search(settings=candidates(Options(), TARGET, None)).network()
    assert found.report["search"]["chosen"]["code"] == "ternary"
    assert {entry["reason"] for entry in found.report["search"]["refused"]} == {"r: too rich"}
    with pytest.raises(DesignRuleError, match="too rich"):
        search(settings=candidates(Options(code="augmented"), TARGET, None)).network()


def test_the_passes_of_the_chosen_network_are_shown(model_file: Path, data: Path) -> None:
    seen: dict[str, Graph] = {}
    net = snnc.compile(model_file, calibration=data, max_drop=0.1, after=seen.__setitem__)
    assert next(iter(seen)) == "imported"
    assert to_text(list(seen.values())[-1]) == to_text(net.graph)


# -- the command line ------------------------------------------------------------------------------


def test_the_command_shows_what_was_tried(command: Command, model_file: Path, data: Path) -> None:
    words = (model_file, "--calibration", data, "--max-drop", "10%", "-o", "out")
    found = command(*words)
    assert (found.status, found.err) == (0, "")
    assert "lose at most 10 %" in found.out
    assert "estimate --hardware horowitz-45nm" in found.out  # the energies are of one model of many
    assert sum(line.endswith("chosen") for line in found.out.splitlines()) == 1
    search = command(*words, "--json").json["report"]["search"]
    assert search["max_drop"] == 0.1
    assert f"{search['chosen']['code']}, K" in found.out or search["chosen"]["code"] == "ternary"


def test_what_cannot_be_met_is_an_error_that_names_what_can(
    command: Command, model_file: Path, data: Path, tmp_path: Path
) -> None:
    words = (model_file, "--calibration", data, "--code", "ternary", "--timesteps", 4, "-o", "out")
    found = command(*words, "--max-drop", "0.001%")
    assert (found.status, found.out) == (2, "")
    error, hint = found.err.splitlines()
    assert error.startswith("error: --max-drop 0.001%: none of 1 settings is sure to keep to it")
    assert "the best, ternary, T = 4, loses" in error
    assert not list(tmp_path.iterdir())
    reachable = hint.removeprefix("hint: give --max-drop ").split(",")[0]
    assert command(*words, "--max-drop", reachable).status == 0


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--max-drop", "0.5"], "--max-drop 0.5 is out of range", "0.5%"),
        (["--max-drop=-1%"], "--max-drop -0.01 is out of range", "0.5%"),
        (["--max-drop", "nan"], "--max-drop nan is out of range", "0.5%"),
        (["--max-drop", "little"], "'little' is no fraction", "--help"),
        (["--max-drop", "1%", "--code", "rade"], "unknown code 'rade'", "auto"),
        (["--max-drop", "1%", "--code", "rate", "--guard"], "--guard", "ternary"),
    ],
)
def test_unusable_requirements(
    command: Command, model_file: Path, data: Path, words: list[str], message: str, hint: str
) -> None:
    found = command(model_file, "--calibration", data, *words)
    assert found.status == 2
    error, way_out = found.err.splitlines()
    assert message in error
    assert hint in way_out


def test_unusable_calibration_data(model_file: Path, data: Path, two_outputs_file: Path) -> None:
    with np.load(data) as file:
        x, y = file["x"], file["y"]
    search = partial(snnc.compile, model_file, max_drop=0.01)
    with pytest.raises(OptionError, match="needs real samples"):
        search()
    with pytest.raises(DataError, match="100 samples are too few"):
        search(calibration={"x": x[:100], "y": y[:100]})
    with pytest.raises(DataError, match="labels reach from 0 to 9"):
        search(calibration={"x": x, "y": np.where(y == 0, 9, y) - (y == 1)})
    with pytest.raises(DataError, match="labels for 240 samples"):
        search(calibration={"x": x, "y": y[1:]})
    with pytest.raises(DataError, match="2 outputs"):
        snnc.compile(two_outputs_file, calibration=np.zeros((240, 4)), max_drop=0.01)


def test_an_array_named_like_the_labels_may_be_an_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    path = write_model(
        tmp_path / "y.onnx",
        "h = Gemm (y, w) r = Relu (h) z = Gemm (r, v)",
        "(float[N,4] y) => (float[N,3] z)",
        {"w": rng.normal(size=(4, 6)), "v": rng.normal(size=(6, 3))},
    )
    x = rng.normal(size=(SAMPLES, 4)).astype(np.float32)
    found = snnc.compile(path, calibration={"y": x}, max_drop=0.2).report["search"]
    assert found["judged_by"] == "agreement with the ANN"


def test_labels_are_ignored_without_a_requirement(model_file: Path, data: Path) -> None:
    with np.load(data) as file:
        x = file["x"]
    with_labels, without = (snnc.compile(model_file, calibration=c) for c in (data, x))
    assert with_labels.report["search"] is None
    np.testing.assert_array_equal(scores(with_labels, x), scores(without, x))


def test_the_code_auto_is_the_default(model_file: Path, data: Path) -> None:
    manifests = [
        snnc.compile(model_file, calibration=data, code=code).artifact.manifest
        for code in (None, "auto", "augmented")
    ]
    assert manifests[0]["options"] == manifests[1]["options"] == manifests[2]["options"]
    assert manifests[0]["options"]["code"] == "augmented"


def test_fractions() -> None:
    assert fraction("0.5%") == fraction("0.005") == 0.005


def test_accuracy_errors_are_errors_of_snnc() -> None:
    assert issubclass(AccuracyError, snnc.SnncError)
