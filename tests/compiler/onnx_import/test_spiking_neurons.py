"""Trained spiking networks, unrolled by an exporter, are named as what they are.

The graphs are written by hand as the exporters of torch write the neurons of each package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.compiler.onnx_import import Unsupported, examine
from snnc.compiler.onnx_import.spiking_neurons import spiking_neurons

from .conftest import Build, Save

WEIGHTS: dict[str, Any] = {
    "w": np.full((3, 3), 0.5),
    "tau": 2.0,
    "beta": 0.9,
    "threshold": 1.0,
    "zero": 0.0,
    "one": 1.0,
}
INPUT = "float[N,3] x"

SNNTORCH = """
    m{n} = Mul (beta, {u})
    a{n} = Add (m{n}, {i})
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
    u{n} = Mul (k{n}, h{n})
"""
NORSE = """
    d{n} = Sub ({i}, {u})
    q{n} = Mul (beta, d{n})
    h{n} = Add ({u}, q{n})
    e{n} = Sub (h{n}, threshold)
    f{n} = Greater (e{n}, zero)
    s{n} = Cast <to = 1> (f{n})
    k{n} = Sub (one, s{n})
    m{n} = Mul (k{n}, h{n})
    z{n} = Mul (s{n}, zero)
    u{n} = Add (m{n}, z{n})
"""
KINDS = {"snntorch": SNNTORCH, "spikingjelly": SPIKINGJELLY, "norse": NORSE}


def unrolled(form: str, source: str, layer: str = "a", steps: int = 3) -> str:
    """Return the nodes of a layer that gets the same current at every step."""
    membrane = spike = "zero"
    lines = []
    for step in range(steps):
        number = f"_{layer}{step}"
        lines.append(form.format(n=number, u=membrane, s=spike, i=source))
        membrane, spike = f"u{number}", f"s{number}"
    return "\n".join(lines)


def entries(build: Build, save: Save, nodes: str, inputs: str = INPUT) -> tuple[Unsupported, ...]:
    return examine(save(build(nodes, inputs, **WEIGHTS))).unsupported


@pytest.mark.parametrize(
    ("kind", "sign", "reset"),
    [
        ("snntorch", ">", "reset by subtraction"),
        ("spikingjelly", ">=", "reset to a value"),
        ("norse", ">", "reset to a value"),
    ],
)
def test_a_neuron(build: Build, save: Save, kind: str, sign: str, reset: str) -> None:
    layer = unrolled(KINDS[kind], "i")
    nodes = f"i = Gemm (x, w) {layer} t = Add (s_a0, s_a1) y = Add (t, s_a2)"
    (entry,) = entries(build, save, nodes)
    assert entry.operator.startswith("Greater")
    assert f"threshold ({sign}) of a trained spiking neuron" in entry.reason
    assert "unrolled over 3 steps" in entry.reason
    assert reset in entry.reason
    assert "trained spiking networks" in entry.hint


def test_layers_are_told_apart(build: Build, save: Save) -> None:
    """A weight lies between them, or a shortcut on which no membrane travels."""
    first = unrolled(SPIKINGJELLY, "i", "a", 2)
    deep = "j = Gemm (s_a0, w) l = Gemm (s_a1, w) jj = Add (j, s_a0)"
    second = SPIKINGJELLY.format(n="_b0", u="zero", s="zero", i="jj")
    second += SPIKINGJELLY.format(n="_b1", u="u_b0", s="s_b0", i="l")
    nodes = f"i = Gemm (x, w) {first} {deep} {second} y = Add (s_b0, s_b1)"
    found = entries(build, save, nodes)
    assert [entry.node for entry in found] == ["f_a0", "f_b0"]
    assert all("2 steps" in entry.reason for entry in found)


def test_lost_state_is_said(build: Build, save: Save) -> None:
    (entry,) = entries(
        build,
        save,
        f"i = Gemm (x, w) {SNNTORCH} y = Identity (s0)".format(n=0, u="zero", s="zero", i="i"),
    )
    assert "without its state" in entry.reason
    assert "membrane was lost at the export" in entry.hint


def test_a_membrane_that_is_an_input(build: Build, save: Save) -> None:
    nodes = """
        b = Sub (mem, threshold)
        c = Greater (b, zero)
        s = Cast <to = 1> (c)
        i = Gemm (x, w)
    """ + SNNTORCH.format(n=0, u="mem", s="s", i="i")
    (entry,) = entries(build, save, nodes + "y = Identity (s0)", "float[N,3] x, float[N,3] mem")
    assert "its membrane the input 'mem'" in entry.reason


def test_other_operators_are_still_listed(build: Build, save: Save) -> None:
    layer = unrolled(SNNTORCH, "i", steps=2)
    nodes = f"c = CumSum (x, axis) i = Gemm (c, w) {layer} y = Add (s_a0, s_a1)"
    model = build(nodes, INPUT, axis=np.array(1), **WEIGHTS)
    assert [e.operator for e in examine(save(model)).unsupported] == ["Greater", "CumSum"]


def test_a_network_without_neurons(build: Build) -> None:
    model = build("i = Gemm (x, w) y = Relu (i)", INPUT, **WEIGHTS)
    assert spiking_neurons(model.graph, list(model.graph.node)) == ()
