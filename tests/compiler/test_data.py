"""Data from users: casts that lose nothing are made, everything else is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snnc.compiler.data import load_labels, load_samples, read_arrays, synthetic_samples
from snnc.ir import Add, Graph, Input, TensorType
from snnc.ir.errors import DataError

ONE = Graph([Input(name="image", type=TensorType((2, 3)))], {"y": "image"})
TWO = Graph(
    [
        Input(name="a", type=TensorType((2,))),
        Input(name="b", type=TensorType((2,))),
        Add(name="s", inputs=("a", "b")),
    ],
    {"y": "s"},
)
GOOD = np.arange(12, dtype=np.float32).reshape(2, 2, 3)


@pytest.mark.parametrize("name", ["x", "image"])
def test_one_input_may_be_called_x(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **{name: GOOD})
    np.testing.assert_array_equal(load_samples(path, ONE)["image"], GOOD)
    np.testing.assert_array_equal(load_samples(str(path), ONE)["image"], GOOD)


def test_arrays_and_dicts_serve_too() -> None:
    np.testing.assert_array_equal(load_samples(GOOD, ONE)["image"], GOOD)
    pair = {"a": np.ones((4, 2)), "b": np.zeros((4, 2))}
    assert set(load_samples(pair, TWO)) == {"a", "b"}


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, np.float16, bool])
def test_lossless_casts_are_made(dtype: type) -> None:
    samples = load_samples((GOOD % 2).astype(dtype), ONE)["image"]
    assert samples.dtype == np.float32


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GOOD.astype(np.float64) / 3, "float64 with values that float32 cannot hold"),
        (np.full((1, 2, 3), 2**24 + 1), "float32 cannot hold"),
        (GOOD[:, :, :2], "has shape (2, 2, 2), but input 'image' needs (samples, 2, 3)"),
        (GOOD[0], "has shape (2, 3)"),
        (GOOD[:0], "has no samples"),
        (GOOD.astype(str), "numbers"),
        (GOOD.astype(complex), "numbers"),
        (np.array(1.0), "has shape ()"),
    ],
)
def test_what_does_not_fit_is_refused(array: np.ndarray, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DataError) as caught:
        load_samples(array, ONE, what="calibration data")
    assert message in str(caught.value)
    assert str(caught.value).startswith("calibration data: array 'x'")
    assert caught.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_sample(bad: float) -> None:
    array = np.concatenate([GOOD, GOOD])
    array[3, 1, 1] = bad
    with pytest.raises(DataError, match="NaN or infinity, first in sample 3"):
        load_samples(array, ONE)


def test_a_missing_array_is_named_with_what_is_there() -> None:
    with pytest.raises(DataError, match=r"no array named 'image'; it has \['z'\]") as caught:
        load_samples({"z": GOOD}, ONE)
    assert caught.value.hint == "name the array 'image' or 'x'"
    with pytest.raises(DataError, match="no array named 'b'") as caught:
        load_samples({"a": np.ones((4, 2)), "x": np.ones((4, 2))}, TWO)
    assert caught.value.hint.endswith("always the same, compile with --fix-input b=VALUE")


def test_inputs_must_have_equally_many_samples() -> None:
    with pytest.raises(DataError, match=r"different numbers of samples: \[3, 4\]"):
        load_samples({"a": np.ones((4, 2)), "b": np.ones((3, 2))}, TWO)


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_arrays(tmp_path / "missing.npz")
    for content in (b"", b"text", b"PK\x03\x04broken"):
        path = tmp_path / "bad.npz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is no \.npz file"):
            read_arrays(path)
    np.save(tmp_path / "array.npy", GOOD)
    for path in (tmp_path / "array.npy", tmp_path):
        with pytest.raises(DataError, match=r"is no \.npz file"):
            read_arrays(path)
    np.savez_compressed(path := tmp_path / "damaged.npz", x=np.arange(3000.0))
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * 50 + content[250:])
    with pytest.raises(DataError, match="cannot be read"):
        read_arrays(path)
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read_arrays(tmp_path / "objects.npz")


def test_labels() -> None:
    assert load_labels({"y": np.array([1, 0], np.uint8)}, 2).dtype == np.int64
    for labels, message in (
        (None, "no labels"),
        (np.array([0.0, 1.0]), "labels are float64"),
        (np.array([[0, 1]]), "shape"),
        (np.array([0, 1, 2]), "3 labels for 2 samples"),
    ):
        with pytest.raises(DataError, match=message):
            load_labels({} if labels is None else {"y": labels}, 2)


def test_synthetic_samples_are_fixed_and_within_range() -> None:
    first, again = (synthetic_samples(ONE, {}, seed=3)["image"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (256, 2, 3)
    assert abs(float(first.mean())) < 0.1
    bounded = synthetic_samples(ONE, {"image": (2.0, 3.0)}, seed=3)["image"]
    assert 2 <= bounded.min() < 2.05
    assert 2.95 < bounded.max() <= 3
