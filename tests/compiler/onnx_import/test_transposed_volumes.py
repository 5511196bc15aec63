"""Transposed convolutions of volumes compute what ONNX Runtime does."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.compiler.onnx_import import examine
from tests.compiler.onnx_import.conftest import Build, Check, Save

RNG = np.random.default_rng(7)
VOLUME = "float[N,4,3,4,5] x"
WEIGHTS = {
    "w": RNG.normal(size=(4, 3, 2, 3, 2)),
    "b": RNG.normal(size=3),
    "grouped": RNG.normal(size=(4, 2, 2, 2, 3)),
    "flat": RNG.normal(size=(4, 3, 2, 2)),
    "wide": RNG.normal(size=(4, 64, 8, 8, 8)),
}
NODES = {
    "plain": "y = ConvTranspose(x, w)",
    "bias": "y = ConvTranspose(x, w, b)",
    "strides": "y = ConvTranspose<strides=[2,1,3]>(x, w, b)",
    "pads": "y = ConvTranspose<strides=[2,2,2],pads=[1,0,1,0,2,1]>(x, w)",
    "dilations": "y = ConvTranspose<dilations=[2,1,2]>(x, w)",
    "output padding": "y = ConvTranspose<strides=[2,2,2],output_padding=[1,0,1]>(x, w)",
    "output shape": "y = ConvTranspose<strides=[2,2,2],output_shape=[7,8,9]>(x, w)",
    "same": 'y = ConvTranspose<strides=[2,2,2],auto_pad="SAME_UPPER">(x, w)',
    "groups": "y = ConvTranspose<group=2,strides=[1,2,2]>(x, grouped)",
}


@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
def test_it_is_a_convolution(nodes: str, build: Build, check: Check) -> None:
    check(build(nodes, VOLUME, **WEIGHTS))


REFUSED = {
    "rank": ("y = ConvTranspose(x, flat)", VOLUME, "is not in x out x 3 axes"),
    "strides": ("y = ConvTranspose<strides=[2,2]>(x, w)", VOLUME, "is not 3 integers"),
    "weights": (
        "y = ConvTranspose<strides=[8,1,1]>(x, wide)",
        "float[N,4,20,8,8] x",
        "is a 2-D convolution of",
    ),
    "frames": (
        "y = ConvTranspose<strides=[65536,1,1]>(x, w)",
        VOLUME,
        "frames of",
    ),
}


@pytest.mark.parametrize(("nodes", "text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(nodes: str, text: str, reason: str, build: Build, save: Save) -> None:
    (entry,) = examine(save(build(nodes, text, **WEIGHTS))).unsupported
    assert reason in entry.reason
