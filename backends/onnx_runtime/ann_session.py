"""Runs an ANN in ONNX Runtime, a few samples at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from onnx import ModelProto

from ...ir import Array, Graph
from ...ir.errors import DataError, ExecutionError, ModelError
from ..base import Rows
from .ann_export import to_onnx
from .library import load_onnxruntime
from .limits import deadline, share_bounded_memory

_SEVERITY_FATAL = 4  # errors reach the user as exceptions, not as lines on standard error

KINDS: Mapping[str, Any] = MappingProxyType(
    {
        "tensor(bool)": np.bool_,
        "tensor(double)": np.float64,
        "tensor(float)": np.float32,
        "tensor(float16)": np.float16,
        **{f"tensor({name})": np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
        **{f"tensor({name})": np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64")},
    }
)
"""What ONNX Runtime calls the types of its inputs."""


class AnnSession:
    """An ANN loaded into ONNX Runtime.

    Args:
        model: A graph of real signals, or an ONNX model; one in serialized form may be any
            file's content.
        extra: For a graph, the names of nodes whose values are wanted beside the outputs.
        alone: Whether nothing else runs between its batches, and these are many: threads wait for
            the next one without sleeping, and memory is laid out anew after the first.
        threads: How many threads share an operator; None leaves that to ONNX Runtime.
        workers: How many threads ``look`` has, each with samples of its own: they wait for each
            other once a batch, not at every operator. Further cores help any of them.
        apart: Values of constants that the model only names (``to_onnx``).
        bounded: Whether it takes ``limits.MOST_MEMORY`` at most, together with all others that are.

    Raises:
        ModelError: ONNX Runtime does not accept the model.
    """

    def __init__(
        self,
        model: Graph | ModelProto | bytes,
        *,
        extra: Iterable[str] = (),
        alone: bool = True,
        threads: int | None = None,
        workers: int = 1,
        apart: Mapping[str, Array] | None = None,
        bounded: bool = False,
    ) -> None:
        self._workers = workers
        self._apart = dict(apart or {})  # the session reads these arrays as they stand
        if isinstance(model, Graph):
            model = to_onnx(model, extra=extra, apart=self._apart)
        content = model if isinstance(model, bytes) else model.SerializeToString()
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _SEVERITY_FATAL
        options.add_session_config_entry("session.force_spinning_stop", str(int(not alone)))
        # What begins like a file of its own format was checked as ONNX, and nothing else is read.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.enable_mem_pattern = alone  # it pays off after many batches only
        if not alone:  # what reads an activation comes while a cache still holds it
            options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        helpers = max(0, (os.cpu_count() or 1) - workers)
        options.intra_op_num_threads = threads or (0 if workers == 1 else 1 + helpers)
        if self._apart:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(x) for x in self._apart.values()]
            options.add_external_initializers(list(self._apart), values)
        if bounded:
            share_bounded_memory()
            options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base class
            raise ModelError(
                f"ONNX Runtime does not accept the model: {error}", hint="export the model again"
            ) from error
        self.inputs: Mapping[str, tuple[int | None, ...]] = MappingProxyType(
            {node.name: _sizes(node.shape) for node in self._session.get_inputs()}
        )
        self.outputs: tuple[str, ...] = tuple(o.name for o in self._session.get_outputs())
        self._kinds = {n.name: KINDS.get(n.type, np.float32) for n in self._session.get_inputs()}

    def run(self, inputs: Mapping[str, Rows], *, batch: int = 64) -> dict[str, Array]:
        """Compute all outputs of all samples.

        Args:
            inputs: For each input's name, samples ``(samples, *shape)``.
            batch: How many samples to compute at once.

        Returns:
            For each output's name, ``(samples, *shape)``, float32.

        Raises:
            DataError: An input is missing, or does not fit the model.
            ExecutionError: ONNX Runtime failed.
        """
        parts = list(self.stream(inputs, batch=batch))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.outputs}

    def stream(self, inputs: Mapping[str, Rows], *, batch: int = 64) -> Iterator[dict[str, Array]]:
        """Compute all outputs, ``batch`` samples at a time, so that little is held in memory.

        Args:
            inputs: As for ``run``.
            batch: As for ``run``.

        Yields:
            For each output's name, ``(<= batch, *shape)``, float32.

        Raises:
            DataError: An input is missing, or does not fit the model.
            ExecutionError: ONNX Runtime failed.
        """
        samples = self._samples(inputs)
        for start in range(0, max(samples, 1), batch):  # no samples: once, for the shapes
            feed = self._feed(inputs, slice(start, start + batch))
            with _failing():
                values = self._session.run(None, feed)
            yield dict(zip(self.outputs, values, strict=True))

    def look(self, inputs: Mapping[str, Rows], *, batch: int = 64) -> Iterator[dict[str, Array]]:
        """Compute all outputs as ``stream`` does, in memory that the next batch overwrites.

        Args:
            inputs: As for ``run``.
            batch: As for ``run``.

        Yields:
            For each output's name, ``(<= batch, *shape)``, float32.

        Raises:
            DataError: An input is missing, or does not fit the model.
            ExecutionError: ONNX Runtime failed.
        """
        sizes: dict[str, list[int]] = {
            node.name: [size for size in node.shape[1:] if isinstance(size, int)]
            for node in self._session.get_outputs()
        }
        if any(len(sizes[n.name]) < len(n.shape) - 1 for n in self._session.get_outputs()):
            yield from self.stream(inputs, batch=batch)
            return
        samples = self._samples(inputs)
        batch = min(batch, max(samples, 1))
        memory = {name: np.empty((batch, *shape), np.float32) for name, shape in sizes.items()}
        shares = [_Share(self._session) for _ in range(min(self._workers, batch))]
        with ThreadPoolExecutor(len(shares)) as pool:
            for start in range(0, max(samples, 1), batch):
                feed = self._feed(inputs, slice(start, start + batch))
                count = len(next(iter(feed.values())))
                found = {name: array[:count] for name, array in memory.items()}
                borders = [count * share // len(shares) for share in range(len(shares) + 1)]
                parts = [slice(*ends) for ends in pairwise(borders) if ends[0] < ends[1]]
                with _failing():
                    run = partial(_Share.run, feed=feed, found=found)
                    list(pool.map(run, shares, parts or [slice(0)]))
                yield found

    def run_once(
        self, inputs: Mapping[str, Array], *, seconds: float | None = None
    ) -> dict[str, Any]:
        """Compute all outputs of one batch as it stands, of inputs of any type and shape.

        Args:
            inputs: For each input's name its tensor, batch axis included; cast to the input's type.
            seconds: Longest that it may take; looked at between two operators. None for any time.

        Raises:
            ExecutionError: ONNX Runtime failed.
        """
        feed = {
            name: np.ascontiguousarray(inputs[name]).astype(kind, copy=False)
            for name, kind in self._kinds.items()
        }
        with _failing(), deadline(seconds) as options:
            values = self._session.run(None, feed, options)
        return dict(zip(self.outputs, values, strict=True))

    def _feed(self, inputs: Mapping[str, Rows], part: slice) -> dict[str, Array]:
        return {name: np.ascontiguousarray(inputs[name][part], np.float32) for name in self.inputs}

    def _samples(self, inputs: Mapping[str, Rows]) -> int:
        """Check the inputs and return how many samples they hold."""
        for name, sizes in self.inputs.items():
            if name not in inputs:
                raise DataError(f"input {name!r}: is missing", hint="give an array of that name")
            shape = inputs[name].shape
            fits = len(shape) == len(sizes) and all(
                want in (None, got) for want, got in zip(sizes[1:], shape[1:], strict=True)
            )
            if not fits:
                raise DataError(
                    f"input {name!r}: the model needs samples of {sizes[1:]} but got {shape[1:]}",
                    hint="give an array with the batch axis first",
                )
        counts = {name: len(inputs[name]) for name in self.inputs}
        if len(set(counts.values())) > 1:
            raise DataError(
                f"the inputs have different numbers of samples: {counts}",
                hint="give the same number of samples for each input",
            )
        return next(iter(counts.values()))


class _Share:
    """What one thread computes: a part of every batch."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._bound: slice | None = None

    def run(self, part: slice, feed: Mapping[str, Array], found: Mapping[str, Array]) -> None:
        """Compute all outputs of a part of the samples, into the memory of ``found``."""
        for name, array in feed.items():
            self._binding.bind_cpu_input(name, array[part])
        for name, array in found.items() if part != self._bound else ():
            own = array[part]
            self._binding.bind_output(name, "cpu", 0, np.float32, own.shape, own.ctypes.data)
        self._bound = part
        self._session.run_with_iobinding(self._binding)


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # its exceptions have no common base class
        raise ExecutionError(f"ONNX Runtime failed: {error}", hint="try a smaller batch") from error


def _sizes(shape: Iterable[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)
