"""Static post-training quantisation of a float model, by ONNX Runtime's quantiser.

It puts QuantizeLinear and DequantizeLinear around the operators: weights get one scale an
output channel and no zero point, activations the range they have on the calibration samples
(Jacob et al., CVPR 2018). The result is a quantised ANN like any other's; it only approximates
the float model, and the report says so. What is quantised is the cleaned model: normalisations
folded into the layers before them, constants elsewhere left in float.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ..backends.onnx_runtime.library import load_onnxruntime
from ..backends.writing import writing
from ..ir import Staircase
from ..ir.errors import DataError, ModelError, OptionError
from ..ir.storage import MAX_ELEMENTS
from .data import Samples, Source, load_samples
from .passes.fold_affine import fold_into_sources

if TYPE_CHECKING:
    from onnx import ModelProto

    from .onnx_import import ImportedModel

WIDTHS = (4, 8)
"""Bits that ONNX Runtime's quantiser can give both weights and activations."""

MOST = 512
"""Calibration samples that are used."""

BATCH = 32


def quantized(
    imported: ImportedModel, calibration: Source | None, bits: int
) -> tuple[ImportedModel, str]:
    """Return a float model quantised, as if its file had been, and what the report says of it.

    Args:
        imported: The float model.
        calibration: Calibration samples.
        bits: Width of weights and activations, one of ``WIDTHS``.

    Raises:
        DataError: There are no calibration samples, or they do not fit the model.
        OptionError: The model is quantised already, or recurrent.
        ModelError: ONNX Runtime's quantiser cannot quantise it.
    """
    from ..backends.onnx_runtime import to_onnx
    from .onnx_import import load

    if imported.graph.feedback:
        raise OptionError(
            f"--quantize {bits}: ONNX Runtime's quantiser does not look into recurrent layers",
            hint="take --approximate, which quantises all that is not to 8 bits",
        )
    if calibration is None:
        raise without_samples(bits)
    samples = {
        name: x[:MOST].astype(np.float32)
        for name, x in load_samples(calibration, imported.graph, what="calibration data").items()
    }
    rounding = imported.graph.of_type(Staircase)
    if rounding:
        raise OptionError(
            f"--quantize {bits}: the model is quantised already, at {rounding[0].name!r}",
            hint="leave --quantize out",
        )
    clean = fold_into_sources(imported.graph)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "quantized.onnx"
        try:
            with writing(folder):
                _quantize(to_onnx(clean), path, samples, bits)
        except OSError:
            raise
        except Exception as error:  # of any class: the quantiser checks little
            raise ModelError(
                f"ONNX Runtime's quantiser failed: {error}",
                hint=("take a newer ONNX Runtime, or --quantize 8, or " if bits < 8 else "")
                + "quantise the model yourself, and compile the quantised file",
            ) from error
        graph = load(path, MAX_ELEMENTS).graph  # of values that were allowed already
    count = len(next(iter(samples.values())))
    return replace(imported, graph=graph), (
        f"the model was quantised to {bits} bits after training, by ONNX Runtime on {count} "
        "calibration samples"
    )


def without_samples(bits: int) -> DataError:
    """Return the refusal to quantise where no calibration samples are."""
    return DataError(
        f"--quantize {bits} needs calibration data, to measure the ranges of activations",
        hint="give real training samples with --calibration X.npz",
    )


def _quantize(model: ModelProto, path: Path, samples: Samples, bits: int) -> None:
    load_onnxruntime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            count = len(next(iter(samples.values())))
            self.batches = iter(
                {name: x[i : i + BATCH] for name, x in samples.items()}
                for i in range(0, count, BATCH)
            )

        def get_next(self) -> Samples | None:
            return next(self.batches, None)

    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        node.name = node.output[0]
    arithmetic = [
        node.name
        for node in model.graph.node
        if node.op_type in ("Add", "Mul") and constants & set(node.input)
    ]
    kind = QuantType.QInt8 if bits == 8 else QuantType.QInt4
    with _silent_logging():
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=kind,
            weight_type=kind,
            per_channel=True,
            nodes_to_exclude=arithmetic,
            extra_options={"WeightSymmetric": True},
        )


@contextmanager
def _silent_logging() -> Iterator[None]:
    """Keep the quantiser's advice away from the terminal; it would also install a handler."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], logging.root.manager.disable
    root.addHandler(logging.NullHandler())
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
        root.handlers[:] = handlers
