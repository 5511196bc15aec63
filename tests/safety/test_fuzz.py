"""Damaged models and artifacts end in an error of snnc: a fixed number of them, each its own."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.compiler.nir_import import NirOptions
from snnc.compiler.nir_import import load as load_nir
from snnc.compiler.onnx_import import examine
from snnc.ir.errors import SnncError
from snnc.ir.storage import from_document, read_arrays, read_json

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.fuzz.__main__ import FAILURES, run_block
from examples.benchmarks.fuzz.inputs import ROOT, SEEDS
from examples.benchmarks.fuzz.mutations import damaged_bytes, damaged_structure

needs_h5py = pytest.mark.skipif(
    find_spec("h5py") is None, reason="networks in NIR files are among the inputs: extra nir"
)
CORPUS = ROOT / "examples" / "benchmarks" / "fuzz" / "corpus"
MODELS = {name: (ROOT / name).read_bytes() for name in SEEDS}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False), st.booleans())
def test_models_damaged_by_hypothesis(
    tmp_path_factory: pytest.TempPathFactory, name: str, random: Random, structure: bool
) -> None:
    damage = damaged_structure if structure else damaged_bytes
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(damage(MODELS[name], Random(random.getrandbits(32))))
    try:
        found = examine(path)
    except SnncError as error:
        problems = error.problems
    else:
        problems = tuple(entry.problem for entry in found.unsupported)
    assert all(problem.message and problem.hint for problem in problems)


def fuzz(first: int, end: int) -> None:
    found = run_block(first, end)
    assert [each["number"] for each in found] == list(range(first, end))
    failures = [each for each in found if each["outcome"] in FAILURES]
    assert failures == []
    counts = Counter(each["outcome"] for each in found)
    assert counts["refused"] > counts["read"] > 0


@needs_h5py
def test_a_few_inputs_in_a_process_of_their_own() -> None:
    fuzz(0, 200)


@needs_h5py
@pytest.mark.slow
def test_some_thousand_inputs() -> None:
    fuzz(200, 2200)


def test_the_stored_corpus() -> None:
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    assert len(files) > 20
    for path in files:
        with suppress(SnncError):
            if path.parent.name == "model":
                examine(path)
            elif path.parent.name == "arrays":
                read_arrays(path)
            elif path.parent.name == "network":
                load_nir(path, NirOptions())
            else:
                from_document(read_json(path), {})
