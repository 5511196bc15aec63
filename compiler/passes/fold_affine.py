"""Fold per-channel scales and shifts (BatchNormalization, constants) into linear maps.

After a linear map, from ``y = s * (W x + b) + t`` follows ``W' = diag(s) W`` and
``b' = s * b + t``. Before one, from ``y = W (s * x + t) + b`` follows ``W' = W diag(s)`` and
a shift of ``W t``; where a convolution pads with zeros that shift is smaller at the border,
so it stays a map of the output's shape behind the convolution. Exact but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ...ir import Affine, Array, Conv, Graph, Linear, Node, TensorType
from ...ir.compact import elementwise
from ...ir.reference import step

UNITY = 1e-6
"""How far a product of constants that cancel may be from 1: a float32 is rounded by 6e-8."""


def fold_affine(graph: Graph) -> Graph:
    """Return the graph with every foldable ``Affine`` folded away.

    An ``Affine`` stays where its input has other readers or leaves the graph, where its
    reader is no linear map, or where its scale varies within a channel.
    """
    return _folded(graph, readers=True)


def fold_into_sources(graph: Graph) -> Graph:
    """Return the graph with every ``Affine`` folded that the linear map before it can take."""
    return _folded(graph, readers=False)


def _folded(graph: Graph, *, readers: bool) -> Graph:
    """Fold all that do not touch each other at once, until nothing is left to fold."""
    while True:
        made: dict[str, tuple[Node, ...]] = {}
        touched: set[str] = set()
        for node in graph.of_type(Affine):
            for pair, fold in _ways(graph, node, readers=readers):
                if not touched.isdisjoint(pair):
                    break  # the next time round
                if folded := fold():
                    made |= folded
                    touched.update(pair)
                    break
        if not made:
            return graph
        graph = graph.with_nodes(made).without_dead_nodes()


Folded = dict[str, tuple[Node, ...]]
"""For the names of nodes, what comes in their place."""


def _ways(
    graph: Graph, node: Affine, *, readers: bool
) -> Iterator[tuple[tuple[str, str], Callable[[], Folded | None]]]:
    """Yield the names of two nodes that become one, and what makes it, where it can be."""
    before = graph[node.inputs[0]]
    if graph.only_user(before.name) is not None:
        if isinstance(before, Affine):
            yield (before.name, node.name), partial(_merge, before, node)
            return
        yield (before.name, node.name), partial(_into_source, graph, before, node)
    after = graph.only_user(node.name) if readers else None
    if isinstance(after, (Conv, Linear)) and per_channel(node.scale, graph.types[node.name]):
        yield (node.name, after.name), partial(_into_reader, graph, node, after)


def per_channel(parameter: Array, type: TensorType) -> bool:
    """Whether a parameter has one value a channel, or one in all."""
    aligned = (1,) * (len(type.shape) - parameter.ndim) + parameter.shape
    return all(size == 1 for size in aligned[1:])


def channelwise(parameter: Array, type: TensorType) -> Array:
    """Return a per-channel parameter as ``(channels,)``."""
    aligned = parameter.reshape((1,) * (len(type.shape) - parameter.ndim) + parameter.shape)
    return np.broadcast_to(aligned.reshape(len(aligned), -1)[:, 0], type.shape[:1])


def pure_scale(node: Node) -> Array | None:
    """Return the scale of an ``Affine`` that only multiplies by positive numbers, else None."""
    if isinstance(node, Affine) and not np.any(node.shift) and np.all(node.scale > 0):
        return node.scale
    return None


def is_one(scale: Array) -> bool:
    """Whether a product of trained constants is 1 but for their rounding to float32."""
    return bool(np.all(np.abs(scale - 1) < UNITY))


def _merge(first: Affine, second: Affine) -> Folded:
    merged = replace(
        second,
        inputs=first.inputs,
        scale=second.scale * first.scale,
        shift=second.scale * first.shift + second.shift,
    )
    return {second.name: (merged,)}


def _into_source(graph: Graph, source: Node, affine: Affine) -> Folded | None:
    """Fold into the linear map before; it takes the name of the value it now computes."""
    type = graph.types[affine.name]
    if not isinstance(source, (Conv, Linear)) or not per_channel(affine.scale, type):
        return None
    scale = channelwise(affine.scale, type)
    bias = np.zeros(len(scale)) if source.bias is None else source.bias * scale
    rows = scale.reshape(-1, *(1,) * (source.weight.ndim - 1))
    weight = elementwise(np.multiply, source.weight, rows)
    if per_channel(affine.shift, type):
        folded = replace(
            source,
            name=affine.name,
            weight=weight,
            bias=bias + channelwise(affine.shift, type),
            weight_scale=_scaled(source.weight_scale, scale),
        )
        return {affine.name: (folded,)}
    if np.all(affine.scale == 1):
        return None  # only a shift map is left: nothing to gain
    unit = _scaled(source.weight_scale, scale)
    scaled = replace(source, weight=weight, bias=bias, weight_scale=unit)
    shift = replace(affine, scale=np.ones(1))
    return {source.name: (scaled,), affine.name: (shift,)}


def _into_reader(graph: Graph, affine: Affine, reader: Conv | Linear) -> Folded:
    type = graph.types[affine.name]
    shift = _shift_behind(reader, affine.shift, type)
    folded = replace(
        reader,
        inputs=affine.inputs,
        weight=elementwise(
            np.multiply, reader.weight, _input_scale(reader, channelwise(affine.scale, type))
        ),
        weight_scale=None
        if np.any(affine.scale != affine.scale.flat[0])
        else _scaled(reader.weight_scale, affine.scale.reshape(-1)[:1]),
    )
    if isinstance(reader, Linear) or np.all(shift == shift[:, :1, :1]):
        added = shift.reshape(len(shift), -1)[:, 0]
        bias = added if reader.bias is None else reader.bias + added
        return {reader.name: (replace(folded, bias=bias),)}
    linear = replace(folded, name=f"{reader.name}.linear")
    shifted = Affine(name=reader.name, inputs=(linear.name,), scale=np.ones(1), shift=shift)
    return {reader.name: (linear, shifted)}


def _shift_behind(reader: Conv | Linear, shift: Array, type: TensorType) -> Array:
    """Return what a shift adds behind a linear map; where every place has the same, of one."""
    shape = type.shape
    if isinstance(reader, Conv) and not any(reader.padding) and per_channel(shift, type):
        spans = zip(reader.weight.shape[2:], reader.dilation, strict=True)
        shape = (shape[0], *(dilation * (size - 1) + 1 for size, dilation in spans))
    constant = np.broadcast_to(shift, shape)[None]
    return np.asarray(step(replace(reader, bias=None), [constant], {}, 1)[0])


def _input_scale(reader: Conv | Linear, scale: Array) -> Array:
    """Return what multiplies a weight when the channels it reads are scaled."""
    if isinstance(reader, Linear):
        return scale[None, :]
    out, per_group = reader.weight.shape[:2]
    grouped = scale.reshape(reader.groups, per_group)
    if reader.groups > 1:
        grouped = np.repeat(grouped, out // reader.groups, axis=0)
    return grouped[:, :, None, None]


def _scaled(unit: Array | None, scale: Array) -> Array | None:
    """Return what weights are multiples of after a scale; 0 is a multiple of anything."""
    return None if unit is None else np.asarray(unit * np.where(scale == 0, 1, scale))
