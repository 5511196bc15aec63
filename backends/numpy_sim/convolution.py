"""Convolution of frames of payloads: ONNX Runtime where float32 is exact, NumPy otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...ir import Array, Conv
from ...ir.reference import padded

Precision = type[np.float32] | type[np.float64]

Multiplication = Callable[[Array], Array]
"""From frames ``(frames, *in_shape)`` to currents ``(frames, *out_shape)``."""

COLUMNS = 1 << 20
"""Elements of the matrix that a convolution unrolls at once: it should stay in the cache."""

SESSION = 1 << 19
"""Elements of the frames that ONNX Runtime is given at once: its copies take memory as well."""

OPSET = 17


def convolution(node: Conv, precision: Precision) -> Multiplication:
    """Return the product of a convolution's weights with frames, without copies or bias.

    In float32 it is a session of ONNX Runtime, which runs on one thread (the simulator runs
    blocks of samples side by side). Its kernel adds in an order of its own, which is exact
    where every partial sum is an integer below 2**24.
    """
    if precision is np.float32:
        return _session(node)
    return unrolled(node, precision)


def _session(node: Conv) -> Multiplication:
    from ..onnx_runtime.library import load_onnxruntime

    onnxruntime = load_onnxruntime()
    from onnx import TensorProto, helper, numpy_helper

    out, _, *kernel = node.weight.shape
    operator = helper.make_node(
        "Conv",
        ["frames", "weight"],
        ["currents"],
        kernel_shape=kernel,
        strides=node.stride,
        pads=node.padding,
        dilations=node.dilation,
        group=node.groups,
    )
    channels = node.weight.shape[1] * node.groups
    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size, None, None])
        for name, size in (("frames", channels), ("currents", out))
    ]
    weight = numpy_helper.from_array(node.weight.astype(np.float32), "weight")
    graph = helper.make_graph([operator], "synapse", sides[:1], sides[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # each session would keep its largest block
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def multiply(frames: Array) -> Array:
        each = max(1, SESSION // (frames[0].size * max(1, out // channels)))
        result: Array | None = None
        for begin in range(0, len(frames), each):
            (part,) = session.run(None, {"frames": frames[begin : begin + each]})
            if result is None:
                if len(part) == len(frames):
                    return np.asarray(part)
                result = np.empty((len(frames), *part.shape[1:]), part.dtype)
            result[begin : begin + each] = part
        assert result is not None
        return result

    return multiply


def unrolled(node: Conv, precision: Precision) -> Multiplication:
    """Return the convolution as products of matrices: of windows side by side, and filters."""
    out, per_group, *kernel = node.weight.shape
    filters = node.weight.reshape(node.groups, out // node.groups, -1).astype(precision)
    span = [node.dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]

    def multiply(frames: Array) -> Array:
        windows: Array = np.lib.stride_tricks.sliding_window_view(
            padded(frames, node.padding),
            (span[0], span[1]),
            axis=(2, 3),  # type: ignore[call-overload]
        )
        windows = windows[
            :, :, :: node.stride[0], :: node.stride[1], :: node.dilation[0], :: node.dilation[1]
        ]
        count, _, height, width = windows.shape[:4]
        result = np.empty((count, out, height, width), precision)
        block = max(1, COLUMNS // max(1, height * width * per_group * kernel[0] * kernel[1]))
        for begin in range(0, count, block):
            part = windows[begin : begin + block]
            for group, weight in enumerate(filters):
                channels = slice(group * per_group, (group + 1) * per_group)
                columns = part[:, channels].transpose(0, 1, 4, 5, 2, 3)
                columns = columns.reshape(len(part), weight.shape[1], height * width)
                rows = slice(group * len(weight), (group + 1) * len(weight))
                result[begin : begin + block, rows] = (weight @ columns).reshape(
                    len(part), len(weight), height, width
                )
        return result

    return multiply
