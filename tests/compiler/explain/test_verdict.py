"""Broken settings are told apart, and a sound network is called sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import snnc
from snnc.backends.onnx_runtime import to_onnx
from snnc.compiler.demo import bundled
from snnc.compiler.explain import Explanation, explain
from snnc.ir import Array
from tests.ann_graphs import AnnBuilder
from tests.compiler.explain.lenet import edited, lenet, why

RELU = "/relu{}/Relu_output_0"
POOL = "/pool{}/AveragePool_output_0"


@cache
def sound() -> Explanation:
    """Return what is said of a network that nothing is wrong with."""
    return why(lenet())


@pytest.mark.parametrize("correction", ["none", "reconstruct"])
def test_nothing_is_wrong_with_a_sound_network(correction: str) -> None:
    found = sound() if correction == "none" else why(lenet(correction=correction))
    assert found.verdict.fine
    assert (found.verdict.layer, found.verdict.cause, found.verdict.hint) == (None, None, "")
    assert found.verdict.message.startswith("nothing is wrong: accuracy ")
    assert all(layer.error < 0.2 for layer in found.layers)
    if correction == "none":
        for layer in found.layers:
            assert abs(layer.shares["bias"]) < 1e-6, layer.value
            assert abs(layer.shares["fit"]) < 1e-6, layer.value


@pytest.mark.parametrize(
    ("options", "cause", "hint"),
    [
        ({"thresholds": "percentile", "percentile": 50.0}, "clipping", "raise --percentile"),
        ({"timesteps": 1}, "quantisation", "--timesteps 2"),
        (
            {"timesteps": 2, "code": "rate", "thresholds": "max"},
            "quantisation",
            "--thresholds mmse",
        ),
        ({"weight_bits": 2}, "weights", "--weight-bits 8"),
        ({"weight_bits": 2, "correction": "reconstruct"}, "weights", "--weight-bits 8"),
        ({"guard": False}, "guard", "--guard"),
        ({"v_init": 0.0, "timesteps": 2}, "initial", "--v-init 0.5"),
        ({"dim": 0.05}, "clipping", "calibration samples that reach as far"),
    ],
    ids=str,
)
def test_broken_settings_are_told_apart(options: dict[str, Any], cause: str, hint: str) -> None:
    found = why(lenet(**options))
    assert not found.verdict.fine
    assert found.verdict.cause == cause, found.verdict
    assert hint in found.verdict.hint
    (named,) = (layer for layer in found.layers if layer.value == found.verdict.layer)
    assert named.kind == ("input" if "dim" in options else "population")


@pytest.mark.parametrize(
    "change",
    [lambda bias: bias // 8, lambda bias: bias * 0, lambda bias: bias * 8],
    ids=["once instead of every step", "missing", "T times too large"],
)
@pytest.mark.parametrize("name", [RELU.format(2), RELU.format(3)])
def test_a_wrong_bias_is_found_where_it_is(name: str, change: Callable[[Array], Array]) -> None:
    """Even where it costs no accuracy: it should not be there at all."""
    found = why(edited(lenet(), name, lambda node: replace(node, bias=change(node.bias))))
    assert (found.verdict.fine, found.verdict.layer, found.verdict.cause) == (False, name, "bias")
    place = [layer.value for layer in found.layers].index(name)
    assert found.layers[place].shares["bias"] > 0.1
    assert found.layers[place].shift > 1.5 * sound().layers[place].shift, "a whole channel"
    others = [layer for layer in found.layers if layer.value != name]
    assert max(abs(layer.shares["bias"]) for layer in others) < 1e-6


def test_a_wrong_bias_is_found_where_biases_were_fitted() -> None:
    name = RELU.format(3)
    network = lenet(correction="reconstruct")
    found = why(edited(network, name, lambda node: replace(node, bias=node.bias * 8)))
    assert (found.verdict.layer, found.verdict.cause) == (name, "bias")
    assert "--correction none" in found.verdict.hint


def test_a_wrong_bias_of_the_output() -> None:
    found = why(edited(lenet(), "logits", lambda node: replace(node, bias=node.bias + 9000)))
    assert (found.verdict.layer, found.verdict.cause) == ("logits", "bias")
    assert [layer.kind for layer in found.layers].index("output") == len(found.layers) - 1


def test_wrong_weights_are_not_called_rounded() -> None:
    name = "/conv2/Conv_output_0"
    found = why(edited(lenet(), name, lambda node: replace(node, weight=-node.weight)))
    assert (found.verdict.layer, found.verdict.cause) == (RELU.format(2), "fit")
    assert "compile the model again" in found.verdict.hint


def test_an_average_pool_is_a_population_that_the_ann_does_not_have() -> None:
    name = POOL.format(2)
    network = edited(lenet(), name, lambda node: replace(node, bias=node.bias + 900))
    found = why(network)
    assert {layer.value for layer in found.layers if layer.added} == {POOL.format(1), name}
    assert f"{name} (population that the ANN does not have)" in found.verdict.message


def test_without_labels_the_answers_of_the_ann_count() -> None:
    demo = bundled()
    found = explain(lenet(timesteps=1), {"x": demo.test}, limit=64)
    assert found.ann_accuracy is None
    assert found.over_time[-1].accuracy is None
    assert "of the answers on 64 samples are the ANN's" in found.verdict.message
    assert found.verdict.cause == "quantisation"


def test_binary_spikes_of_a_deep_network_come_too_early_or_too_late(tmp_path: Path) -> None:
    """Many steps, high thresholds: nothing is clipped and little rounded."""
    net = AnnBuilder(np.random.default_rng(0))
    here = net.input(16)
    for _ in range(5):
        here = net.relu(net.linear(here, 64))
    onnx.save(to_onnx(net.graph(net.linear(here, 10))), tmp_path / "m.onnx")
    x = np.random.default_rng(1).standard_normal((96, 16)).astype(np.float32)
    options: dict[str, Any] = {"timesteps": 32, "thresholds": "max", "correction": "none"}
    rate = snnc.compile(tmp_path / "m.onnx", calibration=x, code="rate", **options)
    found = explain(rate, {"x": x}).verdict
    assert found.cause == "transient"
    assert "--code ternary" in found.hint
    late = snnc.compile(
        tmp_path / "m.onnx", calibration=x, code="ternary", deadband=1, guard=False, **options
    )
    ternary = snnc.compile(tmp_path / "m.onnx", calibration=x, code="ternary", **options)
    transients = [
        sum(layer.moments.diagonal()[8] for layer in explain(network, {"x": x}).layers)
        for network in (ternary, late, rate)
    ]
    assert transients[0] < 0.2 * transients[2]
    assert transients[0] < transients[1]
