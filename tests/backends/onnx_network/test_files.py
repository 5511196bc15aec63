"""The files of target ``onnx``, in ONNX Runtime alone: whole runs, and one step at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto

from snnc.backends.onnx_network import OnnxBackend
from snnc.backends.onnx_network.program import INITIAL_STATE, NETWORK, STEP
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import Array, Graph, Input, latency
from snnc.ir.reference import at_step, elements, run
from tests.exact_graphs import EXACT, exact_inputs
from tests.leaky_graphs import leaky_graph, leaky_inputs, loihi_graph
from tests.recurrent_graphs import RECURRENT, sequences
from tests.spiking_graphs import (
    SCHEDULES,
    TIMESTEPS,
    hard_reset_graph,
    random_graph,
    random_inputs,
    scheduled_graph,
)

GRAPHS: dict[str, Callable[[], Graph]] = {
    "integer": lambda: random_graph(3),
    "real": lambda: random_graph(3, integer=False),
    "hard reset": lambda: hard_reset_graph(1),
    **{
        kind: partial(scheduled_graph, 2, kind, integer=kind != "differential")
        for kind in SCHEDULES
    },
    "exact": lambda: EXACT["pooled"](3),
    "sequence": lambda: RECURRENT["state"](9),
    "memoryless": lambda: RECURRENT["memoryless"](9),
    "leaky": lambda: leaky_graph(9),
    "leaky, by step": lambda: leaky_graph(13),
    "loihi": lambda: loihi_graph(1),
    "loihi, by step": lambda: loihi_graph(2),
}
EACH = pytest.mark.parametrize("name", GRAPHS)


def inputs_of(name: str, graph: Graph, samples: int) -> dict[str, Array]:
    if name in ("sequence", "memoryless"):
        return {key: x.astype(np.float32) for key, x in sequences(graph, samples).items()}
    if name == "exact":
        return {key: x.astype(np.float32) for key, x in exact_inputs(graph, samples).items()}
    if "leaky" in name or "loihi" in name:
        found = leaky_inputs(graph, 5, samples, TIMESTEPS)
        return {key: x.astype(np.float32) for key, x in found.items()}
    return random_inputs(graph, 5, samples)


def operators(graph: GraphProto) -> set[tuple[str, str]]:
    """Return the domains and names of all operators, those of bodies included."""
    found = set()
    for node in graph.node:
        found.add((node.domain, node.op_type))
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                found |= operators(attribute.g)
    return found


@EACH
def test_files_are_valid_and_have_standard_operators_and_any_batch(
    name: str, tmp_path: Path
) -> None:
    OnnxBackend().lower(GRAPHS[name](), TIMESTEPS).save(tmp_path)
    for file in (NETWORK, STEP, INITIAL_STATE):
        model = onnx.load(tmp_path / file)
        onnx.checker.check_model(model, full_check=True)
        assert {domain for domain, _ in operators(model.graph)} == {""}
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
        assert [p.value for p in model.metadata_props if p.key == "timesteps"] == [str(TIMESTEPS)]
        for value in model.graph.output:
            sizes = value.type.tensor_type.shape.dim
            assert not sizes or sizes[0].dim_param, "the batch is free"


@pytest.mark.parametrize("samples", [1, 3])
@EACH
def test_a_whole_run_is_that_of_the_reference(name: str, samples: int, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    inputs = inputs_of(name, graph, samples)
    OnnxBackend().lower(graph, TIMESTEPS).save(tmp_path)
    found = AnnSession((tmp_path / NETWORK).read_bytes()).run_once(inputs)
    assert found.keys() == graph.outputs.keys()
    for key, trace in run(graph, inputs, TIMESTEPS).outputs.items():
        assert trace[-1].any()
        np.testing.assert_array_equal(found[key], trace[-1].astype(found[key].dtype))


@EACH
def test_step_by_step_is_that_of_the_reference(name: str, tmp_path: Path) -> None:
    graph, samples = GRAPHS[name](), 2
    inputs = inputs_of(name, graph, samples)
    OnnxBackend().lower(graph, TIMESTEPS).save(tmp_path)
    step = AnnSession((tmp_path / STEP).read_bytes())
    states = AnnSession((tmp_path / INITIAL_STATE).read_bytes()).run_once({"batch": np.array([2])})
    expected = run(graph, inputs, TIMESTEPS).outputs
    for element in elements(graph, inputs):
        for t in range(TIMESTEPS + latency(graph)):
            given = {n.name: at_step(n, element[n.name], t + 1) for n in graph.of_type(Input)}
            found = step.run_once({**given, **states})
            states = {key: found[key.replace("state.", "next.", 1)] for key in states}
            last = {key: trace[t].astype(found[key].dtype) for key, trace in expected.items()}
    for key, trace in last.items():  # of a sequence, those of its last element
        np.testing.assert_array_equal(found[key], trace)


def test_an_input_may_change_from_step_to_step(tmp_path: Path) -> None:
    """Membranes go on from where they are: two halves of one run are the whole."""
    graph = random_graph(3)
    inputs = random_inputs(graph, 5, 2)
    OnnxBackend().lower(graph, TIMESTEPS).save(tmp_path)
    step = AnnSession((tmp_path / STEP).read_bytes())
    states = AnnSession((tmp_path / INITIAL_STATE).read_bytes()).run_once({"batch": np.array([2])})
    answers = []
    for scale in (1, 0):
        moved = {name: x * scale for name, x in inputs.items()}
        found = step.run_once({**moved, **states})
        states = {key: found[key.replace("state.", "next.", 1)] for key in states}
        answers.append(found["y"])
    constant = run(graph, inputs, 2).outputs["y"].astype(np.float32)
    np.testing.assert_array_equal(answers[0], constant[0])
    assert (answers[1] != constant[1]).any()


def test_weights_are_stored_as_the_integers_they_are(tmp_path: Path) -> None:
    graph = random_graph(3)
    OnnxBackend().lower(graph, TIMESTEPS).save(tmp_path)
    model = onnx.load(tmp_path / NETWORK)
    kinds = {array.data_type for array in model.graph.initializer if len(array.dims) == 4}
    assert kinds <= {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
    assert onnx.TensorProto.INT8 in kinds
