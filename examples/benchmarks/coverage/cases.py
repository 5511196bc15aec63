"""The tests that the onnx package brings, and the forms in which each of them is tried.

A node test feeds all operands as inputs, often without a batch axis. A compiler from networks
wants one input, a batch first, and weights that are constant. So a test is tried as it is, with
every operand but one made constant, and with a batch axis of 1 in front; what the last form ought
to give is the expected output with that axis, and the form counts only where the onnx package's
own reference gives just that.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.backend.test import loader
from onnx.reference import ReferenceEvaluator

from snnc.ir import Array

_LISTED = """
    Add AveragePool BatchNormalization Clip Concat Conv ConvTranspose DepthToSpace Div Elu Expand
    Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid
    HardSwish Identity If InstanceNormalization LRN LayerNormalization LeakyRelu Loop MatMul Max
    MaxPool Min Mul PRelu Pad ReduceMax ReduceMean ReduceSum Relu Reshape Resize Sigmoid Slice
    Softmax Softplus Split Squeeze Sub Sum Swish Tanh Tile Transpose Unsqueeze Upsample Where
"""
LISTED = frozenset(_LISTED.split())
"""Operators whose node tests are run: those that models use and snnc means to take."""

TOLERANCE = 1e-5
"""Of the largest expected value: what is expected is float32, the import computes in float64."""


@dataclass(frozen=True)
class Form:
    """One way to put a test to the importer.

    Attributes:
        model: The model.
        inputs: The values of its inputs.
        wanted: The outputs it ought to have.
    """

    model: ModelProto
    inputs: tuple[Array, ...]
    wanted: tuple[Array, ...]


@dataclass(frozen=True)
class Case:
    """A test of one operator or layer.

    Attributes:
        name: Its name.
        kind: ``node``, ``function`` (the body that defines an operator, as a graph),
            ``pytorch-converted`` or ``pytorch-operator``.
        operator: The operator it is of; of a stored model, that of its last node.
        model: The model.
        inputs: Values of its inputs; None where they are no tensors.
        wanted: Expected outputs; None where they are no tensors.
    """

    name: str
    kind: str
    operator: str
    model: ModelProto
    inputs: tuple[Array, ...] | None
    wanted: tuple[Array, ...] | None

    def forms(self) -> Iterator[Form]:
        """Yield every form of the test, the test itself first."""
        if self.inputs is None or self.wanted is None:
            yield Form(self.model, (), ())
            return
        yield Form(self.model, self.inputs, self.wanted)
        for kept in range(len(self.inputs)):
            if len(self.inputs) > 1:
                yield Form(
                    _frozen(self.model, self.inputs, kept), (self.inputs[kept],), self.wanted
                )
            yield from _lifted(self.model, self.inputs, kept, self.wanted)


def node_cases() -> list[Case]:
    """Return the node tests of the listed operators, sorted by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the expected outputs as it loads
        tests = loader.load_model_tests(kind="node")
    models = {test.name: test.model for test in tests if test.model}
    single = {n: m.graph.node[0].op_type for n, m in models.items() if len(m.graph.node) == 1}
    cases = []
    for test in tests:
        operator = single.get(test.name) or single.get(test.name.partition("_expanded")[0], "")
        model = models[test.name]
        if operator not in LISTED or model.graph.node[0].domain not in ("", "ai.onnx"):
            continue
        kind = "node" if test.name in single else "function"
        given, wanted = (test.data_sets or [((), ())])[0]
        cases.append(Case(test.name, kind, operator, model, _arrays(given), _arrays(wanted)))
    return sorted(cases, key=lambda case: case.name)


def stored_cases(kind: str) -> list[Case]:
    """Return the tests ``pytorch-converted`` or ``pytorch-operator``, sorted by name."""
    cases = []
    for test in loader.load_model_tests(kind=kind):
        folder = str(test.model_dir)
        model = onnx.load(f"{folder}/model.onnx")
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in constants]
        given = _stored(folder, "input", len(inputs))
        wanted = _stored(folder, "output", len(model.graph.output))
        if model.ir_version >= 4:
            del model.graph.input[:]
            model.graph.input.extend(inputs)
        cases.append(Case(test.name, kind, model.graph.node[-1].op_type, model, given, wanted))
    return sorted(cases, key=lambda case: case.name)


def _stored(folder: str, what: str, count: int) -> tuple[Array, ...]:
    paths = [f"{folder}/test_data_set_0/{what}_{index}.pb" for index in range(count)]
    return tuple(numpy_helper.to_array(onnx.load_tensor(path)) for path in paths)


def _arrays(values: Any) -> tuple[Array, ...] | None:
    """Return the values of a test as arrays, or None where some are no tensors."""
    found = [numpy_helper.to_array(v) if isinstance(v, TensorProto) else v for v in values]
    if not all(isinstance(value, np.ndarray | np.generic) for value in found):
        return None
    return tuple(np.asarray(value) for value in found)


def _frozen(model: ModelProto, inputs: Sequence[Array], kept: int) -> ModelProto:
    """Return a model with all inputs but one constant."""
    frozen = ModelProto()
    frozen.CopyFrom(model)
    frozen.ir_version = max(model.ir_version, 4)  # before it every initializer is an input too
    given = [value for value in frozen.graph.input if value.name]
    del frozen.graph.input[:]
    for index, (value, array) in enumerate(zip(given, inputs, strict=False)):
        if index == kept:
            frozen.graph.input.append(value)
        else:
            frozen.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return frozen


# -- with a batch axis in front ---------------------------------------------------------------

_AXES_INPUT = {"Pad": 3, "Slice": 3, "Split": -1, "Resize": -1}
"""Which input of an operator names axes, where it is not the second."""


def _lifted(
    model: ModelProto, inputs: Sequence[Array], kept: int, wanted: Sequence[Array]
) -> Iterator[Form]:
    """Yield the forms with a batch axis of 1 in front of one operand, others constant."""
    outputs = tuple(array[None] for array in wanted)
    x = inputs[kept][None]
    for moved in (False, True):
        try:
            lifted = _with_batch(_frozen(model, inputs, kept), moved=moved)
            found = ReferenceEvaluator(lifted).run(None, {lifted.graph.input[0].name: x})
            same = [_equal(np.asarray(a), b) for a, b in zip(found, outputs, strict=True)]
        except Exception:  # of any class: the form makes no sense
            continue
        if all(same):
            yield Form(lifted, (x,), outputs)
            return


def _equal(found: Array, wanted: Array) -> bool:
    close = found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    return bool(close)


def _with_batch(model: ModelProto, *, moved: bool) -> ModelProto:
    """Return a model of one operator whose input has one more axis in front.

    Args:
        model: The model, of one input.
        moved: Whether the axes that the operator names are counted on by one.
    """
    for value in (*model.graph.input, *model.graph.output):
        _put_axis(value)
    del model.graph.value_info[:]
    if not moved:
        return model
    node = model.graph.node[0]
    for attribute in node.attribute:
        if attribute.name == "perm":
            attribute.ints[:] = [0, *(axis + 1 for axis in attribute.ints)]
        elif attribute.name == "axes":
            attribute.ints[:] = [axis + (axis >= 0) for axis in attribute.ints]
        elif attribute.name == "axis":
            attribute.i += attribute.i >= 0
    place = _AXES_INPUT.get(node.op_type, 1)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    if 0 < place < len(node.input) and node.input[place] in constants:
        tensor = constants[node.input[place]]
        axes = numpy_helper.to_array(tensor)
        if axes.dtype.kind == "i" and node.op_type not in ("Reshape", "Gather", "Tile", "Expand"):
            tensor.CopyFrom(numpy_helper.from_array(axes + (axes >= 0), tensor.name))
        elif node.op_type in ("Reshape", "Tile"):
            front = np.concatenate([np.ones(1, axes.dtype), axes])
            tensor.CopyFrom(numpy_helper.from_array(front, tensor.name))
    return model


def _put_axis(value: ValueInfoProto) -> None:
    tensor = value.type.tensor_type
    sizes = [dim.dim_value for dim in tensor.shape.dim]
    type = helper.make_tensor_type_proto(tensor.elem_type, [1, *sizes])
    value.type.CopyFrom(type)
