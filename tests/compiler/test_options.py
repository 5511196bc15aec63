"""Options and codes: every value that is refused, and what the codes set."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from snnc.compiler.codes import make_code
from snnc.compiler.options import Options
from snnc.ir.errors import OptionError


@pytest.mark.parametrize(
    "options",
    [
        {"timesteps": 0},
        {"weight_bits": 1},
        {"weight_bits": 9},
        {"input_bits": 1},
        {"input_bits": 16},
        {"seed": -1},
        {"rehearsal": 0},
        {"rehearsal": 1025},
        {"readout_delay": -1},
        {"readout_delay": 8},
        {"readout_delay": 4, "timesteps": 4},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options)).replace("_", "-")) as caught:
        Options(**options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rate", {"deadband": 0}),
        ("rate", {"guard": False}),
        ("rate", {"max_payload": 4}),
        ("ternary", {"max_payload": 2}),
        ("ternary", {"deadband": 2}),
        ("augmented", {"max_payload": 1}),
        ("augmented", {"max_payload": 128}),
        ("rate", {"v_init": 1.5}),
        ("rate", {"v_init": float("nan")}),
        ("rate", {"select": "nearest"}),
        ("ternary", {"reset": "zero"}),
        ("augmented", {"reset": "zero"}),
        ("multithreshold", {"reset": "zero"}),
        ("radix", {"reset": "zero"}),
        ("exact", {"reset": "zero"}),
        ("augmented", {"select": "nearest"}),
        ("multithreshold", {"select": "best"}),
        ("multithreshold", {"max_payload": 3}),
        ("multithreshold", {"max_payload": 0}),
        ("multithreshold", {"max_payload": 128}),
        ("multithreshold", {"deadband": 1}),
        ("radix", {"guard": True}),
        ("radix", {"max_payload": 3}),
        ("radix", {"radix": 1}),
        ("radix", {"timesteps": 17}),
        ("radix", {"radix": 4, "timesteps": 9}),
        ("ternary", {"radix": 2}),
        ("rate", {"differential": True}),
        ("augmented", {"differential": True}),
        ("radix", {"differential": True}),
    ],
)
def test_codes_refuse_what_has_no_meaning(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--") as caught:
        make_code(name, **options)
    assert caught.value.hint


def test_an_unknown_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="unknown code 'burst'") as caught:
        make_code("burst")
    assert "multithreshold, radix" in str(caught.value.hint)


def test_codes_are_settings_of_one_neuron() -> None:
    rate, ternary, augmented = (make_code(name) for name in ("rate", "ternary", "augmented"))
    assert (rate.max_positive, rate.max_negative) == (1, 0)
    assert (ternary.max_positive, ternary.max_negative) == (1, 1)
    assert (augmented.max_positive, augmented.max_negative) == (4, 4)
    assert all(c.v_init == 0.5 and c.deadband == 0 and c.guard for c in (ternary, augmented))
    literal = make_code("ternary", deadband=1, guard=False)
    assert (literal.deadband, literal.guard) == (1, False)


def test_multithreshold_sends_powers_of_two() -> None:
    code = make_code("multithreshold")
    assert (code.max_positive, code.max_negative, code.select) == (8, 8, "nearest")
    assert code.v_init == 0, "its rules round by themselves"
    changed = make_code("multithreshold", max_payload=64, select="greedy", v_init=0.25, guard=False)
    assert (changed.max_positive, changed.select, changed.v_init) == (64, "greedy", 0.25)
    assert not changed.guard
    assert make_code("multithreshold", differential=True).differential


@pytest.mark.parametrize(
    ("radix", "timesteps", "most"), [(None, 8, 255), (2, 16, 65535), (3, 4, 80)]
)
def test_radix_has_as_many_levels_as_its_digits(
    radix: int | None, timesteps: int, most: int
) -> None:
    code = make_code("radix", radix=radix, timesteps=timesteps)
    assert (code.base, code.max_positive, code.max_negative) == (radix or 2, most, 0)
    assert code.presentations(timesteps) == 1, "a value is sent once"
    assert make_code("rate").presentations(timesteps) == timesteps


FLOAT = {"weight_bits": None}
DIFFERENTIAL = {"differential": True, "code": "ternary", **FLOAT}


@pytest.mark.parametrize(
    "options",
    [
        {**DIFFERENTIAL, "weight_bits": 8},
        {**DIFFERENTIAL, "correction": "light"},
        {**DIFFERENTIAL, "correction": "reconstruct"},
        {**DIFFERENTIAL, "readout_delay": 2},
        {**DIFFERENTIAL, "readout_delay": "auto"},
        {**DIFFERENTIAL, "shift": "step"},
        {**DIFFERENTIAL, "two_phase": "offset"},
        {"code": "radix", "shift": "step"},
        {"code": "radix", "readout_delay": "auto"},
        {"code": "radix", "two_phase": "residual"},
        {"code": "ternary", "two_phase": "offset"},
        {"two_phase": "offset", "shift": "step"},
        {"two_phase": "residual", "readout_delay": 1},
        {"two_phase": "magic"},
        {"two_phase": "offset", "reset": "zero"},
        {"reset": "half"},
        {"shift": "sideways"},
        {"readout_delay": "later"},
    ],
)
def test_what_contradicts_each_other_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        Options(**options)
    assert caught.value.hint


def test_schedules_choose_what_goes_with_them() -> None:
    two_phase = Options(two_phase="offset")
    assert two_phase.make_code(signed=True, graded=True).name == "rate"
    differential = Options(differential=True, code="multithreshold", weight_bits=None)
    assert differential.make_code(signed=True, graded=True).differential
    assert differential.chosen_correction(synthetic=False) == "none"
    delayed = Options(readout_delay=np.int64(3))  # type: ignore[arg-type]
    assert delayed.readout_delay == 3
    assert Options(readout_delay="auto").readout_delay == "auto"


@pytest.mark.parametrize("name", ["light", "advanced", "reconstruct", "none"])
def test_a_correction_is_what_was_asked_for(name: str) -> None:
    for synthetic in (False, True):
        assert Options(correction=name).chosen_correction(synthetic=synthetic) == name


def test_the_default_code_is_the_richest_a_target_takes() -> None:
    options = Options()
    assert options.make_code(signed=True, graded=True).name == "augmented"
    assert options.make_code(signed=True, graded=False).name == "ternary"
    assert options.make_code(signed=False, graded=False).name == "rate"
    assert Options(code="rate").make_code(signed=True, graded=True).name == "rate"


def test_a_reset_is_the_users_or_the_targets_own() -> None:
    assert Options(code="rate").make_code(signed=True, graded=True).reset == "subtract"
    assert Options(code="rate", reset="zero").make_code(signed=True, graded=True).reset == "zero"
    hard = Options().make_code(signed=False, graded=False, resets=("zero",))
    assert (hard.name, hard.reset) == ("rate", "zero")
    with pytest.raises(OptionError, match="--correction advanced"):
        Options(correction="advanced").make_code(signed=False, graded=False, resets=("zero",))


def test_synthetic_data_change_the_default_rule() -> None:
    assert Options().threshold_rule(synthetic=False).name == "mmse"
    assert Options().threshold_rule(synthetic=True).name == "max"
    assert Options(thresholds="percentile").threshold_rule(synthetic=True).name == "percentile"


def test_numbers_of_numpy_become_plain_ones() -> None:
    options = Options(timesteps=np.int64(4), v_init=np.float32(0.5))  # type: ignore[arg-type]
    json.dumps(options.to_json())


@pytest.mark.parametrize("options", [{"timesteps": 8.5}, {"weight_bits": "real"}, {"v_init": "a"}])
def test_what_is_no_number_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="is no number"):
        Options(**options)


def test_float_is_the_word_for_real_weights() -> None:
    assert Options(weight_bits="float") == Options(weight_bits=None)  # type: ignore[arg-type]


def test_unknown_corrections_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown correction 'magic'"):
        Options(correction="magic")
    assert Options().chosen_correction(synthetic=False) == "reconstruct"
    assert Options().chosen_correction(synthetic=True) == "none"
