"""The bounds: how fast this machine multiplies matrices, and the ANN itself in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from snnc.backends.onnx_runtime.library import load_onnxruntime
from snnc.ir import Array

SIDE = 2048
"""Of the square matrices: too large for the cache, as those of a large layer."""

OPSET = 17


def numpy_product(job: Job, *, precision: str) -> Prepared:
    """Multiply matrices of random numbers with NumPy."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE)).astype(precision) for _ in range(2))
    out = np.empty_like(a)
    return _product(lambda: np.matmul(a, b, out=out))


def float_product(job: Job) -> Prepared:
    """Multiply matrices of float32 with ONNX Runtime."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE)).astype(np.float32) for _ in range(2))
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT)
    return _operator("MatMul", kinds, a, b, job.threads)


def integer_product(job: Job) -> Prepared:
    """Multiply unsigned by signed bytes with ONNX Runtime, summed in 32 bits."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
    b = rng.integers(-128, 128, (SIDE, SIDE), np.int8)
    kinds = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)
    return _operator("MatMulInteger", kinds, a, b, job.threads)


def _operator(name: str, kinds: tuple[int, int, int], a: Array, b: Array, threads: int) -> Prepared:
    # B is a constant, as weights are: the product may arrange it beforehand.
    sides = [
        helper.make_tensor_value_info(edge, kind, [SIDE, SIDE])
        for edge, kind in (("a", kinds[0]), ("product", kinds[2]))
    ]
    weight = helper.make_tensor("b", kinds[1], b.shape, b.tobytes(), raw=True)
    node = helper.make_node(name, ["a", "b"], ["product"])
    graph = helper.make_graph([node], name, sides[:1], sides[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    session = _session(model.SerializeToString(), threads)
    return _product(lambda: session.run(None, {"a": a}))


def _product(run: Callable[[], Any]) -> Prepared:
    return Prepared(run, lambda _: Outcome(operations=2.0 * SIDE**3))


def dense(job: Job) -> Prepared:
    """Run the ANN on a batch: one dense step of every layer."""
    session = _session(job.network.model.read_bytes(), job.threads)
    name = session.get_inputs()[0].name
    x, _ = job.network.test_samples(job.batch)

    def describe(outputs: list[Array]) -> Outcome:
        return Outcome(float(len(x)), outputs=outputs[0], note="one image is one image-step")

    return Prepared(lambda: session.run(None, {name: x}), describe)


def _session(model: bytes, threads: int) -> Any:
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
