"""From real quantised ANNs to integers: factors, ties, edges, and everything that is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.compiler.passes.integer_weights import integer_weights
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import (
    Add,
    Affine,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Graph,
    Input,
    Linear,
    Node,
    Requantize,
    Reshape,
    Staircase,
    TensorType,
)
from snnc.ir.errors import ConversionError
from snnc.ir.reference import evaluate

ROUGH, ROUGHER = 0.3141, 0.7237
"""Steps without ties: no sum of small multiples of one lies half-way between two of the other."""


def stairs(name: str, source: str, step: Any = 0.25, **fields: object) -> Staircase:
    settings = {"low": -8, "high": 7, "rounding": "half_even", **fields}
    return Staircase(name=name, inputs=(source,), step=np.atleast_1d(step), **settings)  # type: ignore[arg-type]


def image(*nodes: Node, output: str | None = None) -> Graph:
    """Return a graph whose input is quantised to steps of 1/4 as ``q``."""
    source = Input(name="x", type=TensorType((2, 4, 4)))
    return Graph([source, stairs("q", "x"), *nodes], {"y": output or nodes[-1].name})


def conv(name: str, source: str, **fields: object) -> Conv:
    rng = np.random.default_rng(1)
    weight = rng.integers(-7, 8, (3, 2, 3, 3)) * 0.125
    settings = {"weight": weight, "weight_scale": np.full(1, 0.125), **fields}
    return Conv(name=name, inputs=(source,), **settings)  # type: ignore[arg-type]


def samples(graph: Graph) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(2)
    return {n.name: 2 * rng.standard_normal((20, *n.type.shape)) for n in graph.of_type(Input)}


def test_a_tie_of_a_mean_stays_a_tie() -> None:
    """A mean over 6 places is no binary fraction; its halves still go to the even neighbour."""
    pool = AveragePool(name="p", inputs=("q",), kernel=(2, 3), count_include_pad=True)
    graph = image(pool, stairs("y", "p"))
    whole = ToInteger()(graph)
    x = {"x": np.zeros((4, 2, 4, 4))}
    x["x"][:, :, 0, 0] = 0.25 * np.array([3, 9, -3, -9])[:, None] / 1  # sums of 3, 7 (cut), ...
    x["x"][1, :, 0, 1] = 0.25 * 2
    x["x"][3, :, 0, 1] = 0.25 * -1
    found = evaluate(whole, x)["y"][:, 0, 0, 0]
    assert found.tolist() == [0, 2, 0, -2], "3/6, 9/6, -3/6 and -9/6, half to even"


def test_borders_of_an_average_pool_divide_by_what_they_hold() -> None:
    pool = AveragePool(name="p", inputs=("q",), kernel=(3, 3), padding=(1, 1, 1, 1))
    graph = image(pool, stairs("y", "p", 0.1))
    x = samples(graph)
    real, whole = evaluate(graph, x), evaluate(ToInteger()(graph), x)
    np.testing.assert_array_equal(whole["y"], np.rint(real["y"] / 0.1))


def test_branches_with_steps_of_their_own_have_a_multiplier_each() -> None:
    graph = image(
        conv("c", "q", padding=(1, 1, 1, 1)),
        stairs("a", "c", ROUGH),
        Conv(name="s", inputs=("q",), weight=np.ones((3, 2, 1, 1)), weight_scale=np.ones(1)),
        Affine(
            name="g", inputs=("s",), scale=np.array([-1, 0.5, 2]).reshape(3, 1, 1), shift=np.ones(1)
        ),
        Add(name="j", inputs=("a", "g")),
        stairs("y", "j", ROUGHER),
    )
    x = samples(graph)
    real, integer = evaluate(graph, x), ToInteger()(graph)
    node = integer["y"]
    assert isinstance(node, Requantize)
    assert node.multiplier.shape == (2, 3, 1, 1)
    np.testing.assert_array_equal(evaluate(integer, x)["y"], np.rint(real["y"] / ROUGHER))


def test_joined_branches_are_summed_apart() -> None:
    """The reader of a join has one synapse for each step, and the join itself is gone."""
    graph = image(
        conv("c", "q", padding=(1, 1, 1, 1)),
        stairs("a", "c", ROUGH),
        Concat(name="j", inputs=("q", "a")),
        Conv(
            name="d",
            inputs=("j",),
            weight=np.ones((1, 5, 1, 1)) * 0.5,
            weight_scale=np.full(1, 0.5),
        ),
        stairs("y", "d", ROUGHER),
    )
    x = samples(graph)
    integer = ToInteger()(graph)
    assert not integer.of_type(Concat)
    assert len(integer["y"].inputs) == 2
    np.testing.assert_array_equal(
        evaluate(integer, x)["y"], np.rint(evaluate(graph, x)["y"] / ROUGHER)
    )


@pytest.mark.parametrize("function", ["tanh", "sigmoid", "leaky_relu"])
@pytest.mark.parametrize("step", [1 / 7, 1 / 15, 0.3])
def test_edges_of_a_function_are_where_its_rounded_value_changes(
    function: str, step: float
) -> None:
    graph = image(conv("c", "q"), stairs("y", "c", step, function=function, slope=13 / 128))
    x = samples(graph)
    real, whole = evaluate(graph, x), evaluate(ToInteger()(graph), x)
    np.testing.assert_array_equal(whole["y"], np.rint(real["y"] / step))


def test_one_bit_with_a_sign() -> None:
    """Plus or minus 1/4, at the input and at the output: zero is plus."""
    bit = {"step": np.full(1, 0.5), "low": 0, "high": 1, "offset": 1.0}
    unshifted = {"scale": np.ones(1), "shift": np.full(1, -0.25)}
    graph = Graph(
        [
            Input(name="x", type=TensorType((2, 4, 4))),
            Staircase(name="s", inputs=("x",), **bit),  # type: ignore[arg-type]
            Affine(name="q", inputs=("s",), **unshifted),
            conv("c", "q"),
            Staircase(name="t", inputs=("c",), **bit),  # type: ignore[arg-type]
            Affine(name="y", inputs=("t",), **unshifted),
        ],
        {"y": "y"},
    )
    x = samples(graph)
    x["x"][0] = 0
    x["x"][1] = -1e-9
    notes: list[str] = []
    found = evaluate(ToInteger(notes.append)(run_passes(graph, SIMPLIFY)), x)["y"]
    np.testing.assert_array_equal(found, evaluate(graph, x)["y"])
    assert set(np.unique(found)) == {-0.25, 0.25}
    assert not notes


def test_a_tie_of_a_function_falls_as_it_does_in_the_staircase() -> None:
    """sigmoid(0) is 1/2, the middle between 7 and 8 fifteenths: the even one is 8."""
    graph = image(conv("c", "q"), stairs("y", "c", 1 / 15, function="sigmoid", low=0, high=15))
    found = evaluate(ToInteger()(graph), {"x": np.zeros((1, 2, 4, 4))})["y"]
    assert np.all(found == 8)


def test_weights_that_come_without_a_scale() -> None:
    def weights(*rows: tuple[float, ...]) -> Linear:
        return Linear(name="w", weight=np.array(rows))

    same = integer_weights(weights((0.3, 0, -0.3), (0.3, 0.3, 0.3)))
    assert same is not None
    np.testing.assert_array_equal(same[0], [[1, 0, -1], [1, 1, 1]])
    multiples = integer_weights(weights((0.2, -0.4, 0.6), (0.3, 0.0, 1.5)))
    assert multiples is not None
    np.testing.assert_array_equal(multiples[0], [[1, -2, 3], [1, 0, 5]])
    np.testing.assert_allclose(
        multiples[0] * multiples[1][:, None], [[0.2, -0.4, 0.6], [0.3, 0, 1.5]]
    )
    assert integer_weights(weights((0.1234, 0.7, 0.51))) is None
    wrong = Linear(name="w", weight=np.array([[0.26]]), weight_scale=np.full(1, 0.25))
    assert integer_weights(wrong) is None


def test_everything_that_is_not_quantised_is_named_at_once() -> None:
    rng = np.random.default_rng(0)
    graph = Graph(
        [
            Input(name="x", type=TensorType((2, 4, 4))),
            Conv(name="c", inputs=("x",), weight=rng.standard_normal((3, 2, 3, 3))),
            Clip(name="r", inputs=("c",)),
            Conv(name="d", inputs=("r",), weight=np.ones((1, 3, 1, 1))),
            stairs("s", "d", high=None),
            Conv(name="y", inputs=("s",), weight=np.ones((1, 1, 1, 1))),
        ],
        {"y": "y"},
    )
    with pytest.raises(ConversionError) as caught:
        ToInteger()(graph)
    found = [problem.message for problem in caught.value.problems]
    assert found == [
        "x: is read without being quantised",
        "c: its weights are not quantised",
        "r: its values are not quantised",
        "s: has no lowest or no highest level",
    ]
    assert all(problem.hint for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [conv("c", "q"), conv("d", "c", weight=np.ones((1, 3, 1, 1)))],
            "c: is read by what needs",
        ),
        ([stairs("s", "q", low=1)], "s: has levels 1 to 7, without 0"),
        ([conv("c", "q"), stairs("s", "c", 1e-16)], "s: adds up values that reach further"),
        (
            [conv("c", "q"), stairs("s", "c", 1 / 7 * np.ones((3, 1, 1)), function="tanh")],
            "s: rounds tanh with a step for each channel",
        ),
        (
            [
                conv("c", "q", padding=(1, 1, 1, 1)),
                stairs("a", "c", ROUGH),
                Conv(name="s", inputs=("q",), weight=np.ones((3, 2, 1, 1))),
                Add(name="j", inputs=("a", "s")),
            ],
            "j: is an output that adds up values with different steps",
        ),
    ],
)
def test_what_cannot_be_exact_is_refused_with_the_reason(nodes: list[Node], reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        ToInteger()(image(*nodes))


def test_a_bias_at_the_output_is_reported_where_it_is_rounded() -> None:
    def notes(bias: float) -> list[str]:
        found: list[str] = []
        ToInteger(found.append)(image(conv("c", "q", bias=np.full(3, bias))))
        return found

    assert notes(0.125 * 0.25 * 7) == []
    assert len(notes(0.1)) == 1
    assert "c: the bias of the output was rounded" in notes(0.1)[0]


def test_a_quantised_view_is_an_output() -> None:
    graph = image(conv("c", "q"), stairs("s", "c"), Reshape(name="y", inputs=("s",), shape=(12,)))
    x = samples(graph)
    integer = ToInteger()(graph)
    found = evaluate(integer, x)[integer.outputs["y"]]
    np.testing.assert_allclose(found, evaluate(graph, x)["y"])


def test_a_sum_that_its_bias_cancels_is_zero() -> None:
    """Rounded down, a drive of one unit below 0 would be -1: the bias has the sum's multiplier."""
    scale = np.full(1, 0.0123)
    layer = Conv(
        name="c",
        inputs=("q",),
        weight=np.ones((1, 2, 1, 1)) * scale,
        bias=-14 * 0.25 * scale,
        weight_scale=scale,
    )
    for step in (0.1, 0.37, 0.011):
        graph = image(layer, stairs("y", "c", step, rounding="floor"))
        found = evaluate(ToInteger()(graph), {"x": np.full((1, 2, 4, 4), 1.75)})["y"]
        assert np.all(found == 0)
