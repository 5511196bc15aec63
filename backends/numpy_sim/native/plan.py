"""Which populations of a graph the compiled kernels run, and how their edges are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ....ir import IF, Array, Conv, Graph, Linear, MaxPool, Reshape, Signal
from ....ir.bounds import largest_current
from . import library
from .frames import FrameLayout
from .populations import INT32_EXACT, NativePopulation, can_run, image, layout_of
from .synapses import NativeSynapse


def emitter(graph: Graph, name: str) -> str:
    """Return the node that sends what is on an edge, behind any change of shape."""
    while isinstance(node := graph[name], Reshape):
        (name,) = node.inputs
    return name


@dataclass(frozen=True)
class NativePlan:
    """What of a graph is run by compiled kernels.

    Attributes:
        populations: Those that can be.
        synapses: Those that can be, whatever reads their currents.
        layouts: Of each edge that one of them reads or writes.
        reach: For each synapse that reads such an edge, the fan-out of each of its bytes.
    """

    populations: Mapping[str, NativePopulation]
    synapses: Mapping[str, NativeSynapse]
    layouts: Mapping[str, FrameLayout]
    reach: Mapping[str, Array]


def plan(
    graph: Graph,
    membranes: Mapping[str, int | None],
    reach: Mapping[str, Array],
    *,
    real: bool,
) -> NativePlan:
    """Plan a graph.

    Args:
        graph: A spiking graph.
        membranes: For each population, a bound on its integer membrane; None where it is real.
        reach: For each node that reads payloads, its fan-out, of the shape of what it reads.
        real: Whether weights and membranes are real numbers.
    """
    if library.library() is None:
        return NativePlan({}, {}, {}, {})
    synapses = {
        name: synapse
        for name, type in graph.types.items()
        if type.signal is Signal.CURRENT and (synapse := _synapse(graph, name, real=real))
    }
    populations: dict[str, NativePopulation] = {}
    for node in graph.of_type(IF):
        if can_run(node, graph.types[node.name].shape, membranes[node.name]):
            populations.update(_population(graph, node, membranes[node.name], synapses))
    pools = graph.of_type(MaxPool)
    readers: dict[str, list[NativeSynapse]] = {
        name: [] for name in (*populations, *(node.name for node in pools))
    }
    for pool in pools:
        readers.setdefault(emitter(graph, pool.inputs[0]), [])
    for synapse in synapses.values():
        readers.setdefault(emitter(graph, synapse.node.inputs[0]), []).append(synapse)
    layouts = {}
    for name, reading in readers.items():
        type = graph.types[name]
        if type.payload and (layout := layout_of(type.shape, type.payload, reading)):
            layouts[name] = layout
    return NativePlan(populations, synapses, layouts, _laid_out(graph, layouts, reach))


def _laid_out(
    graph: Graph, layouts: Mapping[str, FrameLayout], reach: Mapping[str, Array]
) -> dict[str, Array]:
    """Return fan-outs as ``library.count`` wants them: those of one edge in one type."""
    by_edge: dict[str, list[str]] = {}
    for name in reach:
        by_edge.setdefault(emitter(graph, graph[name].inputs[0]), []).append(name)
    found = {}
    for root, readers in by_edge.items():
        if layout := layouts.get(root):
            largest = max(int(reach[name].max(initial=0)) for name in readers)
            of_row = largest * layout.shape[0] * layout.shape[2] * 255
            number = np.int16 if largest < 2**15 and of_row < 2**31 else np.int32
            found.update({name: layout.by_place(reach[name], number) for name in readers})
    return found


def _synapse(graph: Graph, name: str, *, real: bool) -> NativeSynapse | None:
    """Return a synapse for the kernels, or None where they cannot compute it."""
    node = graph[name]
    if not isinstance(node, (Conv, Linear)):
        return None
    source = image(graph.types[emitter(graph, node.inputs[0])].shape)
    if source is None or image(graph.types[name].shape) is None:
        return None
    if isinstance(node, Conv) and source != image(graph.types[node.inputs[0]].shape):
        return None
    if not real and largest_current(graph, name) >= INT32_EXACT:
        return None
    synapse = NativeSynapse(node, source, real)
    return synapse if synapse.fits else None


def _population(
    graph: Graph, node: IF, membrane: int | None, synapses: Mapping[str, NativeSynapse]
) -> dict[str, NativePopulation]:
    """Return a population under its name, or nothing where one of its synapses stands against."""
    shape = image(graph.types[node.name].shape)
    if shape is None or not all(name in synapses for name in node.inputs):
        return {}
    entering = tuple(synapses[name] for name in node.inputs)
    return {node.name: NativePopulation(node, shape, entering, membrane)}
