"""What the importer says to one test: a match, a mismatch, a refusal or a crash."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGALRM, alarm, signal
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto, version_converter

from examples.benchmarks.coverage.cases import TOLERANCE, Case, Form
from snnc.compiler.onnx_import import ImportedModel, load
from snnc.compiler.onnx_import.file import read
from snnc.compiler.partition import whole_on_host
from snnc.ir import Array, Input
from snnc.ir.errors import SnncError
from snnc.ir.reference import evaluate

Status = Literal["match", "host", "refused", "mismatch", "crash", "hang"]

LIMIT = 20
"""Seconds for one test; longer is called a hang."""

UPGRADED = 13
"""The opset that older files are converted to, as the error for them says."""

_WORST: tuple[Status, ...] = ("crash", "hang", "mismatch", "match", "host", "refused")


@dataclass(frozen=True)
class Answer:
    """What was said to one test.

    Attributes:
        name: Of the test.
        kind: As in ``Case``.
        operator: As in ``Case``.
        status: The worst of all its forms; ``host`` where none is imported, but a host region
            gives the expected output; refused where that cannot be either.
        reasons: Why it is not imported, of each form once; or where it crashed or differs.
        forms: How many forms were tried.
    """

    name: str
    kind: str
    operator: str
    status: Status
    reasons: tuple[str, ...]
    forms: int


class _HangError(BaseException):
    """No ``Exception``, so that nothing on the way handles it."""


def answer(case: Case, folder: Path) -> Answer:
    """Put all forms of a test to the importer."""
    found: list[tuple[Status, tuple[str, ...]]] = []
    try:
        with _deadline():
            found.extend(_try(form, folder) for form in case.forms())
    except _HangError:
        found.append(("hang", (f"no answer within {LIMIT} s",)))
    status = next(status for status in _WORST if any(status == s for s, _ in found))
    told = dict.fromkeys(reason for s, reasons in found if s == status for reason in reasons)
    return Answer(case.name, case.kind, case.operator, status, tuple(told), len(found))


@contextmanager
def _deadline() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise _HangError

    before = signal(SIGALRM, give_up)
    alarm(LIMIT)
    try:
        yield
    finally:
        alarm(0)
        signal(SIGALRM, before)


def _try(form: Form, folder: Path) -> tuple[Status, tuple[str, ...]]:
    path = folder / "model.onnx"
    try:
        onnx.save(_recent(form.model), path)
    except (RuntimeError, version_converter.ConvertError) as error:
        return "refused", (f"onnx cannot convert it to opset {UPGRADED}: {first_line(error)}",)
    try:
        imported = load(path)
        return _compared(imported, form)
    except SnncError as error:
        reasons = tuple(generalised(p.message, str(path)) for p in error.problems)
    except Exception as error:  # of any class: that is what is looked for
        return "crash", (place_of(error),)
    try:
        return ("host" if _runs_on_host(path, form) else "refused"), reasons
    except SnncError:
        return "refused", reasons
    except Exception as error:
        return "crash", (place_of(error),)


def _recent(model: ModelProto) -> ModelProto:
    old = [e for e in model.opset_import if e.domain in ("", "ai.onnx") and e.version < 7]
    return version_converter.convert_version(model, UPGRADED) if old else model


def _compared(imported: ImportedModel, form: Form) -> tuple[Status, tuple[str, ...]]:
    given = dict(zip(_inputs(form), form.inputs, strict=True))
    if imported.unbatched:  # all of it is one sample
        shapes = {node.name: node.type.shape for node in imported.graph.of_type(Input)}
        given = {n: x.reshape(1, *shapes[n]) for n, x in given.items() if n in shapes}
    values = evaluate(imported.graph, given)
    for output, wanted in zip(form.model.graph.output, form.wanted, strict=True):
        found = read_out(values[imported.graph.outputs[output.name]], output.name, imported)
        if found.size != wanted.size:
            return "mismatch", (f"shape {found.shape}, expected {wanted.shape}",)
        found = found.reshape(wanted.shape)
        if np.array_equal(found, wanted, equal_nan=True):
            continue  # also where values are infinite
        error = np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30)
        if not error <= TOLERANCE:
            return "mismatch", (f"differs by {error:.1e} of the largest value",)
    return "match", ()


def _inputs(form: Form) -> list[str]:
    constants = {tensor.name for tensor in form.model.graph.initializer}
    return [v.name for v in form.model.graph.input if v.name not in constants]


def _runs_on_host(path: Path, form: Form) -> bool:
    """Whether a host region that holds all nodes gives what is expected."""
    part = whole_on_host(path, read(path))
    values = {n: np.asarray(x)[None] for n, x in zip(_inputs(form), form.inputs, strict=True)}
    found = part.run(values)
    wanted = zip(part.region.outputs, form.wanted, strict=True)
    return all(_close(found[name][0], array) for name, array in wanted)


def _close(found: Array, wanted: Array) -> bool:
    if found.shape != wanted.shape or np.array_equal(found, wanted):
        return found.shape == wanted.shape
    largest = float(np.nanmax(np.abs(wanted), initial=0.0))
    close = np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * largest, equal_nan=True)
    return bool(close)


def read_out(values: Array, output: str, imported: ImportedModel) -> Array:
    """Apply the read-out operators that the import has cut off."""
    shape = values.shape
    if values[0].size == max(shape[1:]):  # nothing stands beside the classes
        values = values.reshape(len(values), -1)
    for cut in imported.cut:
        if cut.output != output:
            continue
        if cut.operator == "ArgMax":
            values = values.argmax(1)
        else:
            powers = np.exp(values - values.max(1, keepdims=True))
            values = powers / powers.sum(1, keepdims=True)
            values = np.log(values) if cut.operator == "LogSoftmax" else values
    return values.reshape(shape) if values.size == np.prod(shape) else values


def generalised(message: str, path: str = "") -> str:
    """Return an error message without what is of this model only: names and numbers."""
    text = (message.replace(f"{path}: ", "") if path else message).splitlines()[0]
    text = re.sub(r"^.*?: operator ", "operator ", text)
    text = re.sub(r"'[^']*'", "'...'", text)
    return re.sub(r"\d+(, *\d+)*", "N", text)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def place_of(error: BaseException) -> str:
    """Return what was raised, and where in snnc."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if not {"examples", "site-packages"} & {*Path(f.filename).parts}]
    last = inside[-1] if inside else frames[-1]
    where = "/".join(Path(last.filename).parts[-2:])
    return f"{type(error).__name__} in {where}, {last.name}: {first_line(error)}"
