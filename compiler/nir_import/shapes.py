"""Shapes, found anew from the inputs on: what nir itself infers is wrong for some layers.

nir 1.0.8 refuses depthwise convolutions, takes a kernel's height for its width, and does not
stride where the padding is ``same``; so the shapes that a file gives behind its inputs are not
read at all.
"""

from __future__ import annotations

from collections import deque
from math import prod

from ...backends.nir_file.nodes import Delay, Neuron, Threshold
from ...ir.errors import Problem
from .nodes import Conv, Flatten, Input, Linear, NirGraph, NirNode, Pool, Scale, Shape


class ShapeMismatchError(Exception):
    """A node does not fit what it reads; says only what is wrong."""


def shapes(graph: NirGraph, max_elements: int) -> tuple[dict[str, Shape], list[Problem]]:
    """Return the shape of what every node of a flat graph sends, and which do not fit.

    Nodes behind one that does not fit are left out.

    Args:
        graph: The graph.
        max_elements: Numbers that one value, with padding around it, may have.
    """
    sources: dict[str, list[str]] = {name: [] for name in graph.nodes}
    readers: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        sources[target].append(source)
        readers[source].append(target)
    found: dict[str, Shape] = {}
    wrong: dict[str, Problem] = {}
    waiting = deque(name for name, node in graph.nodes.items() if isinstance(node, Input))
    while waiting:
        name = waiting.popleft()
        if name in found or name in wrong:
            continue
        node = graph.nodes[name]
        try:
            if isinstance(node, Input):
                read = shape = node.shape
            else:
                read = next(found[source] for source in sources[name] if source in found)
                shape = _output(node, read)
            _expect_extent(node, shape, read, max_elements)
        except ShapeMismatchError as error:
            wrong[name] = Problem(f"{name}: {error}", "check the network that was exported")
            continue
        found[name] = shape
        waiting.extend(readers[name])
    problems = list(wrong.values())
    for name, before in sources.items():
        problems += _differing(
            name, {source: found[source] for source in before if source in found}
        )
        if not before and not isinstance(graph.nodes[name], Input):
            problems.append(Problem(f"{name}: no edge ends here", "connect it, or remove it"))
    if not problems and len(found) < len(graph.nodes):
        name = min(graph.nodes.keys() - found.keys())
        hint = "connect it, or remove it"
        problems.append(Problem(f"{name}: no path leads here from an input", hint))
    return found, problems


def _differing(name: str, read: dict[str, Shape]) -> list[Problem]:
    """Return what is wrong where a node adds values of different shapes."""
    if len(set(read.values())) < 2:
        return []
    listed = ", ".join(f"{shape} from {source!r}" for source, shape in sorted(read.items()))
    return [Problem(f"{name}: adds {listed}", "check the network that was exported")]


def _expect_extent(node: NirNode, shape: Shape, read: Shape, most: int) -> None:
    """Refuse values that memory may not hold, and paddings around them."""
    sizes = [prod(shape)]
    if isinstance(node, (Conv, Pool)) and node.padding != "same":
        around = [size + 2 * pad for size, pad in zip(read[1:], node.padding, strict=True)]
        sizes.append(read[0] * prod(around))
    if max(sizes) > most:
        raise ShapeMismatchError(
            f"one sample has {max(sizes)} numbers, more than {most}: give --max-elements if "
            "that is meant"
        )


def _output(node: NirNode, shape: Shape) -> Shape:
    """Return the shape a node sends where it reads ``shape``."""
    if isinstance(node, Linear):
        out, into = node.weight.shape
        if shape != (into,):
            raise ShapeMismatchError(f"has a weight of {out} x {into}, but reads {shape}")
        return (out,)
    if isinstance(node, Conv):
        return _convolved(node, shape)
    if isinstance(node, Pool):
        if len(shape) != 3:
            raise ShapeMismatchError(f"pools images, but reads {shape}")
        same = (1, 1)
        return shape[0], *slid(shape[1:], node.kernel, node.stride, node.padding, same)
    if isinstance(node, Flatten):
        return _flattened(node, shape)
    if isinstance(node, (Neuron, Scale, Delay, Threshold)):
        own = parameter_shape(node)
        if prod(own) > 1 and own != shape:
            raise ShapeMismatchError(f"has parameters for {own}, but reads {shape}")
    return shape


def parameter_shape(node: Neuron | Scale | Delay | Threshold) -> Shape:
    """Return the shape of the parameters of a node that has one for each value."""
    if isinstance(node, Neuron):
        return node.r.shape
    if isinstance(node, Scale):
        return node.scale.shape
    return node.delay.shape if isinstance(node, Delay) else node.threshold.shape


def _convolved(node: Conv, shape: Shape) -> Shape:
    out, per_group, *kernel = node.weight.shape
    if len(shape) != 1 + len(kernel) or shape[0] != per_group * node.groups:
        raise ShapeMismatchError(
            f"reads {per_group * node.groups} channels with {len(kernel)} axes, but gets {shape}"
        )
    if node.padding == "same":
        if any(step != 1 for step in node.stride):
            raise ShapeMismatchError(f"has padding 'same' and a stride of {node.stride}")
        return out, *shape[1:]
    return out, *slid(shape[1:], tuple(kernel), node.stride, node.padding, node.dilation)


def slid(size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """Return how many places a window has along each axis."""
    found = []
    for axis, extent in enumerate(size):
        room = extent + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1
        if room < 0:
            raise ShapeMismatchError(f"has a window of {kernel}, larger than {size} with padding")
        found.append(room // stride[axis] + 1)
    return tuple(found)


def _flattened(node: Flatten, shape: Shape) -> Shape:
    rank = len(shape)
    start, end = (axis + rank if axis < 0 else axis for axis in (node.start, node.end))
    if not 0 <= start <= end < rank:
        raise ShapeMismatchError(f"joins the axes {node.start} to {node.end} of {shape}")
    return (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])
