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
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options)).replace("_", "-")) as caught:
        Options(**options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("burst", {}),
        ("rate", {"deadband": 0}),
        ("rate", {"guard": False}),
        ("rate", {"max_payload": 4}),
        ("ternary", {"max_payload": 2}),
        ("ternary", {"deadband": 2}),
        ("augmented", {"max_payload": 1}),
        ("augmented", {"max_payload": 128}),
        ("rate", {"v_init": 1.5}),
        ("rate", {"v_init": float("nan")}),
    ],
)
def test_codes_refuse_what_has_no_meaning(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        make_code(name, **options)
    assert caught.value.hint


def test_codes_are_settings_of_one_neuron() -> None:
    rate, ternary, augmented = (make_code(name) for name in ("rate", "ternary", "augmented"))
    assert (rate.max_positive, rate.max_negative) == (1, 0)
    assert (ternary.max_positive, ternary.max_negative) == (1, 1)
    assert (augmented.max_positive, augmented.max_negative) == (4, 4)
    assert all(c.v_init == 0.5 and c.deadband == 0 and c.guard for c in (ternary, augmented))
    literal = make_code("ternary", deadband=1, guard=False)
    assert (literal.deadband, literal.guard) == (1, False)


def test_the_default_code_is_the_richest_a_target_takes() -> None:
    options = Options()
    assert options.make_code(signed=True, graded=True).name == "augmented"
    assert options.make_code(signed=True, graded=False).name == "ternary"
    assert options.make_code(signed=False, graded=False).name == "rate"
    assert Options(code="rate").make_code(signed=True, graded=True).name == "rate"


def test_synthetic_data_change_the_default_rule() -> None:
    assert Options().threshold_rule(synthetic=False).name == "mmse"
    assert Options().threshold_rule(synthetic=True).name == "max"
    assert Options(thresholds="percentile").threshold_rule(synthetic=True).name == "percentile"


def test_numbers_of_numpy_become_plain_ones() -> None:
    options = Options(timesteps=np.int64(4), v_init=np.float32(0.5))  # type: ignore[arg-type]
    json.dumps(options.to_json())


@pytest.mark.parametrize("options", [{"timesteps": 8.5}, {"weight_bits": "float"}, {"v_init": "a"}])
def test_what_is_no_number_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="is no number"):
        Options(**options)


def test_unknown_corrections_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown correction 'magic'"):
        Options(correction="magic")
    assert Options().chosen_correction(synthetic=False) == "reconstruct"
    assert Options().chosen_correction(synthetic=True) == "none"
