"""Small models that are damaged: between them they have every kind of operator the importer has."""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import ModelProto, numpy_helper, parser

Shape = tuple[int, ...]

_HEADER = """
    <ir_version: 9, opset_import: ["" : {opset}, "com.microsoft" : 1]> g {signature} {{ {nodes} }}
"""


def written(
    signature: str,
    nodes: str,
    weights: dict[str, Shape],
    integers: dict[str, list[int]] | None = None,
    numbers: dict[str, list[float]] | None = None,
    opset: int = 18,
) -> bytes:
    """Return a model written as text, with random weights, as a file.

    Args:
        signature: Inputs and outputs, as ``onnx.parser`` reads them.
        nodes: The nodes, likewise.
        weights: Shapes of the initializers of random numbers.
        integers: Initializers of type int64.
        numbers: Initializers of type float32; lists of one number are scalars.
        opset: Version of the standard operators.
    """
    model = parser.parse_model(_HEADER.format(opset=opset, signature=signature, nodes=nodes))
    random = np.random.default_rng(11)
    arrays = {
        name: (random.normal(size=shape) / np.sqrt(prod(shape[1:]))).astype(np.float32)
        for name, shape in weights.items()
    }
    arrays |= {name: np.array(values, np.int64) for name, values in (integers or {}).items()}
    for name, values in (numbers or {}).items():
        arrays[name] = np.array(values if len(values) > 1 else values[0], np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    return bytes(model.SerializeToString())


def image() -> bytes:
    """Return a network of images: moves, resizing, reductions, smooth activations."""
    return written(
        "(float[N,2,8,8] x) => (float[N,3] y)",
        """
        c0 = Conv <pads = [1, 1, 1, 1]> (x, w0, b0) a0 = LeakyRelu <alpha = 0.1> (c0)
        p0 = Pad <mode = "reflect"> (a0, around) s0 = Slice (p0, starts, ends, axes, steps)
        u0 = Resize <mode = "nearest"> (s0, , factors) g0 = Gather <axis = 1> (u0, order)
        t0 = ConvTranspose <strides = [2, 2]> (g0, w1) a1 = PRelu (t0, slope)
        h0, h1 = Split <axis = 1, num_outputs = 2> (a1)
        m0 = Mul (h0, h1) e0 = Expand (h0, target) k0 = Tile (h1, repeats)
        j0 = Concat <axis = 1> (m0, e0, k0) d0 = DepthToSpace <blocksize = 2> (j0)
        i0 = Gelu (d0) r0 = SpaceToDepth <blocksize = 2> (i0)
        l0 = Resize <mode = "linear"> (r0, , , sizes) n0 = ReduceMax (l0, axis3)
        q0 = ReduceMean <keepdims = 0> (n0, axis2) v0 = HardSwish (q0)
        f0 = Flatten (v0) o0 = Gemm <transB = 1> (f0, w2, b2) y = Softmax (o0)
        """,
        {"w0": (8, 2, 3, 3), "b0": (8,), "w1": (8, 8, 2, 2), "w2": (3, 12), "b2": (3,)}
        | {"slope": (8, 1, 1)},
        {"around": [0, 0, 1, 1, 0, 0, 1, 1], "starts": [0, 9], "ends": [9, -11], "axes": [2, 3]}
        | {"steps": [2, -2], "order": [7, 6, 5, 4, 3, 2, 1, 0], "target": [1, 4, 20, 20]}
        | {"repeats": [1, 1, 1, 1], "sizes": [1, 12, 6, 6], "axis3": [3], "axis2": [2]},
        {"factors": [1.0, 1.0, 2.0, 2.0]},
        opset=20,
    )


def line() -> bytes:
    """Return a network of one-dimensional layers, with conditions and arithmetic."""
    return written(
        "(float[N,3,16] x) => (float[N,4] y)",
        """
        c0 = Conv <pads = [1, 1]> (x, w0) a0 = Relu (c0) p0 = MaxPool <kernel_shape = [2]> (a0)
        t0 = ConvTranspose <strides = [2], output_padding = [1]> (p0, w1) z0 = Tanh (t0)
        m0 = Min (z0, top) m1 = Max (m0, z0) s0 = Sub (m1, z0) q0 = Pow (s0, two)
        n0 = Shape <start = 0, end = 1> (q0) n1 = Concat <axis = 0> (n0, rest)
        r0 = Reshape (q0, n1) e0 = Elu (r0) o0 = MatMul (e0, w2) b0 = Add (o0, bias)
        k0 = Where (mask, b0, zero) y = Sum (k0, b0)
        """,
        {"w0": (5, 3, 3), "w1": (5, 2, 2), "w2": (62, 4), "bias": (4,)},
        {"rest": [62], "mask": [1, 0, 1, 1]},
        {"top": [1.0], "two": [2.0], "zero": [0.0]},
    )


def volume() -> bytes:
    """Return a network of three-dimensional layers."""
    return written(
        "(float[N,2,4,6,6] x) => (float[N,3] y)",
        """
        c0 = Conv <pads = [1, 1, 1, 1, 1, 1]> (x, w0, b0) a0 = Relu (c0)
        p0 = MaxPool <kernel_shape = [2, 2, 2], strides = [2, 2, 2]> (a0)
        c1 = Conv <group = 2> (p0, w1) a1 = Clip (c1, low, high)
        p1 = AveragePool <kernel_shape = [1, 2, 2]> (a1) g0 = GlobalMaxPool (p1)
        s0 = Squeeze (g0, axes) y = Gemm (s0, w2)
        """,
        {"w0": (4, 2, 3, 3, 3), "b0": (4,), "w1": (4, 2, 2, 1, 1), "w2": (4, 3)},
        {"axes": [2, 3, 4]},
        {"low": [0.0], "high": [6.0]},
        opset=13,
    )


def fused() -> bytes:
    """Return a network with operators of ONNX Runtime's optimiser."""
    return written(
        "(float[N,2,6,6] x) => (float[N,3] y)",
        """
        c0 = com.microsoft.FusedConv <activation = "Relu"> (x, w0, b0)
        c1 = com.microsoft.FusedConv
            <activation = "Clip", activation_params = [0.0, 6.0]> (c0, w1)
        q0 = com.microsoft.QuickGelu <alpha = 1.702> (c1) f0 = Flatten (q0)
        g0 = com.microsoft.FusedGemm
            <activation = "LeakyRelu", activation_alpha = 0.1, transB = 1> (f0, w2, b2)
        y = com.microsoft.FusedMatMul <alpha = 0.5> (g0, w3)
        """,
        {"w0": (4, 2, 3, 3), "b0": (4,), "w1": (3, 4, 1, 1), "w2": (5, 48), "b2": (5,)}
        | {"w3": (5, 3)},
    )


def mixed() -> bytes:
    """Return a network of which parts have to run on a host."""
    return written(
        "(float[N,1,8,8] x) => (float[N,3] y, float[N,6] z)",
        """
        c0 = Conv <strides = [2, 2]> (x, w0, b0) a0 = Relu (c0)
        q0 = Reshape (a0, rows) h0 = Transpose <perm = [0, 2, 1]> (q0)
        n0 = LayerNormalization <axis = -1> (h0, gain) k0 = MatMul (n0, w1)
        u0 = Transpose <perm = [0, 2, 1]> (k0) m0 = MatMul (n0, u0)
        s0 = Softmax <axis = -1> (m0) v0 = MatMul (s0, n0) e0 = ReduceMean (v0, axes)
        z = Squeeze (e0, axes) i0 = Gemm (z, w2, b2) j0 = Relu (i0) y = Gemm (j0, w3)
        """,
        {"w0": (6, 1, 2, 2), "b0": (6,), "gain": (6,), "w1": (6, 6), "w2": (6, 20), "b2": (20,)}
        | {"w3": (20, 3)},
        {"rows": [0, 6, 16], "axes": [1]},
    )


def looping() -> bytes:
    """Return a network whose host part loops, and makes tensors of the sizes of others."""
    content = written(
        "(float[N,1,8,8] x) => (float[N,3] y)",
        """
        c0 = Conv <strides = [2, 2]> (x, w0, b0) a0 = Relu (c0)
        n0 = Shape <start = 0, end = 1> (a0) n1 = Concat <axis = 0> (n0, rest)
        k0 = ConstantOfShape (n1) e0 = Erf (a0) s0 = Sub (e0, k0)
        h0 = Loop (trip, yes, s0) <
            body = b (int64 i, bool[1] c, float[N,6,4,4] v) => (bool[1] d, float[N,6,4,4] w) {
                d = Identity (c) u = Pad (v, around) t = Slice (u, starts, ends, axes) w = Sin (t)
            }
        >
        f0 = Flatten (h0) i0 = Gemm (f0, w1, b1) j0 = Relu (i0) y = Gemm (j0, w2)
        """,
        {"w0": (6, 1, 2, 2), "b0": (6,), "w1": (96, 20), "b1": (20,), "w2": (20, 3)},
        {"rest": [6, 4, 4], "trip": [3], "yes": [1], "starts": [1, 1], "ends": [5, 5]}
        | {"axes": [2, 3], "around": [0, 0, 1, 1, 0, 0, 1, 1]},
    )
    return _condition(content, "yes")


def whole() -> bytes:
    """Return a network without a batch axis."""
    return written(
        "(float[1,12] x) => (float[2,31] y)",
        """
        r0 = Reshape (x, shape) t0 = Transpose <perm = [1, 0]> (r0) a0 = Relu (t0)
        g0 = Gather <axis = 0> (a0, order) m0 = MatMul (w0, g0) s0 = ReduceSum (m0, axes)
        u0 = Unsqueeze (s0, front) e0 = Expand (u0, shape1) f0 = Flatten <axis = 0> (e0)
        v0 = Concat <axis = 1> (f0, f0) p0 = Pad (v0, pads) y = Reshape (p0, shape2)
        """,
        {"w0": (5, 6)},
        {"shape": [2, 6], "order": [5, 4, 3, 2, 1, 0], "axes": [1], "front": [0]}
        | {"shape1": [2, 5, 3], "shape2": [2, 31], "pads": [0, 1, 0, 1]},
    )


def branches() -> bytes:
    """Return a network with graphs inside nodes."""
    return written(
        "(float[N,4] x) => (float[N,4] y)",
        """
        a0 = If (yes) <
            then_branch = t () => (float[N,4] o0) { o0 = Relu (x) },
            else_branch = e () => (float[N,4] o1) { o1 = Neg (x) }
        >
        i0, y = Loop (trip, yes, a0) <
            body = b (int64 i, bool c, float[N,4] v) => (bool d, float[N,4] w, float[N,4] s) {
                d = Identity (c) w = MatMul (v, w0) s = Relu (w)
            }
        >
        """,
        {"w0": (4, 4)},
        {"yes": [1], "trip": [3]},
    )


def lists() -> bytes:
    """Return a network of loops in a loop, with lists of tensors."""
    content = written(
        "(float[N,6,4] x) => (float[N,5,6] y)",
        """
        q0 = SplitToSequence <axis = 1> (x, parts) p0 = SequenceAt (q0, one)
        j0 = ConcatFromSequence <axis = 1> (q0) k0 = ReduceMean (j0, one) e0 = SequenceEmpty ()
        f0 = Squeeze (k0, one) g0 = MatMul (f0, w0)
        h0, l0 = Loop (six, yes, g0, e0) <
            body = b (int64 i, bool c, float[N,5] v, seq(float) l) =>
                (bool d, float[N,5] w, seq(float) m) {
                t = Gather <axis = 1> (j0, i) a = MatMul (t, w0)
                z = Loop (two, yes, v) <
                    body = n (int64 k, bool o, float[N,5] r) => (bool u, float[N,5] s) {
                        u = Identity (o) g = MatMul (r, w1) s = Relu (g)
                    }
                >
                w = Add (a, z) m = SequenceInsert (l, w)
                j = Add (i, unit) d = Less (j, six)
            }
        >
        n0 = SequenceLength (l0) y = ConcatFromSequence <axis = 2, new_axis = 1> (l0)
        """,
        {"w0": (4, 5), "w1": (5, 5)},
        {"parts": [2, 4], "one": [1], "six": [6], "two": [2], "yes": [1]} | {"unit": [1]},
    )
    return _condition(_scalars(content, "six", "two", "yes", "unit"), "yes")


def windows() -> bytes:
    """Return a network of resizes, means of windows and volumes."""
    return written(
        "(float[N,2,9,9] x) => (float[N,2,4,13,13] y, float[N,2,3,13] z)",
        """
        r0 = Resize <mode = "cubic", antialias = 1, exclude_outside = 1> (x, , factors)
        p0 = AveragePool <kernel_shape = [2, 2], dilations = [2, 2], strides = [1, 1]> (r0)
        z = Relu (p0)
        p1 = AveragePool
            <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1, count_include_pad = 1,
             pads = [1, 1, 1, 1]> (x)
        r1 = Resize
            <mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize",
             extrapolation_value = 0.5, axes = [2, 3]> (p1, region, , sizes)
        a0 = Relu (r1) u0 = Unsqueeze (a0, two)
        t0 = ConvTranspose <strides = [2, 2, 2], output_padding = [0, 0, 0]> (u0, w0)
        y = Relu (t0)
        """,
        {"w0": (2, 2, 4, 3, 3)},
        {"sizes": [6, 6], "two": [2]},
        {"factors": [1.0, 1.0, 0.6, 1.7], "region": [0.1, 0.2, 0.9, 1.3]},
        opset=19,
    )


_STEP = """
    i{n} = MatMul (x, w0) m{n} = Mul (beta, u{p}) a{n} = Add (m{n}, i{n})
    r{n} = Mul (s{p}, one) u{n} = Sub (a{n}, r{n}) d{n} = Sub (u{n}, one)
    f{n} = Greater (d{n}, zero) s{n} = Cast <to = 1> (f{n}) o{n} = MatMul (s{n}, w1)
"""


def unrolled(steps: int = 4) -> bytes:
    """Return a spiking network that an exporter unrolled over its steps."""
    every = [_STEP.format(n=step, p=step - 1) for step in range(1, steps)]
    first = """
        i0 = MatMul (x, w0) u0 = Add (i0, zero) d0 = Sub (u0, one) f0 = Greater (d0, zero)
        s0 = Cast <to = 1> (f0) o0 = MatMul (s0, w1)
    """
    last = f"y = Sum ({', '.join(f'o{step}' for step in range(steps))})"
    return written(
        "(float[N,3] x) => (float[N,2] y)",
        "\n".join([first, *every, last]),
        {"w0": (3, 4), "w1": (4, 2)},
        numbers={"beta": [0.9], "one": [1.0], "zero": [0.0]},
    )


def _condition(content: bytes, *names: str) -> bytes:
    """Return a model some of whose integers are truth values."""
    model = ModelProto.FromString(content)
    for tensor in model.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor).astype(bool)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return bytes(model.SerializeToString())


def _scalars(content: bytes, *names: str) -> bytes:
    """Return a model some of whose lists of one number are scalars."""
    model = ModelProto.FromString(content)
    for tensor in model.graph.initializer:
        if tensor.name in names:
            tensor.ClearField("dims")
    return bytes(model.SerializeToString())


def small_models() -> tuple[bytes, ...]:
    """Return all of them."""
    plain = (image(), volume(), windows(), fused(), mixed(), whole(), unrolled(), lists())
    return (*plain, _condition(line(), "mask"), _condition(branches(), "yes"))
