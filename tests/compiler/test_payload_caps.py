"""A payload cap for each population: the choice, what it keeps to, and where it is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.cost import estimate, get_hardware
from snnc.compiler.demo import bundled
from snnc.compiler.onnx_import import load
from snnc.compiler.options import CAPS, Options
from snnc.compiler.payload_caps import REFERENCE, SAMPLES, Effect, cheapest
from snnc.compiler.search.cost import HARDWARE
from snnc.ir import IF
from snnc.ir.errors import OptionError
from tests.command_line import Command


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_choice_within_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    effects = [
        {cap: Effect(float(rng.exponential()), float(rng.normal())) for cap in CAPS}
        for _ in range(4)
    ]

    def total(caps: tuple[int, ...]) -> Effect:
        return sum((each[cap] for each, cap in zip(effects, caps, strict=True)), Effect(0, 0))

    every = list(product(CAPS, repeat=4))
    for budget in (1.0, 2.0, 4.0):
        within = [caps for caps in every if total(caps).error <= budget]
        best = min(within, key=lambda caps: total(caps).energy, default=None)
        assert cheapest(effects, budget) == best


def test_no_choice_within_the_budget() -> None:
    assert cheapest([{1: Effect(2.0, -1.0), 4: Effect(1.5, 0.0)}], budget=1.0) is None


def test_less_energy_than_the_default_at_no_larger_error() -> None:
    demo = bundled()
    ann = load(demo.model).graph
    x = {"x": demo.calibration[:SAMPLES]}
    (wanted,) = AnnSession(ann).run(x).values()
    found = {}
    for cap in ("auto", REFERENCE):
        net = snnc.compile(
            demo.model,
            calibration=demo.calibration,
            timesteps=4,
            max_payload=cap,
            correction="none",
        )
        outputs = net.run(x).outputs
        assert isinstance(outputs, np.ndarray)
        joules = estimate(net, ann, x, get_hardware(HARDWARE)).joules("snn")
        assert joules is not None
        found[cap] = (np.square(outputs - wanted).mean(), joules, net)
    assert found["auto"][0] <= found[REFERENCE][0]
    assert found["auto"][1] < found[REFERENCE][1]
    net = found["auto"][2]
    payloads = {node.max_positive for node in net.graph.of_type(IF)}
    assert len(payloads) > 1
    assert payloads <= set(CAPS)
    assert net.artifact.manifest["options"]["max_payload"] == "auto"
    assert any("payload caps were chosen" in text for text in net.report["approximations"])


def test_caps_of_a_population_bound_both_signs(model_file: Path, data_file: Path) -> None:
    net = snnc.compile(model_file, calibration=data_file, max_payload="auto", timesteps=2)
    assert all(node.max_negative == node.max_positive for node in net.graph.of_type(IF))


def test_caps_are_chosen_on_the_command_line(
    command: Command, model_file: Path, data_file: Path
) -> None:
    words = (model_file, "--calibration", data_file, "--max-payload", "auto", "-o", "out")
    assert command(*words, "--json").json["options"]["max_payload"] == "auto"
    assert command("verify", "out").status == 0


@pytest.mark.parametrize("code", ["rate", "ternary", "multithreshold"])
def test_only_augmented_spikes_have_caps_to_choose(code: str) -> None:
    with pytest.raises(OptionError, match="auto has no meaning"):
        Options(code=code, max_payload="auto").make_code(signed=True, graded=True)
    with pytest.raises(OptionError, match="is no number"):
        Options(max_payload="automatic")
