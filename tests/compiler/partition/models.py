"""Small networks with something inside that no neuron computes."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from snnc.ir import Array
from tests.command_line import write_model

IMAGE = "(float[N,1,8,8] x)"


def _weights(**shapes: tuple[int, ...]) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    return {
        name: rng.normal(size=shape) / np.sqrt(prod(shape[1:])) for name, shape in shapes.items()
    }


def softmax_in_the_middle(folder: Path) -> Path:
    """Spiking, host, spiking; ``p`` goes around the host node, and a Softmax ends it."""
    return write_model(
        folder / "middle.onnx",
        """
        c = Conv <pads = [1, 1, 1, 1]> (x, w1, b1) r = Relu (c)
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
        s = Softmax <axis = 1> (p)
        d = Conv <pads = [1, 1, 1, 1]> (s, w2) a = Add (d, p) e = Relu (a)
        f = Flatten (e) l = Gemm (f, w3) y = Softmax (l)
        """,
        f"{IMAGE} => (float[N,5] y)",
        _weights(w1=(4, 1, 3, 3), b1=(4,), w2=(4, 4, 3, 3), w3=(64, 5)),
    )


def attention(folder: Path) -> Path:
    """A block of self-attention and LayerNormalization between a convolution and a perceptron."""
    return write_model(
        folder / "attention.onnx",
        """
        c = Conv <strides = [2, 2]> (x, w1, b1) r = Relu (c)
        n = Shape <start = 0, end = 1> (r) t = Concat <axis = 0> (n, rest)
        q = Reshape (r, t) h = Transpose <perm = [0, 2, 1]> (q)
        z = LayerNormalization <axis = -1> (h, g)
        k = MatMul (z, wk) u = Transpose <perm = [0, 2, 1]> (k)
        m = MatMul (z, u) a = Softmax <axis = -1> (m) v = MatMul (a, h)
        e = ReduceMean <axes = [1], keepdims = 0> (v)
        i = Gemm (e, w2, b2) j = Relu (i) y = Gemm (j, w3)
        """,
        f"{IMAGE} => (float[N,3] y)",
        {
            **_weights(w1=(6, 1, 2, 2), b1=(6,), wk=(6, 6), w2=(6, 40), b2=(40,), w3=(40, 3)),
            "g": np.ones(6),
        },
        integers={"rest": np.array([6, 16])},
    )


def infinities(folder: Path) -> Path:
    """The logarithm of what a ReLU gives: minus infinity wherever that is 0."""
    return write_model(
        folder / "infinities.onnx",
        """
        f = Flatten (x) a = Gemm (f, w1) r = Relu (a) l = Log (r)
        """,
        f"{IMAGE} => (float[N,9] l)",
        _weights(w1=(64, 9)),
    )


def host_head_and_tail(folder: Path) -> Path:
    """The host reads the input, and gives the first of two outputs."""
    return write_model(
        folder / "ends.onnx",
        """
        o = Cos (x) c = Conv (o, w1, b1) r = Relu (c) f = Flatten (r)
        l = Gemm (f, w2) k = Erf (l) q = Mul (k, l) b = Gemm (f, w3)
        """,
        f"{IMAGE} => (float[N,5] q, float[N,2] b)",
        _weights(w1=(4, 1, 3, 3), b1=(4,), w2=(144, 5), w3=(144, 2)),
    )


def parallel_branches(folder: Path) -> Path:
    """Two inputs, a spiking branch for each, a host node that joins them, a spiking head."""
    return write_model(
        folder / "branches.onnx",
        """
        a = Gemm (x, w1, b1) r = Relu (a) b = Gemm (z, w2, b2) s = Relu (b)
        m = Mul (r, s) h = Gemm (m, w3) t = Relu (h) y = Gemm (t, w4)
        """,
        "(float[N,6] x, float[N,4] z) => (float[N,3] y)",
        _weights(w1=(6, 8), b1=(8,), w2=(4, 8), b2=(8,), w3=(8, 10), w4=(10, 3)),
    )
