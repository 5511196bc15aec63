"""What comes late: delays, and what a later node sent the step before (``ir.recurrence``)."""

from __future__ import annotations

import numpy as np

from ...ir import Delay, Feedback, Signal
from .number import Number, of_edge
from .step import StepWriter, write
from .value import Value


@write.register
def _(node: Feedback, to: StepWriter, inputs: list[Value]) -> Value:
    if to.graph.types[node.name].signal is Signal.SPIKES:
        number = of_edge(to.graph, node.name)
    else:  # its synapse comes later; this holds all of its currents
        number = Number.DOUBLE if to.real else Number.INT64
    return to.state(node, "before", 0, number).now


@write.register
def _(node: Delay, to: StepWriter, inputs: list[Value]) -> Value:
    """Keep the last values in a line, the oldest first; each neuron reads its place in it."""
    (x,) = inputs
    type, longest = to.graph.types[node.name], node.longest
    if not longest:
        return x
    if type.signal is Signal.SPIKES:
        x = x.cast(of_edge(to.graph, node.name))
    kept = to.state(node, "kept", 0, x.number, (longest, *type.shape))
    line = kept.now.then("Concat", x.reshape(0, 1, *type.shape), axis=1)
    kept.next = line.behind(1, axis=1)
    steps = np.broadcast_to(np.asarray(node.steps), type.shape).reshape(-1)
    places = (longest - steps) * type.size + np.arange(type.size)
    return line.reshape(0, (longest + 1) * type.size).gather(places, axis=1).reshape(0, *type.shape)
