"""Models of energy are data: nothing enters without unit and source, and errors name their key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snnc.compiler.cost import DEFAULT, PRESETS, get_hardware
from snnc.compiler.cost.constants import STATUSES, UNITS, Constant, ConstantError
from snnc.compiler.cost.counts import COUNTS, Buffer
from snnc.compiler.cost.hardware_file import MOST_BYTES, parse_hardware
from snnc.compiler.cost.presets import all_presets, borrowed, preset
from snnc.ir.errors import OptionError
from tests.command_line import Command

MODEL = """
name = "mine"
title = "my chip"
basis = "measured on my desk"

[constants.synapse]
value = 1.5
unit = "pJ"
source = "my own measurement, 2026"
technology = "28 nm"
status = "measured"

[[terms]]
name = "synapses"
counts = ["acs", "macs"]
constant = "synapse"
"""
GOOD = {"value": 1.0, "unit": "pJ", "source": "a paper", "technology": "28 nm", "status": "fitted"}


def test_all_presets_are_complete() -> None:
    assert DEFAULT in PRESETS
    for name, model in all_presets().items():
        assert model.name == name
        assert model.title
        assert len(model.basis) > 60
        assert model.terms or model.bracket
        for constant in model.constants.values():
            assert constant.unit in UNITS
            assert constant.status in STATUSES
            assert len(constant.source) > 15
            assert constant.technology
            assert "U]" not in constant.source


def test_the_ends_of_the_bracket_are_published_for_loihi_1() -> None:
    bracket = preset("loihi2").bracket
    assert bracket
    assert preset("loihi2").constants == {}
    for term in (*bracket.low, *bracket.high):
        assert term.constant.startswith("loihi1-")
        assert borrowed(term).unit == "pJ"
        assert set(term.counts) <= set(COUNTS)
    low = {term.counts: borrowed(term).value for term in bracket.low}
    high = {term.counts: borrowed(term).value for term in bracket.high}
    assert all(low[counts] <= high[counts] for counts in low)
    assert "LOIHI 1" in bracket.basis


@pytest.mark.parametrize("field", ["unit", "source", "technology", "status"])
def test_no_constant_without_unit_and_source(field: str) -> None:
    Constant(name="good", **GOOD)  # type: ignore[arg-type]
    nothings: tuple[Any, ...] = ("", "  ", None, 5, "?", ["pJ"], {})
    for nothing in nothings:
        with pytest.raises(ConstantError, match=field):
            Constant(name="bad", **{**GOOD, field: nothing})
    with pytest.raises(TypeError, match=field):
        Constant(name="bad", **{k: v for k, v in GOOD.items() if k != field})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1", True, None])
def test_no_constant_without_a_value(value: Any) -> None:
    with pytest.raises(ConstantError, match="value"):
        Constant(name="bad", **{**GOOD, "value": value})


def test_no_constant_can_be_changed_into_one_without_source() -> None:
    constant = preset("horowitz-45nm").constants["int8_mac"]
    with pytest.raises(ConstantError, match="source"):
        replace(constant, source="")


@pytest.mark.parametrize("line", [line for line in MODEL.splitlines() if " = " in line])
def test_a_value_of_another_type_is_refused(line: str) -> None:
    key = line.partition(" ")[0]
    for value in ("[]", "{}", "[[1]]", "[{}]", "true", "nan", '["pJ"]', "2026-01-01"):
        changed = MODEL.replace(line, f"{key} = {value}").encode()
        with pytest.raises(OptionError, match=key):
            parse_hardware(changed, "mine.toml")


def test_a_model_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(MODEL)
    found = get_hardware(str(path))
    assert (found.name, found.constants["synapse"].si) == ("mine", 1.5e-12)
    assert found.terms[0].counts == ("acs", "macs")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "pJ"', 'unit = "kWh"', "constants.synapse.unit is 'kWh'"),
        ('unit = "pJ"', "", "constants.synapse.unit is missing"),
        ('source = "my own measurement, 2026"', "", "constants.synapse.source is missing"),
        ('source = "my own measurement, 2026"', 'source = " "', "constants.synapse.source"),
        ('technology = "28 nm"', "", "constants.synapse.technology is missing"),
        ('status = "measured"', 'status = "guessed"', "constants.synapse.status is 'guessed'"),
        ("value = 1.5", "value = -1.5", "constants.synapse.value is -1.5 and below 0"),
        ("value = 1.5", "value = nan", "constants.synapse.value is nan"),
        ("value = 1.5", "value = true", "constants.synapse.value is True"),
        ("value = 1.5", 'value = "1.5"', "constants.synapse.value is '1.5'"),
        ("value = 1.5", "value = 1.5\nerror = 2", "constants.synapse.error is unknown"),
        ('unit = "pJ"', 'unit = "mW"', "terms[0].constant 'synapse' is in mW"),
        ('unit = "pJ"', 'unit = "pJ/bit"', "terms[0].constant 'synapse' is in pJ/bit"),
        ('["acs", "macs"]', '["payload_bits"]', "terms[0].constant 'synapse' is in pJ"),
        ('["acs", "macs"]', '["payload_bits", "acs"]', "terms[0].counts mixes bits"),
        ('["acs", "macs"]', '["spikes"]', "terms[0].counts 'spikes' is unknown"),
        ('["acs", "macs"]', '["acs", "acs"]', "terms[0].counts names nothing or something twice"),
        ('["acs", "macs"]', '"acs"', "terms[0].counts is 'acs' and no list"),
        ('constant = "synapse"', 'constant = "synapsis"', "terms[0].constant 'synapsis'"),
        ('constant = "synapse"', 'constant = "{0}"', "terms[0].constant '{0}' is no name"),
        ('constant = "synapse"', "", "terms[0].constant or memory is needed"),
        ('constant = "synapse"', 'memory = "weights"', "terms[0].memory is accessed"),
        ('constant = "synapse"', 'constant = "synapse"\nfactor = 2', "terms[0].factor is unknown"),
        ('name = "mine"', "", "name is missing"),
        ('name = "mine"', "name = 5", "name is 5"),
        ('name = "mine"', 'name = "loihi2"', "is that of a model of snnc"),
        ('name = "mine"', 'name = "mine"\nchip = "loihi9"', "chip 'loihi9' is unknown"),
        ('name = "mine"', 'name = "mine"\nruns = ["gpu"]', "runs 'gpu' is unknown"),
        ('name = "mine"', 'name = "mine"\nterm = 1', "term is unknown"),
        ('name = "mine"', 'name = "mine', "is no TOML"),
        ("[[terms]]", "[term]", "term is unknown"),
        (
            "[[terms]]",
            '[static]\npower = "synapse"\n[[terms]]',
            "static.power 'synapse' is in pJ",
        ),
        ("[[terms]]", '[step]\ntick = "synapse"\n[[terms]]', "step.tick 'synapse' is in pJ"),
        ("[[terms]]", "[step]\n[[terms]]", "step.tick or times are needed"),
        ("[[terms]]", '[memory]\nrule = "free"\n[[terms]]', "memory.rule 'free' is unknown"),
        (
            "[[terms]]",
            '[memory]\nrule = "packed"\naccess = "synapse"\n[[terms]]',
            "memory.access_bits is missing",
        ),
        (
            "[[terms]]",
            '[memory]\nrule = "interpolated"\naccess_bits = 0\n[[terms]]',
            "memory.access_bits is 0",
        ),
        (
            "[[terms]]",
            '[memory]\nrule = "interpolated"\naccess_bits = 64\npoints = [["a"]]\n[[terms]]',
            "memory.points is no list of pairs",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in MODEL
    path = tmp_path / "my.toml"
    path.write_text(MODEL.replace(old, new, 1))
    with pytest.raises(OptionError) as caught:
        get_hardware(str(path))
    (problem,) = caught.value.problems
    assert problem.message.startswith(str(path))
    assert message in problem.message
    assert problem.hint


def test_terms_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(MODEL + MODEL[MODEL.index("[[terms]]") :])
    with pytest.raises(OptionError, match="'synapses' is used twice"):
        get_hardware(str(path))


def test_a_huge_file_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(MODEL + "# " + "x" * MOST_BYTES)
    with pytest.raises(OptionError, match="is larger than 64 KB"):
        get_hardware(str(path))
    with pytest.raises(OptionError, match="No such file"):
        get_hardware(str(tmp_path / "none.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="is no TOML"):
        get_hardware(str(path))
    path.write_text("a = " + "[" * 5000)
    with pytest.raises(OptionError, match="is no TOML"):
        get_hardware(str(path))


def test_access_bits() -> None:
    buffer = Buffer(8192, 8)
    wide = get_hardware("lemaire-2022-spikingjelly", 64).memory
    narrow = get_hardware("lemaire-2022-spikingjelly").memory
    assert wide
    assert narrow
    assert wide.joules(buffer) == pytest.approx(narrow.joules(buffer) / 2)
    with pytest.raises(OptionError, match="has no accesses of a certain width"):
        get_hardware("lemaire-2022", 64)


def test_targets_lists_the_models(command: Command) -> None:
    text = command("targets").out
    assert all(name in text for name in PRESETS)
    found = {model["name"]: model for model in command("targets", "--json").json["hardware"]}
    assert list(found) == list(PRESETS)
    assert found["loihi2"]["energy_per_operation"] is False
    assert found["loihi2"]["constants"] == []
    assert all(constant["source"] for model in found.values() for constant in model["constants"])


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs/cost.md"
    if not page.exists():
        pytest.skip("needs a checkout: docs/cost.md")
    text = page.read_text(encoding="utf-8")
    path = tmp_path / "my-chip.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    found = get_hardware(str(path))
    assert found.constants["synapse"].status == "measured"
    assert found.runs == ("snn",)
