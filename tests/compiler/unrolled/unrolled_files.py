"""Writes unrolled spiking networks as the exporters of torch write those of each framework."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto

from snnc.ir import Array

from ..onnx_import.conftest import build_model

RNG = np.random.default_rng(3)
WEIGHTS: dict[str, Any] = {
    "w": RNG.normal(size=(3, 4)),
    "b": RNG.normal(size=4) / 4,
    "v": RNG.normal(size=(4, 2)),
    "r": RNG.normal(size=(4, 4)) / 2,
    "beta": 0.9,
    "alpha": 0.6,
    "rest": 0.1,
    "tau": 2.0,
    "threshold": 0.5,
    "zero": 0.0,
    "one": 1.0,
    "low": -0.25,
    **{f"t{step}": np.array(step) for step in range(8)},
}
"""Weights of two layers, of a recurrent one, and the constants of their neurons."""

SNNTORCH = """
    m{n} = Mul (beta, {u})
    a{n} = Add (m{n}, {i})
    r{n} = Mul ({s}, threshold)
    u{n} = Sub (a{n}, r{n})
    d{n} = Sub (u{n}, threshold)
    f{n} = Greater (d{n}, zero)
    s{n} = Cast <to = 1> (f{n})
"""
SNNTORCH_ZERO = """
    k{n} = Sub (one, {s})
    z{n} = Mul (k{n}, {u})
    m{n} = Mul (beta, z{n})
    u{n} = Add (m{n}, {i})
    d{n} = Sub (u{n}, threshold)
    f{n} = Greater (d{n}, zero)
    s{n} = Cast <to = 1> (f{n})
"""
SNNTORCH_NONE = """
    m{n} = Mul (beta, {u})
    u{n} = Add (m{n}, {i})
    d{n} = Sub (u{n}, threshold)
    f{n} = Greater (d{n}, zero)
    s{n} = Cast <to = 1> (f{n})
"""
SYNAPTIC = """
    j{n} = Mul (alpha, {c})
    c{n} = Add (j{n}, {i})
    m{n} = Mul (beta, {u})
    a{n} = Add (m{n}, c{n})
    r{n} = Mul ({s}, threshold)
    u{n} = Sub (a{n}, r{n})
    d{n} = Sub (u{n}, threshold)
    f{n} = Greater (d{n}, zero)
    s{n} = Cast <to = 1> (f{n})
"""
SPIKINGJELLY = """
    d{n} = Sub ({i}, {u})
    q{n} = Div (d{n}, tau)
    h{n} = Add ({u}, q{n})
    e{n} = Sub (h{n}, threshold)
    f{n} = GreaterOrEqual (e{n}, zero)
    s{n} = Cast <to = 1> (f{n})
    k{n} = Sub (one, s{n})
    l{n} = Mul (s{n}, low)
    g{n} = Mul (k{n}, h{n})
    u{n} = Add (g{n}, l{n})
"""
SPIKINGJELLY_SOFT = """
    d{n} = Sub ({i}, {u})
    q{n} = Div (d{n}, tau)
    h{n} = Add ({u}, q{n})
    e{n} = Sub (h{n}, threshold)
    f{n} = GreaterOrEqual (e{n}, zero)
    s{n} = Cast <to = 1> (f{n})
    l{n} = Mul (s{n}, threshold)
    u{n} = Sub (h{n}, l{n})
"""
WHERE = """
    h{n} = Add ({u}, {i})
    f{n} = LessOrEqual (threshold, h{n})
    s{n} = Where (f{n}, one, zero)
    u{n} = Where (f{n}, low, h{n})
"""
NORSE = """
    c{n} = Add ({c}, {i})
    o{n} = Sub (rest, {u})
    p{n} = Add (o{n}, c{n})
    q{n} = Mul (alpha, p{n})
    h{n} = Add ({u}, q{n})
    x{n} = Mul (beta, c{n})
    e{n} = Sub (h{n}, threshold)
    f{n} = Greater (e{n}, zero)
    s{n} = Cast <to = 1> (f{n})
    k{n} = Sub (one, s{n})
    m{n} = Mul (k{n}, h{n})
    z{n} = Mul (s{n}, low)
    u{n} = Add (m{n}, z{n})
"""
CARRIED = {"norse": "x"}
"""The current that goes to the next step, where it is not the one that the membrane reads."""

NEURONS = {
    "snntorch": SNNTORCH,
    "snntorch_zero": SNNTORCH_ZERO,
    "snntorch_none": SNNTORCH_NONE,
    "synaptic": SYNAPTIC,
    "spikingjelly": SPIKINGJELLY,
    "spikingjelly_soft": SPIKINGJELLY_SOFT,
    "where": WHERE,
    "norse": NORSE,
}
STEPWISE = "float[N,4,3] x"
CONSTANT = "float[N,3] x"
STEPS = 4


def network(
    kind: str,
    *,
    stepwise: bool = True,
    recurrent: bool = False,
    steps: int = STEPS,
    readout: str = "",
    **weights: Array,
) -> ModelProto:
    """Return two layers, Gemm and neurons each, unrolled over some steps.

    Args:
        kind: The neurons, a key of ``NEURONS``.
        stepwise: Whether the input has a value for every step.
        recurrent: Whether the first layer reads its own spikes of the step before.
        steps: How many.
        readout: Nodes that compute ``y``; a sum of the spikes of the second layer by default.
        **weights: Changed or further weights.
    """
    state = {layer: {"u": "zero", "s": "zero", "c": "zero"} for layer in "ab"}
    lines = []
    for step in range(steps):
        source = "x"
        if stepwise:
            lines.append(f"x{step} = Gather <axis = 1> (x, t{step})")
            source = f"x{step}"
        lines.append(f"i{step} = Gemm ({source}, w, b)")
        current = f"i{step}"
        if recurrent and step:
            lines.append(f"y{step} = MatMul (s_a{step - 1}, r) j{step} = Add (i{step}, y{step})")
            current = f"j{step}"
        lines.append(_neuron(kind, f"_a{step}", current, state["a"]))
        lines.append(f"k{step} = MatMul (s_a{step}, v)")
        lines.append(_neuron(kind, f"_b{step}", f"k{step}", state["b"]))
    lines.append(readout or _sum([f"s_b{step}" for step in range(steps)]))
    return build_model("\n".join(lines), STEPWISE if stepwise else CONSTANT, **WEIGHTS | weights)


def _neuron(kind: str, number: str, current: str, state: dict[str, str]) -> str:
    text = NEURONS[kind].format(n=number, i=current, **state)
    carried = CARRIED.get(kind, "c")
    state |= {"u": f"u{number}", "s": f"s{number}", "c": f"{carried}{number}"}
    return text


def _sum(names: list[str]) -> str:
    total = names[0]
    lines = []
    for number, name in enumerate(names[1:], 1):
        result = "y" if number == len(names) - 1 else f"sum{number}"
        lines.append(f"{result} = Add ({total}, {name})")
        total = result
    return " ".join(lines)


def saved(model: ModelProto, folder: Path) -> Path:
    """Write a model; return its path."""
    path = folder / "snn.onnx"
    onnx.save(model, path)
    return path


def answers(model: ModelProto | Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return what ONNX Runtime computes."""
    content = model.SerializeToString() if isinstance(model, ModelProto) else str(model)
    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))
