"""Makes the spiking graph of an unrolled network: one step, its neurons with their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ...ir import (
    LI,
    LIF,
    VIEWS,
    Array,
    Conv,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Input,
    MaxPool,
    Node,
    Reshape,
    Signal,
    TensorType,
)
from ...ir.ops import broadcasts_to
from ..codes import make_code
from ..passes.as_images import as_images
from ..passes.compose_gather import compose_gather
from ..passes.compose_linear import compose_linear
from ..passes.compose_pool import compose_pool
from ..passes.fold_affine import fold_affine
from ..passes.join_moves import join_moves
from ..passes.to_spiking import Conversion, Term
from ..pipeline import run_passes
from .dynamics import Source
from .polynomial import Leaf
from .recognise import Unrolled
from .refusal import NotRecognisedError
from .step_model import StepModel

SIMPLIFY = (as_images, join_moves, fold_affine, compose_gather, join_moves, compose_linear)
"""Passes that are exact whatever neurons follow."""

BINARY = TensorType((), Signal.SPIKES, (0, 1))


@dataclass(frozen=True)
class Part:
    """What an input of a step is.

    Attributes:
        source: Name of the input of the model, or of the layer's node.
        lag: Of spikes: from how many steps before they are.
        stepwise: Of an input of the model: whether it has a value for every step.
        shape: Of an input of the model: its shape at one step.
    """

    source: str
    lag: int = 0
    layer: int | None = None
    stepwise: bool = False
    shape: tuple[int, ...] = ()


class Layers(Conversion):
    """Builds the layers of a graph.

    Args:
        unrolled: What was recognised.
        step: The synapses of a step.
        parts: For each input of the step, what it is.
        names: For each layer the name of its node.
        shapes: For each layer its shape.
        spikes: For each spike a tensor that it is.
    """

    def __init__(
        self,
        unrolled: Unrolled,
        step: StepModel,
        parts: Mapping[str, Part],
        names: tuple[str, ...],
        shapes: tuple[tuple[int, ...], ...],
        spikes: Mapping[Leaf, str],
    ) -> None:
        ann = run_passes(step.graph, (*SIMPLIFY, compose_pool))
        super().__init__(ann, make_code("rate", timesteps=unrolled.steps))
        self.unrolled, self.parts, self.names, self.shapes = unrolled, parts, names, shapes
        self.step, self.spike_tensors = replace(step, graph=ann), spikes
        self.taken.update(names)
        self.encoders: dict[str, str] = {}
        self.brought_back: dict[tuple[int, int], str] = {}
        self.membranes: dict[tuple[int, bool], str] = {}

    def order(self) -> list[int]:
        """Return the layers, each after those it reads at the same step."""
        reads = {number: self.read_by(d.sources) for number, d in enumerate(self.unrolled.dynamics)}
        found: list[int] = []
        while len(found) < len(reads):
            ready = [n for n in reads if n not in found and reads[n] <= set(found)]
            if not ready:
                raise NotRecognisedError("its layers read each other within one step")
            found += ready
        return found

    def read_by(self, sources: tuple[Source, ...]) -> set[int]:
        """Return the layers whose spikes of the same step some currents need."""
        stack = [self.value(source) for source in sources]
        found = set()
        while stack:
            node = self.ann[stack.pop()]
            stack += node.inputs
            part = self.parts.get(node.name)
            if isinstance(node, Input) and part and part.layer is not None and not part.lag:
                found.add(part.layer)
        return found

    def value(self, source: Source) -> str:
        """Return the node of the ANN that a current is."""
        leaf = source.leaf
        return self.step.value(self.spike_tensors[leaf] if leaf.kind == "spike" else leaf.tensor)

    # -- neurons ---------------------------------------------------------------------------

    def neurons(self, number: int) -> None:
        """Make the neurons of a layer."""
        found, firing = self.unrolled.dynamics[number], self.unrolled.layers[number].firing
        name, shape = self.names[number], self.shapes[number]
        synapses, gain, bias = self.drive(found.sources, name, shape, found.current_decay)
        neurons = LIF(
            name=name,
            inputs=synapses,
            threshold=parameter(firing.threshold, shape),
            decay=parameter(found.decay, shape),
            gain=gain,
            bias=parameter(found.bias, shape) + bias,
            initial=parameter(found.initial, shape),
            strict=firing.strict,
            reset=found.reset,
            reset_to=parameter(found.reset_to, shape),
            reset_delayed=found.reset_delayed,
            represents=self.unrolled.layers[number].membranes[-1],
        )
        if found.current_decay is None:
            self.emit(neurons)
            return
        own = {field.name: getattr(neurons, field.name) for field in fields(LIF)}
        self.emit(CubaLIF(**own, current_decay=parameter(found.current_decay, shape)))

    def drive(
        self,
        sources: tuple[Source, ...],
        reader: str,
        shape: tuple[int, ...],
        current_decay: Array | None,
    ) -> tuple[tuple[str, ...], Array, Array]:
        """Return synapses, their common gain, and what their biases add to the membrane.

        A bias in front of a synaptic current decays with it, so it needs a relay of its own.
        """
        weights = [parameter(source.weight, shape) for source in sources]
        common = all(np.array_equal(weight, weights[0]) for weight in weights)
        gain = weights[0] if common else np.ones(1)
        synapses: tuple[str, ...] = ()
        bias = np.zeros(1)
        for source, weight in zip(sources, weights, strict=True):
            scale = np.ones(1) if common else per_channel(weight, shape)
            value = self.value(source)
            current = self.current(value, reader, scale)
            if current_decay is not None and np.any(current.bias):
                relay = self.relay(value)
                identity = self.identity(self.ann[value])
                scaled = replace(identity, weight=_scaled(identity.weight, scale))
                synapses += self.synapses(scaled, (relay,), reader)
                continue
            synapses += current.synapses
            bias = bias + gain * current.bias
        return synapses, gain, bias

    # -- values as events, where ANNs would have populations --------------------------------

    def make_spikes(self, node: Node) -> tuple[Term, ...]:
        if isinstance(node, Input):
            return (Term(self.arriving(node)),)
        if isinstance(node, VIEWS):
            return self.map_events(node, self.spikes(node.inputs[0]))
        if isinstance(node, MaxPool):
            return (self.any_of(node),)
        return (self.relay(node.name),)

    def arriving(self, node: Input) -> str:
        """Return the edge on which an input of the step comes."""
        part = self.parts[node.name]
        if part.layer is None:
            return self.encoded(node, part)
        if not part.lag:
            return self.names[part.layer]
        return self.earlier(part.layer, part.lag)

    def encoded(self, node: Input, part: Part) -> str:
        edge = self.encoders.get(part.source)
        if edge is None:
            given = Input(name=part.source, type=TensorType(part.shape), stepwise=part.stepwise)
            edge = self.free(f"{part.source}.encoder")
            self.taken.add(part.source)
            self.emit(given, Encoder(name=edge, inputs=(part.source,)))
            self.encoders[part.source] = edge
        if part.shape == node.type.shape:
            return edge
        view = Reshape(name=self.free(f"{node.name}.view"), inputs=(edge,), shape=node.type.shape)
        self.emit(view)
        return view.name

    def earlier(self, layer: int, lag: int) -> str:
        """Return the edge with what a layer sent some steps before."""
        if (layer, lag) not in self.brought_back:
            name = self.free(f"{self.names[layer]}.before")
            type = replace(BINARY, shape=self.shapes[layer])
            self.emit(Feedback(name=name, source=self.names[layer], type=type))
            if lag > 1:
                late = Delay(name=self.free(f"{name}.late"), inputs=(name,), steps=lag - 1)
                self.emit(late)
                name = late.name
            self.brought_back[layer, lag] = name
        return self.brought_back[layer, lag]

    def relay(self, name: str) -> Term:
        """Send a linear value on as it is: a membrane that forgets at once."""
        relay = self.free(f"{name}.relay")
        current = self.current(name, relay)
        bias = np.asarray(current.bias)
        self.emit(LI(name=relay, inputs=current.synapses, decay=np.zeros(1), bias=bias))
        return Term(relay)

    def any_of(self, node: MaxPool) -> Term:
        """The maximum of spikes at a step: whether any of them is there."""
        if not self.is_binary(node.inputs[0]):
            raise NotRecognisedError(
                f"{node.name}: takes the maximum of values that are no spikes; pool behind the "
                "neurons, or take the mean"
            )
        channels = self.ann.types[node.name].shape[0]
        (source,) = self.spikes(node.inputs[0])
        window = Conv(
            name=self.free(f"{node.name}.window"),
            inputs=(source.edge,),
            weight=np.ones((channels, 1, *node.kernel)),
            stride=node.stride,
            padding=node.padding,
            dilation=node.dilation,
            groups=channels,
        )
        any_spike = LIF(
            name=self.free(f"{node.name}.any"),
            inputs=(window.name,),
            threshold=np.full(1, 0.5),
            bias=np.zeros(1),
            initial=np.zeros(1),
            decay=np.zeros(1),
            reset="none",
            represents=node.name,
        )
        self.emit(window, any_spike)
        return Term(any_spike.name)

    def is_binary(self, name: str) -> bool:
        """Whether a value is made of spikes of 0 and 1."""
        node = self.ann[name]
        if isinstance(node, Input):
            part = self.parts.get(name)
            return part is not None and part.layer is not None
        return isinstance(node, (*VIEWS, MaxPool)) and self.is_binary(node.inputs[0])


def parameter(value: Array, shape: tuple[int, ...]) -> Array:
    """Return a coefficient of a tensor with batch axis as a parameter of neurons.

    Raises:
        NotRecognisedError: It differs from sample to sample.
    """
    if value.size == 1:
        return np.full(1, float(value.reshape(())))
    wide = value.reshape((1,) * (len(shape) + 1 - value.ndim) + value.shape)
    if wide.ndim != len(shape) + 1 or not np.all(wide == wide[:1]):
        raise NotRecognisedError("a parameter differs from sample to sample")
    found = np.asarray(wide[0], np.float64)
    if not broadcasts_to(found.shape, shape):
        raise NotRecognisedError(f"a parameter of shape {found.shape} does not fit {shape}")
    return found


def per_channel(weight: Array, shape: tuple[int, ...]) -> Array:
    """Return a parameter as one factor, or one for each channel."""
    if weight.size == 1:
        return weight.reshape(1)
    wide = np.broadcast_to(weight, shape)
    first = wide.reshape(shape[0], -1)
    if not np.all(first == first[:, :1]):
        raise NotRecognisedError("a factor of a current varies within a channel")
    return np.asarray(first[:, 0])


def _scaled(weight: Array, scale: Array) -> Array:
    return np.asarray(weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)))
