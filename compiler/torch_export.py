"""From a torch module to an ONNX file that is checked to compute the same.

Both exporters of ``torch.onnx`` trace: the new one (``dynamo=True``, where the package onnxscript
is installed) symbolically, the old one by running the module once. What a trace loses it loses
silently: a branch that depends on the data, a batch size taken as a number, state that the module
keeps from one call to the next. So the file is run in ONNX Runtime on a batch of another size, of
other values, and compared with the module.

Everything is done on copies of the module: its weights, state and gradients stay as they were.
``torch`` is imported when a module is given, and not before.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..backends.onnx_runtime.library import load_onnxruntime
from ..ir import Array
from ..ir.errors import MissingDependencyError, ModelError, OptionError

TOLERANCE = 1e-2
"""Euclidean distance of the outputs, of the norm of the module's.

Far above what the order of float32 sums makes, also where a quantiser inside then rounds a few
values the other way; a lost branch, batch or state is far above it.
"""

OPSET = 17
"""What the old exporter writes; it knows none newer than 20, and this one has everything."""

CHECKED = 3
"""Samples that the file is compared on: another number than it is exported with."""


@contextmanager
def as_file(model: Any, example: Any) -> Iterator[str | PathLike[str]]:
    """Give the ONNX file of a model for as long as it is needed.

    Args:
        model: The path of an ONNX file, which is handed on, or a torch module.
        example: Of a module, its example input: a tensor or an array, batch axis first, or a
            tuple of them.

    Yields:
        The path; of a module, that of a temporary file named after its class.

    Raises:
        MissingDependencyError: It is no path, and torch is not installed.
        OptionError: It is neither a path nor a module, or the example does not go with it.
        ModelError: The module cannot be exported.
    """
    if isinstance(model, (str, PathLike)):
        if example is not None:
            raise OptionError(
                "example input: the model is a file, which needs none",
                hint="leave it out; calibration data are given as calibration=",
            )
        yield model
        return
    torch = _torch(model)
    if not isinstance(model, torch.nn.Module):
        raise OptionError(
            f"model: is of type {type(model).__name__}, neither a path nor a torch module",
            hint="give the path of an ONNX file, or a torch.nn.Module",
        )
    with TemporaryDirectory(prefix="snnc-torch-") as folder:
        path = Path(folder) / f"{type(model).__name__}.onnx"
        export(model, example, path)
        yield path


def export(module: Any, example: Any, path: Path) -> None:
    """Write a torch module as an ONNX file whose batch may have any size.

    Args:
        module: A ``torch.nn.Module`` in evaluation mode.
        example: Its input: a tensor or an array, batch axis first, or a tuple of them.
        path: Where to.

    Raises:
        MissingDependencyError: torch is not installed.
        OptionError: There is no example, or one that is no batch.
        ModelError: The module is in training mode, cannot be copied or exported, or the file
            does not compute what it does.
    """
    torch = _torch(module)
    name = type(module).__name__
    inputs = _inputs(torch, name, example)
    if training := [key for key, part in module.named_modules() if part.training]:
        where = f" ({training[0]!r})" if training[0] else ""
        raise ModelError(
            f"{name}: is in training mode{where}, in which normalisation and dropout differ",
            hint="call module.eval() before compiling",
        )
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copied = copy.deepcopy(module)
            wanted, again = (copied(*(_other(x) for x in inputs)) for _ in range(2))
    except Exception as error:  # of any class: it is the user's module
        raise ModelError(
            f"{name}: cannot be copied and run on the example input: {_line(error)}",
            hint="call the module on the example input first; detach state it keeps between calls",
        ) from error
    names = _argument_names(module, len(inputs))
    outputs, repeated = (_named(torch, name, values, names) for values in (wanted, again))
    for key, value in outputs.items():
        if not np.array_equal(repeated[key], value, equal_nan=True):
            raise ModelError(
                f"{name}: {key!r} is another one when the module is called again: it keeps state, "
                "which an exported file loses, or is random",
                hint="reset the state in forward, or make it an input and an output",
            )
    _export(torch, copy.deepcopy(module), inputs, list(outputs), path)
    feed = {key: _other(x).cpu().numpy() for key, x in zip(names, inputs, strict=True)}
    _compare(name, path, feed, outputs)


def _torch(model: Any) -> Any:
    try:
        import torch
    except ImportError as error:
        what = f"a model of type {type(model).__name__}"
        raise MissingDependencyError(what, package="torch", extra="torch") from error
    return torch


def _inputs(torch: Any, name: str, example: Any) -> tuple[Any, ...]:
    """Return the example as a tuple of tensors of two samples or more.

    A batch of one is a constant to the new exporter.
    """
    if example is None:
        raise OptionError(
            f"{name}: a torch module needs an example input",
            hint="give one batch: snnc.compile(module, example_input)",
        )
    parts = example if isinstance(example, (tuple, list)) else (example,)
    tensors = [torch.as_tensor(part).detach() for part in parts]
    if not tensors or any(x.ndim < 2 or not len(x) for x in tensors):
        raise OptionError(
            f"{name}: the example input needs a batch axis, at least one more, and a sample",
            hint="put the batch axis in front, as in x[None]",
        )
    return tuple(torch.cat([x, x]) if len(x) == 1 else x for x in tensors)


def _other(x: Any) -> Any:
    """Return samples that hold the values of an example in another order."""
    order = np.random.default_rng(0).permutation(x.numel())
    places = np.resize(order, (CHECKED, x[0].numel()))
    return x.flatten()[places.flatten().tolist()].reshape(CHECKED, *x.shape[1:])


def _named(torch: Any, name: str, outputs: Any, taken: Sequence[str]) -> dict[str, Array]:
    """Return a module's outputs by name: its own where it gives a dict, none of those taken."""
    if isinstance(outputs, torch.Tensor):
        found = {"output": outputs}
    elif isinstance(outputs, Mapping):
        found = dict(outputs)
    elif isinstance(outputs, (tuple, list)):
        found = {f"output_{place}": value for place, value in enumerate(outputs)}
    else:
        found = {}
    if not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ModelError(
            f"{name}: gives {type(outputs).__name__}, not tensors",
            hint="wrap it in a module that gives a tensor, a tuple or a dict of tensors",
        )
    names = {key: f"{key}_output" if key in taken else str(key) for key in found}
    return {names[key]: value.detach().cpu().numpy() for key, value in found.items()}


def _argument_names(module: Any, count: int) -> list[str]:
    """Return the names of the first arguments of ``forward``."""
    named = inspect.Parameter.POSITIONAL_OR_KEYWORD
    try:
        given = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a compiled forward may have none
        given = {}.values()
    names = [parameter.name for parameter in given if parameter.kind is named][:count]
    return names if len(names) == count else [f"input_{place}" for place in range(count)]


def _export(
    torch: Any, module: Any, inputs: tuple[Any, ...], outputs: list[str], path: Path
) -> None:
    """Export with the new exporter where it is there, else or where it fails with the old one."""
    names = _argument_names(module, len(inputs))
    common: dict[str, Any] = {"input_names": names, "output_names": outputs, "verbose": False}
    batch = {name: {0: "batch"} for name in names}
    ways: list[dict[str, Any]] = [
        {"dynamo": False, "opset_version": OPSET, "dynamic_axes": batch | _batches(outputs)}
    ]
    if find_spec("onnxscript") is not None:
        shapes = tuple({0: torch.export.Dim("batch")} for _ in inputs)
        ways.insert(0, {"dynamo": True, "dynamic_shapes": shapes, "external_data": False})
    failures = []
    for way in ways:
        failure = _failure(torch, module, inputs, path, common | way)
        if failure is None:
            return
        failures.append(failure)
    said = "; ".join(_line(error) for error in failures)
    raise ModelError(
        f"{type(module).__name__}: torch.onnx cannot export it: {said}",
        hint="replace what it cannot export, or export it yourself and compile the file",
    ) from failures[-1]


def _failure(
    torch: Any, module: Any, inputs: tuple[Any, ...], path: Path, options: Mapping[str, Any]
) -> Exception | None:
    """Export; return what went wrong, if anything."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters warn about themselves
            torch.onnx.export(module, inputs, str(path), **options)
    except Exception as error:  # of any class: it runs the user's module
        return error
    return None


def _batches(names: Sequence[str]) -> dict[str, dict[int, str]]:
    return {name: {0: "batch"} for name in names}


def _compare(
    name: str, path: Path, inputs: Mapping[str, Array], wanted: Mapping[str, Array]
) -> None:
    """Refuse a file that does not compute what the module does."""
    onnxruntime = load_onnxruntime()
    hint = (
        "keep the batch size, branches and state out of what is computed: no numbers taken from "
        "shapes, no `if` on values, state reset at each call"
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        providers = ["CPUExecutionProvider"]
        session: Any = onnxruntime.InferenceSession(str(path), options, providers=providers)
        read = {value.name for value in session.get_inputs()}  # an unused input is dropped
        feed = {key: x for key, x in inputs.items() if key in read}
        found = dict(zip(wanted, session.run(list(wanted), feed), strict=True))
    except Exception as error:  # ONNX Runtime raises a dozen classes
        message = f"{name}: the exported file cannot run on a batch of {CHECKED}: {_line(error)}"
        raise ModelError(message, hint=hint) from error
    for key, value in wanted.items():
        shapes = f"{found[key].shape} in the file, {value.shape} in the module"
        if found[key].shape != value.shape:
            raise ModelError(f"{name}: {key!r} has shape {shapes}", hint=hint)
        off = float(np.linalg.norm(np.subtract(found[key], value, dtype=np.float64)))
        size = float(np.linalg.norm(value.astype(np.float64)))
        if not off <= TOLERANCE * size:
            raise ModelError(
                f"{name}: {key!r} of the exported file differs from the module's by "
                f"{off / max(size, 1e-30):.1%} of its norm",
                hint=hint,
            )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
