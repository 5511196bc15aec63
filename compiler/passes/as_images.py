"""Let everything that is computed element by element be a vector or an image.

Populations have one axis or three. A value of another rank, such as the channels and the places
of a one-dimensional convolution, is viewed as an image, computed, and viewed as before:
``f(x) = view^-1(f(view(x)))``. Views that follow each other then join (``join_moves``). Exact.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ...ir import Add, Affine, Array, Clip, Curve, Graph, Input, Node, Product, Reshape, Staircase

Elementwise = (Add, Affine, Clip, Curve, Product, Staircase)


def as_images(graph: Graph) -> Graph:
    """Return the graph with every elementwise node on vectors or images.

    What carries a value to the next element of a sequence keeps its shape, and so do its sources.
    """
    if any(isinstance(node, Input) and node.is_sequence for node in graph):
        return graph
    made: dict[str, tuple[Node, ...]] = {}
    taken = set(graph.nodes)
    for node in graph:
        shape = graph.types[node.name].shape
        if isinstance(node, Elementwise) and len(shape) not in (0, 1, 3):
            made[node.name] = _inside(node, shape, taken)
    return graph.with_nodes(made) if made else graph


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the image that a value of two axes or more than three is viewed as.

    >>> image_shape((8, 50)), image_shape((8, 3, 5, 7))
    ((8, 1, 50), (8, 3, 35))
    """
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return shape[0], shape[1], prod(shape[2:])


def _inside(node: Node, shape: tuple[int, ...], taken: set[str]) -> tuple[Node, ...]:
    image = image_shape(shape)
    views = [
        Reshape(name=_free(f"{node.name}.image", taken), inputs=(source,), shape=image)
        for source in node.inputs
    ]
    inner = replace(
        node, name=_free(f"{node.name}.plane", taken), inputs=tuple(view.name for view in views)
    )
    if isinstance(inner, Affine):
        inner = replace(
            inner,
            scale=_viewed(inner.scale, shape, image),
            shift=_viewed(inner.shift, shape, image),
        )
    if isinstance(inner, Staircase):
        inner = replace(inner, step=_viewed(inner.step, shape, image))
    return *views, inner, Reshape(name=node.name, inputs=(inner.name,), shape=shape)


def _viewed(parameter: Array, shape: tuple[int, ...], image: tuple[int, int, int]) -> Array:
    """Return a parameter that broadcasts to a shape so that it broadcasts to the image."""
    if parameter.size == 1:
        return parameter.reshape(1)
    return compact(np.broadcast_to(parameter, shape).reshape(image))


def compact(full: Array) -> Array:
    """Return a parameter with a size of 1 along every axis along which it does not change."""
    for axis in range(full.ndim):
        first = np.take(full, [0], axis)
        if np.array_equal(np.broadcast_to(first, full.shape), full):
            full = first
    return full


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name
