"""From a file that holds a spiking network step after step to the network itself.

Recognised, rebuilt with state, and compared with the file: a network that is not understood, or
does not compute the same, is refused with the place and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from onnx import NodeProto, TensorProto

from ...ir import Array, Graph, Input
from ..first_run import expect_runs
from ..onnx_import.file import ModelFile
from ..onnx_import.liveness import READOUT, live_part
from ..onnx_import.naming import title
from ..onnx_import.result import Cut
from .build import Part
from .constants import Shape, constants, expect_bounded, tensor_shapes
from .outputs import Builder
from .polynomial import Leaf
from .proof import Original, Proof, prove
from .reading import Reading, is_fired, read_polynomials
from .recognise import Unrolled, recognise
from .recording import Recorder
from .refusal import NotRecognisedError
from .step_model import StepModel, step_model
from .streaming import name_of, states_of, streamed

SAMPLES = 8
"""Random samples of the proof."""

Draw = Callable[[Array], Array]

DRAWS: tuple[Draw, ...] = (
    *(partial(np.multiply, scale) for scale in (1.0, 4.0, 16.0)),
    *(np.abs, lambda x: -np.abs(x), lambda x: 16 * np.abs(x), lambda x: -16 * np.abs(x)),
    partial(np.multiply, 64.0),
)
"""What samples of the proof are, of normal ones: small, large, of one sign. One after the other,
until every layer has fired."""


@dataclass(frozen=True, eq=False)
class RolledUp:
    """A spiking network that was unrolled in a file.

    Attributes:
        graph: It, with stateful neurons.
        timesteps: The steps that the file runs.
        unrolled: What was found in the file.
        names: The node of each layer.
        cut: The read-out operators that are left out.
        proof: How it was compared with the file.
        samples: The random samples of that.
        notes: What is different from outside: axes of inputs and outputs.
        streamed: Whether the file is one step.
    """

    graph: Graph
    timesteps: int
    unrolled: Unrolled
    names: tuple[str, ...]
    cut: tuple[Cut, ...]
    proof: Proof
    samples: Mapping[str, Array]
    notes: tuple[str, ...]
    streamed: bool = False

    def golden_samples(self) -> dict[str, Array]:
        """Return the random samples with as many steps as the network runs."""
        stepwise = {node.name for node in self.graph.of_type(Input) if node.stepwise}
        return {
            name: np.resize(x, (len(x), self.timesteps, *x.shape[2:])) if name in stepwise else x
            for name, x in self.samples.items()
        }


def has_thresholds(file: ModelFile) -> bool:
    """Whether a model compares anything: without that there are no spiking neurons."""
    return any(is_fired(node) for node in live_part(file.proto.graph).nodes)


def roll_up(file: ModelFile, timesteps: int) -> RolledUp:
    """Return the network that is unrolled in a file, or streamed step by step.

    Args:
        file: The file.
        timesteps: The steps to run where the file is one step.

    Raises:
        NotRecognisedError: There is none, or it is not understood.
    """
    one = _RollUp(file)
    read_polynomials(one.nodes, one.reading)
    states = states_of(one.reading, [value.name for value in file.proto.graph.output])
    if not states:
        return one.result()
    several = _RollUp(streamed(file, one.nodes, states).file)
    read_polynomials(several.nodes, several.reading)
    found = several.result()
    kept = ", ".join(f"input {name!r} and output {out!r}" for name, out in states.items())
    note = f"the file is one step; {timesteps} are run, and states are kept inside: {kept}"
    notes = tuple(text.replace("of the file is time", "is time") for text in found.notes)
    return replace(found, timesteps=timesteps, notes=(note, *notes), streamed=True)


class _RollUp:
    def __init__(self, file: ModelFile) -> None:
        self.file, graph = file, file.proto.graph
        live = live_part(graph)
        self.nodes = live.nodes
        known = {tensor.name for tensor in graph.initializer}
        used = live.tensors - known
        self.inputs = [value for value in graph.input if value.name in used]
        producers = {name: node for node in self.nodes for name in node.output if name}
        self.outputs, self.cut = _before_labels(
            [value.name for value in graph.output],
            producers,
            dict(zip(map(id, self.nodes), live.tail, strict=True)),
        )
        self.shapes = tensor_shapes(file.proto)
        expect_bounded(self.nodes, self.shapes)
        self.reading = Reading(
            constants(file, self.nodes, self.shapes),
            frozenset(value.name for value in self.inputs),
            producers,
        )

    def result(self) -> RolledUp:
        self.axes = self._time_axes()
        self.unrolled = recognise(self.nodes, self.reading, self.outputs)
        for value in self.inputs:
            self._expect_readable(value.name)
        values = reversed(self.reading.values.items())
        self.spikes = {leaf: name for name, v in values if (leaf := v.only_leaf) is not None}
        self.names = tuple(name_of(layer.membranes[0]) for layer in self.unrolled.layers)
        step, parts, shapes = self._step()
        graph = Builder(self.unrolled, step, parts, self.names, shapes, self.spikes).result()
        samples, proof = self._prove(graph)
        return RolledUp(
            graph=graph,
            timesteps=self.unrolled.steps,
            unrolled=self.unrolled,
            names=self.names,
            cut=self.cut,
            proof=proof,
            samples=samples,
            notes=tuple(self._notes()),
        )

    # -- inputs ----------------------------------------------------------------------------

    def _dims(self, name: str) -> list[int]:
        """Return the axes of an input, 0 for symbolic ones."""
        (value,) = (value for value in self.inputs if value.name == name)
        tensor = value.type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT:
            raise NotRecognisedError(f"input {name}: is not float32")
        return [max(int(dim.dim_value), 0) for dim in tensor.shape.dim]

    def _time_axes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in self.reading.slices.values():
            axis = part.axis % max(1, len(self._dims(part.source)))
            if found.setdefault(part.source, axis) != axis:
                raise NotRecognisedError(f"input {part.source}: is cut along two axes")
        return found

    def _expect_readable(self, name: str) -> None:
        dims, axis = self._dims(name), self.axes.get(name)
        batch = 1 if axis == 0 else 0
        if len(dims) < (2 if axis is None else 3):
            raise NotRecognisedError(f"input {name}: has no batch axis, or nothing beside time")
        if axis is not None and dims[axis] not in (0, self.unrolled.steps):
            raise NotRecognisedError(
                f"input {name}: has {dims[axis]} steps, the network {self.unrolled.steps}"
            )
        if any(not size for place, size in enumerate(dims) if place not in (batch, axis)):
            raise NotRecognisedError(f"input {name}: its sizes are symbolic")

    def _shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an input at one step, without the batch axis."""
        dims, axis = self._dims(name), self.axes.get(name)
        batch = 1 if axis == 0 else 0
        return tuple(size for place, size in enumerate(dims) if place not in (batch, axis))

    def _random(self, count: int, draw: Draw) -> dict[str, Array]:
        """Return samples as the network takes them."""
        rng = np.random.default_rng(0)
        found = {}
        for value in self.inputs:
            time = (self.unrolled.steps,) if value.name in self.axes else ()
            shape = (count, *time, *self._shape(value.name))
            found[value.name] = draw(rng.normal(size=shape)).astype(np.float32)
        return found

    def _feed(self, samples: Mapping[str, Array], index: int) -> dict[str, Array]:
        """Return one sample as the file takes it."""
        found = {}
        for name, x in samples.items():
            dims, axis = self._dims(name), self.axes.get(name)
            one = x[index : index + 1]
            if axis is not None:
                one = np.moveaxis(one, 1, axis) if axis else one.swapaxes(0, 1)
            batch = 1 if axis == 0 else 0
            found[name] = np.ascontiguousarray(np.repeat(one, max(dims[batch], 1), axis=batch))
        return found

    # -- what the file computes ------------------------------------------------------------

    def _recorder(self) -> Recorder:
        """Return what runs the file and gives membranes, spikes, parts of inputs and outputs."""
        layers = self.unrolled.layers
        wanted = [name for layer in layers for name in layer.membranes]
        wanted += [self.spikes[Leaf("spike", name)] for name in wanted]
        return Recorder(self.file.proto, [*wanted, *self.reading.slices, *self.outputs.values()])

    def _step(self) -> tuple[StepModel, dict[str, Part], tuple[Shape, ...]]:
        """Return the synapses of a step, what its inputs are, and the shapes of the layers."""
        shapes = tuple(self.shapes[layer.membranes[-1]][1:] for layer in self.unrolled.layers)
        readings = [
            (len(layer.membranes), d.sources)
            for layer, d in zip(self.unrolled.layers, self.unrolled.dynamics, strict=True)
        ]
        readings += [
            (r.integration.step, r.integration.sources)
            for r in self.unrolled.readouts.values()
            if r.integration
        ]
        sizes: dict[str, Shape] = {}
        parts: dict[str, Part] = {}
        currents = []
        for now, sources in readings:
            for source in sources:
                name = source.leaf.tensor
                if source.leaf.kind == "spike":
                    name = self.spikes[source.leaf]
                currents.append(name)
                for edge in self._boundary(name):
                    found = self._part(edge, now)
                    if parts.setdefault(edge, found) != found:
                        raise NotRecognisedError(f"{edge}: is read at different distances in time")
                    sizes[edge] = (
                        shapes[found.layer] if found.layer is not None else self._size(edge)
                    )
        model = step_model(
            self.file, self.nodes, currents, self._is_boundary, self.reading.constants, sizes
        )
        return model, {name: parts[name] for name in model.inputs}, shapes

    def _size(self, edge: str) -> Shape:
        return self.shapes[edge][1:] if edge in self.reading.slices else self._shape(edge)

    def _is_boundary(self, name: str) -> bool:
        if name in self.reading.slices or name in self.reading.inputs:
            return True
        value = self.reading.values.get(name)
        leaf = value.only_leaf if value is not None else None
        return leaf is not None and leaf.kind == "spike"

    def _boundary(self, name: str) -> list[str]:
        """Return the spikes and inputs that a tensor depends on directly."""
        found: dict[str, None] = {}
        stack, seen = [name], {name}
        while stack:
            edge = stack.pop()
            if self._is_boundary(edge):
                found[edge] = None
                continue
            leaf = self.reading.value(edge).only_leaf
            if leaf is not None and leaf.kind == "membrane" and edge != name:
                raise NotRecognisedError(f"{edge}: a membrane goes through more than its neurons")
            node = self.reading.producers.get(edge)
            for source in node.input if node is not None else ():
                if source and source not in seen and source not in self.reading.constants:
                    seen.add(source)
                    stack.append(source)
        return list(found)

    def _part(self, edge: str, now: int) -> Part:
        """Say what an input of a step is."""
        if edge in self.reading.slices:
            part = self.reading.slices[edge]
            if now - part.index - 1:
                raise NotRecognisedError(f"input {part.source}: is read late")
            if not part.squeezed and self.axes[part.source] != 1:
                raise NotRecognisedError(f"input {part.source}: keeps its axis of time")
            return Part(part.source, stepwise=True, shape=self._shape(part.source))
        if edge in self.reading.inputs:
            if edge in self.axes:
                raise NotRecognisedError(f"input {edge}: is read in steps and as a whole")
            return Part(edge, shape=self._shape(edge))
        leaf = self.reading.value(edge).only_leaf
        assert leaf is not None
        moment = self.unrolled.moments[leaf.tensor]
        return Part(self.names[moment.layer], now - moment.step, moment.layer)

    # -- proof -----------------------------------------------------------------------------

    def _prove(self, graph: Graph) -> tuple[dict[str, Array], Proof]:
        """Compare with the file, until every layer has fired; return the last samples, too."""
        feed = self._feed(self._random(SAMPLES, DRAWS[0]), 0)
        expect_runs(lambda: partial(self._recorder().run, feed), self.file.proto.ByteSize())
        recorder = self._recorder()
        stacked = {name: r.over == "steps" for name, r in self.unrolled.readouts.items()}
        proof: Proof | None = None
        for draw in DRAWS:
            samples = self._random(SAMPLES, draw)
            runs = [recorder.run(self._feed(samples, index)) for index in range(SAMPLES)]
            found = prove(graph, self.unrolled.steps, samples, self._original(runs), stacked)
            proof = proof.joined(found) if proof else found
            if proof.whole:
                break
        assert proof is not None
        return samples, proof

    def _original(self, runs: Sequence[Mapping[str, Array]]) -> Original:
        spikes, margins = {}, {}
        for name, layer in zip(self.names, self.unrolled.layers, strict=True):
            fired, above = [], []
            for membrane in layer.membranes:
                edge = self.spikes[Leaf("spike", membrane)]
                fired.append(np.stack([run[edge][0] for run in runs]).astype(np.int64))
                u = np.stack([run[membrane][0] for run in runs]).astype(np.float64)
                size = np.maximum(np.abs(u), np.max(np.abs(layer.firing.threshold)))
                theta = layer.firing.threshold
                above.append((u - (theta[0] if theta.ndim == u.ndim else theta)) / size)
            spikes[name], margins[name] = np.stack(fired), np.stack(above)
        outputs = {}
        for output, tensor in self.outputs.items():
            if self.unrolled.readouts[output].over == "steps":
                axis = self.reading.stacks[tensor].axis
                values = [np.moveaxis(run[tensor], axis, 0)[:, 0] for run in runs]
                outputs[output] = np.stack(values, axis=1)
            else:
                outputs[output] = np.stack([run[tensor][0] for run in runs])
        return Original(spikes, margins, outputs)

    def _notes(self) -> list[str]:
        found = [
            f"input {name!r}: axis {axis} of the file is time; samples are (batch, steps, "
            f"{', '.join(map(str, self._shape(name)))})"
            for name, axis in self.axes.items()
        ]
        found += [
            f"output {name!r} has a value for every step: all are in Result.decoded"
            for name, readout in self.unrolled.readouts.items()
            if readout.over == "steps"
        ]
        return found


def _before_labels(
    outputs: Sequence[str], producers: Mapping[str, NodeProto], tail: Mapping[int, bool]
) -> tuple[dict[str, str], tuple[Cut, ...]]:
    """Return for each output the tensor before its read-out, and what was cut off."""
    found: dict[str, str] = {}
    cut: list[Cut] = []
    for output in outputs:
        name = output
        labels: list[Cut] = []
        while (node := producers.get(name)) is not None and tail.get(id(node)):
            name = node.input[0]
            if node.op_type in READOUT:
                labels.insert(0, Cut(output, node.op_type, title(node)))
        found[output] = name if labels else output
        cut += labels
    return found, tuple(cut)
