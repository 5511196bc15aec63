"""Random small ANNs converted with known thresholds: what tests of passes start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from snnc.compiler.options import Options
from snnc.compiler.pipeline import (
    SIMPLIFY,
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
)
from snnc.ir import Array, AveragePool, Graph, MaxPool
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder


def samples(graph: Graph, seed: int, count: int = 4) -> Array:
    """Return standard normal samples of the input ``x``."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *graph.types["x"].shape)).astype(np.float32)


def convert(graph: Graph, x: Array, **options: Any) -> Graph:
    """Convert with thresholds at the exact maximum over ``x``; options are those of a user."""
    chosen = Options(**options)
    code = chosen.make_code(signed=True, graded=True)
    ann = run_passes(graph, SIMPLIFY)
    values = evaluate(ann, {"x": x})
    full_scale = {
        name: np.full(1, np.abs(values[name]).max() or 1.0)
        for name in represented_values(ann, code)
    }
    largest = {"x": float(np.abs(x).max())}
    passes = conversion(chosen, code, full_scale, signed_bounds(ann), largest, lambda note: None)
    return run_passes(ann, passes)


def residual_ann(seed: int, *, pool: type[AveragePool | MaxPool] = AveragePool) -> Graph:
    """Return a convolutional network with a residual branch and a pool, and positive weights too.

    Every branch between two activations is one linear map: each layer of the network is a layer
    of neurons.
    """
    net = AnnBuilder(np.random.default_rng(seed))
    pads = (1, 1, 1, 1)
    first = net.relu(net.conv(net.input(2, 6, 6), 3, padding=pads))
    inner = net.relu(net.conv(first, 3, padding=pads))
    joined = net.relu(net.join(net.conv(inner, 3, padding=pads), first))
    pooled = net.pool(joined, pool)
    hidden = net.relu(net.linear(net.flat(pooled), 8))
    return net.graph(net.linear(hidden, 4))


def chain_ann(seed: int, width: int = 8, depth: int = 3) -> Graph:
    """Return fully connected layers in a row, each with a ReLU but the last."""
    net = AnnBuilder(np.random.default_rng(seed))
    here = net.input(width)
    for _ in range(depth):
        here = net.relu(net.linear(here, width))
    return net.graph(net.linear(here, 4))
