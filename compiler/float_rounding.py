r"""How ONNX Runtime's run of a quantised model differs from the integers, and why.

ONNX Runtime computes a QDQ model in float32: it sums rounded products and rounds the sum to a
level. The integer semantics round nothing before the level. Both agree but where the exact value
lies so close to the middle between two levels that float32 falls on the other side. Every layer is
therefore computed twice: from the integers of the layer before, and from what ONNX Runtime has
there. A difference of the second kind arose in this layer, and must be

- a tie: the exact value lies in the middle, which float32 missed, or
- a rounding: it lies nearer to the middle than float32 sums may err.

The others were carried in by earlier differences. The bound on the error of a sum of n products is
:math:`(n + c) u \sum |w_i x_i|` with :math:`u = 2^{-24}` (Higham, *Accuracy and Stability of
Numerical Algorithms*, section 3.1); c covers scales, bias and the division by the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..backends.onnx_runtime.library import load_onnxruntime
from ..ir import Array, Conv, Input, Linear, MaxPool, Node
from ..ir.quantized import Dequantize, Quantize, Requantize, drive, quantized
from ..ir.reference import step, working
from .integer_ann import IntegerANN

UNIT = 2.0**-24
"""Relative error of one float32 rounding."""

FURTHER = 16
"""Roundings of a value beside those of its sum: scales, bias, additions of branches, division."""

NUMPY_TYPES = {
    f"tensor({name})": np.dtype("float32" if name == "float" else name)
    for name in ("float", "float16", "int8", "uint8", "int16", "uint16")
}
"""The types that a model may take its input in."""

ZERO_POINTS = {
    "QuantizeLinear": 2,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "QGemm": 8,
    "QLinearAdd": 7,
    "QLinearMul": 7,
    "QLinearAveragePool": 4,
    "QLinearGlobalAveragePool": 4,
    "QLinearReduceMean": 4,
    "QLinearSigmoid": 4,
    "QLinearConcat": 1,
}
"""Where the zero point of the output stands among an operator's inputs."""


@dataclass
class Layer:
    """What was found at one quantised value; counts are over all samples.

    Attributes:
        node: The tensor's name.
        values: Values compared.
        differing: Values that differ from the integers.
        largest: Largest difference, in levels.
        arising: Largest difference that arose here, in levels.
        ties: Differences that arose here at a tie.
        rounding: Differences that arose here from float32 rounding.
        unexplained: Differences that arose here from something else.
    """

    node: str
    values: int = 0
    differing: int = 0
    largest: int = 0
    arising: int = 0
    ties: int = 0
    rounding: int = 0
    unexplained: int = 0


@dataclass(frozen=True)
class Comparison:
    """What a comparison with ONNX Runtime found.

    Attributes:
        layers: Each quantised value.
        outputs: Number of outputs compared.
        differing_outputs: Outputs that, divided by the scale of their sums and rounded, are other
            integers.
        largest_output: Largest difference of an output, ANN units.
        missing: Nodes whose tensor the file does not have under this name.
        skipped: Why ONNX Runtime could not run the file, or "".
    """

    layers: tuple[Layer, ...] = ()
    outputs: int = 0
    differing_outputs: int = 0
    largest_output: float = 0.0
    missing: tuple[str, ...] = ()
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; without a run everything is null.

        ``max_difference_lsb`` is the largest difference that arises at one layer, from equal
        inputs; ``max_carried_lsb`` also counts what differences in earlier layers lead to.
        """
        if self.skipped:
            return {"equal": None, "skipped": self.skipped}
        total = {
            key: sum(getattr(layer, key) for layer in self.layers)
            for key in ("values", "differing", "ties", "rounding", "unexplained")
        }
        return {
            "equal": not total["differing"] and not self.differing_outputs,
            "differing_values": total["differing"],
            "max_difference_lsb": max((layer.arising for layer in self.layers), default=0),
            "max_carried_lsb": max((layer.largest for layer in self.layers), default=0),
            "values_compared": total["values"],
            "ties": total["ties"],
            "rounding": total["rounding"],
            "unexplained": total["unexplained"],
            "share": total["differing"] / max(1, total["values"]),
            "outputs": {
                "compared": self.outputs,
                "differing": self.differing_outputs,
                "max_difference": self.largest_output,
            },
            "layers": [asdict(layer) for layer in self.layers if layer.differing],
            "not_compared": list(self.missing),
        }


@dataclass
class Runtime:
    """ONNX Runtime on the file itself, graph optimisation disabled, all quantised tensors read.

    Attributes:
        model: The file.
        ann: The same model in integers.
        fixed_inputs: Numbers of inputs that it was compiled with.
    """

    model: Path
    ann: IntegerANN
    fixed_inputs: Mapping[str, Sequence[float]] | None = None
    found: dict[str, Layer] = field(default_factory=dict)
    summary: Comparison = field(default_factory=Comparison)

    def __post_init__(self) -> None:
        from .onnx_import.file import read

        onnxruntime = load_onnxruntime()

        proto = read(self.model, fixed_inputs=self.fixed_inputs).proto
        self.tensors = instrument(proto, self.ann)
        quantised = [n.name for n in self.ann.graph if isinstance(n, (Quantize, Requantize))]
        self.found = {name: Layer(name) for name in quantised if name in self.tensors}
        self.summary = Comparison(missing=tuple(n for n in quantised if n not in self.tensors))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no class but this
            reason = str(error).strip().splitlines()[0]
            self.summary = Comparison(skipped=f"ONNX Runtime cannot run the model: {reason}")

    def compare(self, samples: Mapping[str, Array], exact: Mapping[str, Array]) -> None:
        """Compare some samples.

        Args:
            samples: For each input, ``(samples, *shape)``.
            exact: The values of the integer graph.
        """
        if self.summary.skipped:
            return
        given = self._run(samples)
        values: dict[str, Array] = {}
        for node in self.ann.graph:
            if isinstance(node, Input):
                values[node.name] = np.asarray(samples[node.name], np.float64)
                continue
            arguments = [values[name] for name in node.inputs]
            value = self.ann.value(node, arguments)
            if isinstance(node, Dequantize) and node.name in given:
                self._output(node, exact[node.name], given[node.name])
            elif node.name in self.found:
                actual = given[node.name].astype(np.int64)
                self._layer(node, values, value, actual, exact[node.name])
                value = actual
            values[node.name] = value

    def _run(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        """Return what ONNX Runtime has at every tensor that is read."""
        sides = self.session.get_inputs()
        count = len(next(iter(samples.values())))
        # A file may fix the batch size: samples are then run in portions, the last one filled up.
        batch = next((side.shape[0] for side in sides if isinstance(side.shape[0], int)), count)
        fed = {
            side.name: samples[side.name].astype(NUMPY_TYPES[side.type])
            for side in sides
            if side.name in samples
        }
        parts = []
        for begin in range(0, count, batch):
            chosen = np.minimum(np.arange(begin, begin + batch), count - 1)
            part = {name: x[chosen] for name, x in fed.items()}
            parts.append(self.session.run(list(self.tensors.values()), part))
        arrays = (np.concatenate(found)[:count] for found in zip(*parts, strict=True))
        return dict(zip(self.tensors, arrays, strict=True))

    def result(self) -> Comparison:
        """Return what all comparisons so far found."""
        return replace(self.summary, layers=tuple(self.found.values()))

    def _output(self, node: Dequantize, exact: Array, actual: Array) -> None:
        units, wanted = np.rint(actual / node.scale), np.rint(exact / node.scale)
        largest = float(np.abs(actual - exact).max(initial=0.0))
        self.summary = replace(
            self.summary,
            outputs=self.summary.outputs + actual.size,
            differing_outputs=self.summary.differing_outputs + int((units != wanted).sum()),
            largest_output=max(self.summary.largest_output, largest),
        )

    def _layer(
        self, node: Node, values: Mapping[str, Array], local: Array, actual: Array, exact: Array
    ) -> None:
        layer = self.found[node.name]
        layer.values += actual.size
        layer.differing += int((actual != exact).sum())
        layer.largest = max(layer.largest, int(np.abs(actual - exact).max(initial=0)))
        arose = actual != local
        if not arose.any():
            return
        layer.arising = max(layer.arising, int(np.abs(actual - local).max()))
        rows = np.flatnonzero(arose.reshape(len(arose), -1).any(axis=1))
        here = arose[rows]
        tie, near = self._causes(node, {k: v[rows] for k, v in values.items()}, actual[rows])
        layer.ties += int((here & tie).sum())
        layer.rounding += int((here & ~tie & near).sum())
        layer.unexplained += int((here & ~tie & ~near).sum())

    def _causes(
        self, node: Node, values: Mapping[str, Array], actual: Array
    ) -> tuple[Array, Array]:
        """Return where values are ties, and where float32 may round to what was found."""
        if isinstance(node, Quantize):
            x, size = scaled(node, values[node.inputs[0]])
            slack = FURTHER * UNIT * size
            floor = node.rounding == "floor"
            rounded = np.floor if floor else np.rint
            tie = x - np.floor(x) == (0 if floor else 0.5)
            below, above = (
                np.clip(rounded(x + side * slack) + node.offset, node.low, node.high)
                for side in (-1, 1)
            )
            return tie, np.asarray((below <= actual) & (actual <= above))
        assert isinstance(node, Requantize)
        total = drive(node, [values[name] for name in node.inputs])
        units = self._slack(node, values).astype(np.int64) + 1
        near = (quantized(node, total - units) <= actual) & (
            actual <= quantized(node, total + units)
        )
        if node.edges is not None:
            return np.isin(total, node.edges), near
        return 2 * (total % node.threshold) == node.threshold, near

    def _slack(self, node: Requantize, values: Mapping[str, Array]) -> Array:
        """Return how far a float32 computation of a drive may be from it, in its units."""
        size: Array = np.abs(np.asarray(node.bias, np.float64))
        taps = 0
        for multiplier, name in zip(node.multiplier, node.inputs, strict=True):
            synapse = self.ann.graph[name]
            magnitude: Array = np.abs(np.asarray(values[name], np.float64))
            if isinstance(synapse, (Conv, Linear)):
                taps = max(taps, int(synapse.weight[0].size))
                positive = replace(synapse, weight=np.abs(synapse.weight), name="magnitude")
                read = np.abs(working(values[synapse.inputs[0]], synapse.weight))
                magnitude = np.asarray(step(positive, [read], {}, 1), np.float64)
            size = np.asarray(size + np.abs(multiplier) * magnitude)
        return np.asarray((taps + FURTHER) * UNIT * size)


def scaled(node: Quantize, x: Array) -> tuple[Array, Array]:
    """Return an input in steps of its quantiser, and the magnitude that its rounding follows."""
    product = x if node.gain is None else x * node.gain
    shift = 0.0 if node.shift is None else node.shift
    return (product + shift) / node.scale, (np.abs(product) + np.abs(shift)) / node.scale


def instrument(proto: onnx.ModelProto, ann: IntegerANN) -> dict[str, str]:
    """Make every quantised value, and the real outputs, an output of a model; changes it.

    A quantised tensor is read through a DequantizeLinear of scale 1: whole numbers, the zero point
    taken off, for every integer type.

    Returns:
        For each node of the integer graph that has a tensor, the name of the output.
    """
    graph = proto.graph
    producers = {name: node for node in graph.node for name in node.output}
    for value in list(graph.output):
        graph.output.remove(value)
    found = {}
    for node in ann.graph:
        producer = producers.get(node.name)
        if producer is None or isinstance(node, (Conv, Linear, MaxPool)):
            continue
        if isinstance(node, Dequantize):
            found[node.name] = node.name
        elif producer.op_type in ZERO_POINTS:
            found[node.name] = _whole_numbers(graph, producer, node.name)
    for name in found.values():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return found


def _whole_numbers(graph: onnx.GraphProto, producer: onnx.NodeProto, tensor: str) -> str:
    place = ZERO_POINTS[producer.op_type]
    zero = producer.input[place] if place < len(producer.input) else ""
    shape = next((list(t.dims) for t in graph.initializer if t.name == zero), [])
    one = f"{tensor}.one"
    graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), one))
    axis = [helper.get_attribute_value(a) for a in producer.attribute if a.name == "axis"]
    graph.node.append(
        helper.make_node(
            "DequantizeLinear",
            [tensor, one, *([zero] if zero else [])],
            [f"{tensor}.whole"],
            domain=producer.domain if producer.op_type == "QuantizeLinear" else "",
            **({"axis": axis[0]} if axis and shape else {}),
        )
    )
    return f"{tensor}.whole"
