"""Which populations of a graph the compiled kernels run, and how their edges are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....ir import IF, Conv, Graph, Linear, MaxPool, Reshape, Signal, TrackingIF
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
    """

    populations: Mapping[str, NativePopulation]
    synapses: Mapping[str, NativeSynapse]
    layouts: Mapping[str, FrameLayout]


def plan(graph: Graph, membranes: Mapping[str, int | None], *, real: bool) -> NativePlan:
    """Plan a graph.

    Args:
        graph: A spiking graph.
        membranes: For each population, a bound on its integer membrane; None where it is real.
        real: Whether weights and membranes are real numbers.
    """
    if library.library() is None:
        return NativePlan({}, {}, {})
    synapses = {
        name: synapse
        for name, type in graph.types.items()
        if type.signal is Signal.CURRENT and (synapse := _synapse(graph, name, real=real))
    }
    populations: dict[str, NativePopulation] = {}
    for node in graph.of_type(IF):
        if can_run(node, graph.types[node.name].shape, membranes[node.name]):
            populations.update(_population(graph, node, membranes[node.name], synapses))
    pools, tracking = graph.of_type(MaxPool), graph.of_type(TrackingIF)
    readers: dict[str, list[NativeSynapse]] = {
        name: [] for name in (*populations, *(node.name for node in (*pools, *tracking)))
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
    return NativePlan(populations, synapses, layouts)


def _synapse(graph: Graph, name: str, *, real: bool) -> NativeSynapse | None:
    """Return a synapse for the kernels, or None where they cannot compute it."""
    node = graph[name]
    if not isinstance(node, (Conv, Linear)):
        return None
    source = image(graph.types[emitter(graph, node.inputs[0])].shape)
    target = image(graph.types[name].shape)
    if source is None or target is None:
        return None
    if isinstance(node, Conv) and source != image(graph.types[node.inputs[0]].shape):
        return None
    if not real and largest_current(graph, name) >= INT32_EXACT:
        return None
    synapse = NativeSynapse(node, source, real, target[1:] == (1, 1))
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
