"""The oracle: an exact network is equal to its model, and whatever breaks that is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.float_rounding import Runtime
from snnc.compiler.integer_ann import IntegerANN
from snnc.compiler.oracle import integer_graph, verify_model
from snnc.ir import IF, Encoder, Linear, Node, Requantize, TrackingIF, reference
from snnc.ir.errors import ArtifactError, OptionError
from tests.command_line import Command
from tests.quantized_files import exact_network, samples, write_quantized

COUNT = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_quantized(tmp_path_factory.mktemp("model") / "small.onnx")


def test_integers_are_those_of_the_reference(model: Path) -> None:
    graph, x = integer_graph(model), samples(COUNT)
    expected = reference.evaluate(graph, x)
    found = IntegerANN(graph).evaluate(x)
    assert {"xq", "rq", "hq", "aq", "y"} <= set(found)
    for name, value in found.items():
        assert np.array_equal(value, expected[name]), name


def test_sums_beyond_every_float_are_computed_in_integers(model: Path) -> None:
    graph = integer_graph(model)
    node = graph[graph["y"].inputs[0]]
    assert isinstance(node, Linear)
    huge = graph.replace(node.name, replace(node, weight=node.weight * 2**50 + 1))
    x = samples(2)
    expected = reference.evaluate(huge, x)["y"]
    assert np.array_equal(IntegerANN(huge).evaluate(x)["y"], expected)


@pytest.mark.parametrize("cap", [1, 15])
def test_an_exact_network_is_equal(model: Path, cap: int) -> None:
    found = verify_model(exact_network(model, cap), model, samples(COUNT))
    assert found.equal
    assert found.first_difference is None
    assert found.outputs_compared == COUNT * 4
    assert found.values_compared == COUNT * (3 * 36 + 2 * 36 + 2 * 9)
    assert found.to_json()["onnxruntime"]["equal"]


def no_negative_spikes(node: TrackingIF) -> Node:
    return replace(node, max_negative=0)


def no_upper_bound(node: TrackingIF) -> Node:
    return replace(node, high=2**20)


def half_up(node: TrackingIF) -> Node:
    return replace(node, rounding="half_up")


def membrane(node: TrackingIF, **changes: object) -> Node:
    """Return the same neuron as an IF with a membrane; its multiplier goes into the threshold."""
    assert np.all(node.multiplier == node.multiplier.flat[0])
    factor = float(node.multiplier.flat[0])
    threshold, bias = node.threshold / factor, node.bias / factor
    neuron = IF(
        name=node.name,
        inputs=node.inputs,
        threshold=threshold,
        bias=np.zeros(1),
        initial=threshold / 2 + bias,
        max_positive=node.max_positive,
        max_negative=node.max_negative,
        acc_min=node.low,
        acc_max=node.high,
    )
    return replace(neuron, **changes)  # type: ignore[arg-type]


def deadband(node: TrackingIF) -> Node:
    return membrane(node, deadband=1)


def bias_at_every_step(node: TrackingIF) -> Node:
    once = membrane(node)
    assert isinstance(once, IF)
    return replace(once, bias=once.initial - once.threshold / 2, initial=once.threshold / 2)


@pytest.mark.parametrize(
    ("node", "violation", "reason"),
    [
        ("hq", no_negative_spikes, "no negative payloads"),
        ("rq", no_upper_bound, "high differ"),
        ("aq", half_up, "rounding differ"),
        ("hq", deadband, "did not arrive"),
        ("rq", bias_at_every_step, "did not arrive"),
    ],
)
def test_every_violation_is_caught(
    model: Path, node: str, violation: Callable[[TrackingIF], Node], reason: str
) -> None:
    right = exact_network(model, cap=1).graph
    broken = right[node]
    assert isinstance(broken, TrackingIF)
    graph = right.replace(node, violation(broken))
    found = verify_model(exact_network(model, 1, graph), model, samples(COUNT))
    assert not found.equal
    first = found.first_difference
    assert first is not None
    assert first.node == node
    assert reason in first.reason
    assert first.channel == first.index[0]


def test_a_membrane_alone_is_no_violation(model: Path) -> None:
    """What the two membranes above are caught for is not that they have one."""
    right = exact_network(model, cap=1).graph
    node = right["hq"]
    assert isinstance(node, TrackingIF)
    graph = right.replace("hq", membrane(replace(node, rounding="half_up")))
    found = verify_model(exact_network(model, 1, graph), model, samples(COUNT)).first_difference
    # Ties are rounded up, which moves a value by one; a dead band or a bias moves it further.
    assert found is None or abs(found.expected - found.actual) == 1


def test_too_few_steps_are_named(model: Path) -> None:
    network = exact_network(model, cap=1)
    short = replace(
        network,
        artifact=replace(network.artifact, timesteps=2),
        program=NumpyBackend().lower(network.graph, 2),
    )
    first = verify_model(short, model, samples(COUNT)).first_difference
    assert first is not None
    assert first.node == "rq"
    assert "not settled" in first.reason


def test_an_input_quantised_otherwise_is_named(model: Path) -> None:
    graph = exact_network(model).graph
    encoder = graph["xq"]
    assert isinstance(encoder, Encoder)
    network = exact_network(model, graph=graph.replace("xq", replace(encoder, bounds=(0, 100))))
    first = verify_model(network, model, samples(COUNT)).first_difference
    assert first is not None
    assert (first.node, first.actual) == ("xq", 100)
    assert "input" in first.reason


def test_another_model_is_refused(model: Path, tmp_path: Path) -> None:
    other = write_quantized(tmp_path / "other.onnx", seed=1)
    with pytest.raises(ArtifactError, match="hash"):
        verify_model(exact_network(model), other, samples(1))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"code": "ternary"}, "ternary"),
        ({"code": "exact", "quantize": 8}, "--quantize"),
        ({"code": "exact", "approximate": True}, "--approximate"),
    ],
)
def test_what_does_not_claim_to_be_equal_is_refused(
    model: Path, options: dict[str, object], reason: str
) -> None:
    network = exact_network(model)
    manifest = {**network.artifact.manifest, "options": options}
    network = replace(network, artifact=replace(network.artifact, manifest=manifest))
    with pytest.raises(OptionError, match=reason):
        verify_model(network, model, samples(1))


def test_differences_to_onnx_runtime_are_traced(model: Path) -> None:
    ann, x = IntegerANN(integer_graph(model)), samples(COUNT)
    runtime = Runtime(model, ann)
    exact = ann.evaluate(x)
    runtime.compare(x, exact)
    assert runtime.result().to_json()["equal"]
    # What nothing explains is said: here the integers themselves are wrong by one.
    wrong = ann.graph["rq"]
    assert isinstance(wrong, Requantize)
    shifted = replace(wrong, bias=wrong.bias + wrong.threshold)
    off = IntegerANN(ann.graph.replace("rq", shifted))
    runtime = Runtime(model, off)
    runtime.compare(x, off.evaluate(x))
    said = runtime.result().to_json()
    assert not said["equal"]
    assert said["unexplained"] > 0


def test_the_command_compares_with_the_model(command: Command, model: Path) -> None:
    assert command("compile", model, "--code", "exact", "-o", "out").status == 0
    np.savez("samples.npz", **samples(COUNT))
    found = command("verify", "out", "--model", model, "--data", "samples.npz", "--json")
    assert found.status == 0, found.err
    assert found.json["equal"]
    assert found.json["samples"] == COUNT
    assert found.json["first_difference"] is None
    assert found.json["onnxruntime"]["max_difference_lsb"] == 0
    # Without data the golden samples are taken.
    assert "against the quantised model" in command("verify", "out", "--model", model).out


def test_the_command_names_the_first_difference(command: Command, model: Path) -> None:
    words = ("--code", "exact", "--max-payload", 1, "--timesteps", 2)
    assert command("compile", model, *words, "-o", "out").status == 0
    found = command("verify", "out", "--model", model)
    assert found.status == 1
    assert "first difference: sample 0, node 'rq', channel" in found.out
    assert "not settled" in found.out


def test_the_command_refuses_other_codes_on_data(command: Command, model: Path) -> None:
    assert command("compile", model, "--code", "ternary", "-o", "out").status == 0
    np.savez("samples.npz", **samples(2))
    found = command("verify", "out", "--model", model, "--data", "samples.npz")
    assert found.status == 2
    assert "ternary" in found.err


def test_a_file_with_a_fixed_batch_is_run_in_portions(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 5
    fixed = tmp_path / "fixed.onnx"
    onnx.save(proto, fixed)
    said = verify_model(exact_network(fixed), fixed, samples(COUNT)).to_json()["onnxruntime"]
    assert said["equal"]
    assert said["outputs"]["compared"] == COUNT * 4
