"""What readers of NIR make of the neurons of trained networks: restated from their sources.

Each function returns what a reader computes for one node of a file, or raises ``NotReadError``:
the reader refuses it, leaves it out, or does what is not restated here. The sources are those of
``readers.READERS``; ``tests/backends/nir_file/test_trained_packages.py`` holds the rules against
the packages, spike for spike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...ir import LI, LIF, Array, CubaLIF
from ...ir import Delay as DelayNode
from .continuous import TimeStep
from .neuron_rules import NeuronRule
from .neurons import Meaning, discrete
from .nodes import Delay, Neuron, Threshold
from .readers import Reader, reader

SNNTORCH_DT = 1e-4
"""Seconds: snnTorch has this step whatever the file says."""

Stateful = Neuron | Threshold | Delay
Reads = Callable[[Stateful, TimeStep], "Computed"]


class NotReadError(Exception):
    """A reader does not compute a node of a file, in words."""


@dataclass
class RuleNeuron:
    """Neurons of some rule, with their membranes.

    Attributes:
        rule: What they do at a step.
        threshold: ``v_threshold``, of their shape.
        v: Membranes, ``(samples, *shape)`` after the first step.
    """

    rule: NeuronRule
    threshold: Array
    v: Array = field(default_factory=lambda: np.zeros(()))

    def __call__(self, current: Array) -> Array:
        """Advance by one step and return what is sent."""
        sent, self.v = self.rule.step(self.v, current, self.threshold, 0.0)
        return sent


Computed = LIF | CubaLIF | LI | DelayNode | RuleNeuron | Callable[[Array], Array]


def neurons_of(name: str) -> Reads:
    """Return what the reader of a name makes of a node."""
    return RULES[name]


def as_spec(reset: str) -> Reads:
    """Return NIR's own equations, with the step of the file and the reset of a version."""

    def computed(node: Stateful, step: TimeStep) -> Computed:
        if isinstance(node, Threshold):
            return lambda x: np.asarray(x > node.threshold, np.float64)
        if isinstance(node, Delay):
            return DelayNode(name="late", inputs=("x",), steps=_steps(node, step))
        meaning = Meaning(reset="subtract" if reset == "subtract" else "value", strict=True)
        made = discrete(node, meaning, step)
        assert isinstance(made, (LIF, CubaLIF, LI))
        return made

    return computed


def snntorch(node: Stateful, step: TimeStep) -> Computed:
    """``snn.Leaky`` and ``snn.Synaptic``: above the threshold, reset to 0, gain 1.

    Thresholds are divided by what inputs would be multiplied by; of several such factors in an
    ``LIF`` it takes the least.
    """
    neuron = _one_of(node, "IF", "LIF", "CubaLIF")
    threshold = neuron.v_threshold
    if neuron.kind == "IF":
        if (neuron.r != 1).any():
            raise NotReadError("takes IF with r = 1 only")
        return RuleNeuron(reader("snntorch").rule, _uniform(threshold, "v_threshold"))
    tau, leak = _leaky(neuron)
    if not np.allclose(leak, 0):
        raise NotReadError("takes v_leak = 0 only")
    kept = np.clip(1 - SNNTORCH_DT / tau, 0, 1)
    if neuron.tau_syn is None or neuron.w_in is None:
        weight = neuron.r * SNNTORCH_DT / tau
        factor = 1.0 if np.allclose(weight, 1) else weight.min()
        level = _uniform(threshold, "v_threshold") / factor
        return _hard(LIF(name="n", inputs=("x",), decay=kept, threshold=level, strict=True))
    if not np.allclose(neuron.r, tau / SNNTORCH_DT):
        raise NotReadError("takes CubaLIF with r = tau_mem / 1e-4 only")
    weight = neuron.w_in * (SNNTORCH_DT / neuron.tau_syn)
    level = threshold if np.allclose(weight, 1) else threshold / weight
    cuba = CubaLIF(
        name="n",
        inputs=("x",),
        decay=kept,
        current_decay=np.clip(1 - SNNTORCH_DT / neuron.tau_syn, 0, 1),
        threshold=_uniform(level, "v_threshold / w_in"),
        strict=True,
    )
    return _hard(cuba)


def spikingjelly(node: Stateful, step: TimeStep) -> Computed:
    """``IFNode``, ``LIFNode``, ``CUBALIFNode``: at the threshold, reset to ``v_reset``."""
    neuron = _one_of(node, "IF", "LIF", "CubaLIF")
    threshold = _uniform(neuron.v_threshold, "v_threshold")
    rest = np.zeros(1) if neuron.v_reset is None else _uniform(neuron.v_reset, "v_reset")
    r = _uniform(neuron.r, "r")
    common: dict[str, Any] = {"threshold": threshold, "reset_to": rest, "initial": rest}
    if neuron.kind == "IF":
        _expect(
            r, 1 / step.dt, "takes IF with r = 1 / dt only: give dt=1.0 where all neurons are IF"
        )
        return _hard(LIF(name="n", inputs=("x",), decay=np.ones(1), **common))
    time, leak = _leaky(neuron)
    tau, leak = _uniform(time, "tau"), _uniform(leak, "v_leak")
    share = step.dt / tau
    if neuron.tau_syn is None or neuron.w_in is None:
        if share >= 1:
            raise NotReadError("takes LIF with tau above dt only")
        if not np.isclose(leak, rest, rtol=1e-6, atol=1e-12):
            raise NotReadError("takes LIF with v_leak = v_reset only")
        given = np.isclose(r, 1, rtol=1e-6, atol=1e-12)
        if not given:
            _expect(r, tau / step.dt, "takes LIF with r = 1 or r = tau / dt only")
        gain = share if given else np.ones(1)
        own = LIF(name="n", inputs=("x",), decay=1 - share, gain=gain, bias=share * rest, **common)
        return _hard(own)
    tau_syn = _uniform(neuron.tau_syn, "tau_syn")
    if share > 1 or step.dt > tau_syn:
        raise NotReadError("takes CubaLIF with time constants of at least dt only")
    _expect(r, tau / step.dt, "takes CubaLIF with r = tau_mem / dt only")
    w_in = _uniform(neuron.w_in, "w_in")
    _expect(w_in, tau_syn / step.dt, "takes CubaLIF with w_in = tau_syn / dt only")
    _expect(leak, np.zeros(1), "takes CubaLIF with v_leak = 0 only")
    kept = 1 - step.dt / tau_syn
    cuba = CubaLIF(name="n", inputs=("x",), decay=1 - share, current_decay=kept, **common)
    return _hard(cuba)


def norse(node: Stateful, step: TimeStep) -> Computed:
    """``IAFCell``, ``LIFBoxCell`` and two boxes in a row: above the threshold, reset to 0.

    ``r`` of ``IF`` and ``LIF`` and every ``v_reset`` are left out.
    """
    neuron = _one_of(node, "IF", "LIF", "CubaLIF", otherwise="leaves {} out without a word")
    assert neuron.v_threshold is not None
    if neuron.kind == "IF":
        plain = LIF(name="n", inputs=("x",), decay=np.ones(1), threshold=neuron.v_threshold)
        return _hard(replace(plain, strict=True))
    tau, leak = _leaky(neuron)
    share = step.dt / tau
    membrane = LIF(
        name="n",
        inputs=("x",),
        decay=1 - share,
        gain=share,
        bias=share * leak,
        initial=leak,
        threshold=neuron.v_threshold,
        strict=True,
    )
    if neuron.tau_syn is None or neuron.w_in is None:
        return _hard(membrane)
    if leak.any():
        raise NotReadError("lets v_leak of CubaLIF drive the current too, which is not modelled")
    fields = vars(membrane) | {"gain": neuron.r * share}
    charge = step.dt / neuron.tau_syn
    return _hard(CubaLIF(**fields, current_decay=1 - charge, current_gain=neuron.w_in * charge))


def sinabs(node: Stateful, step: TimeStep) -> Computed:
    """``IAFSqueeze`` and ``LIFSqueeze``: several spikes a step, time constants in steps, gain 1."""
    neuron = _one_of(node, "IF", "LIF", "LI", otherwise="leaves {} out without a word")
    if neuron.kind == "IF":
        assert neuron.v_threshold is not None
        return RuleNeuron(reader("sinabs").rule, neuron.v_threshold)
    tau, leak = _leaky(neuron)
    if leak.ndim > 1:
        raise NotReadError(f"takes {neuron.kind} of vectors only, not of images")
    if leak.any():
        raise NotReadError("takes v_leak = 0 only")
    kept = np.exp(-1 / tau)
    if neuron.v_threshold is not None:
        return RuleNeuron(NeuronRule(several=True, decay=kept), neuron.v_threshold)
    if (neuron.r != 1).any():
        raise NotReadError("takes LI with r = 1 only")
    return LI(name="n", inputs=("x",), decay=kept)


def lava(node: Stateful, step: TimeStep) -> Computed:
    """The script of the NIR paper: not run on such files, so not restated."""
    raise NotReadError("not modelled for trained networks; compile with --target lava")


RULES: dict[str, Reads] = {
    "NIR, current spec": as_spec("value"),
    "NIR, old spec": as_spec("subtract"),
    "snntorch": snntorch,
    "sinabs": sinabs,
    "spikingjelly": spikingjelly,
    "norse": norse,
    "lava": lava,
}

CORRECTIONS = {
    "snntorch": "its step is 1e-4 s, the default of --dt; where the file means subtraction, for "
    "each snn.Leaky and snn.Synaptic: reset_mechanism = 'subtract', state_function = "
    "module._base_sub, reset_delay as metadata/snnc says",
    "sinabs": "compile with --nir-version 1.0.4; for each LIFSqueeze: spike_fn = SingleSpike, "
    "tau_mem.data = -1 / log(decay); multiply what comes in by its gain",
    "spikingjelly": "import_from_nir(file, dt) with the dt of the file, dt=1.0 where all are IF; "
    "where the file means subtraction, for each neuron: v_reset = None",
    "norse": "from_nir(file, dt=dt) with the dt of the file; multiply what comes into LIFBoxCell "
    "by r; where the file means subtraction: p = p._replace(reset_method=reset_subtract)",
}
"""How to make a reader do what the file of a trained network means, where it reads it otherwise."""


def unlike_structure(read: Reader, late: int, joined: bool, version: str) -> str:
    """Return why a reader does not run the edges of a file, or "".

    Args:
        read: The reader.
        late: How many edges bring what was sent at the step before.
        joined: Whether several edges of one step end in one node.
        version: Of the file.
    """
    if read.name == "snntorch" and late and version == "1.0.4":
        return "runs no loops with nir 1.0.4 and nirtorch 2.0; compile with --nir-version current"
    if read.name in ("norse", "sinabs") and joined:
        return "takes some of several edges into a node from the step before, which is not modelled"
    return ""


def _one_of(node: Stateful, *kinds: str, otherwise: str = "has no {}") -> Neuron:
    if isinstance(node, Neuron) and node.kind in kinds:
        return node
    raise NotReadError(otherwise.format(node.kind))


def _leaky(neuron: Neuron) -> tuple[Array, Array]:
    assert neuron.tau is not None
    assert neuron.v_leak is not None
    return neuron.tau, neuron.v_leak


def _uniform(values: Array | None, name: str) -> Array:
    """Return the one value of all neurons, ``(1,)``."""
    assert values is not None
    found = np.unique(values)
    if found.size != 1:
        raise NotReadError(f"takes one {name} for all neurons of a layer only")
    return np.asarray(found)


def _expect(found: Array, wanted: Array | float, otherwise: str) -> None:
    if not np.isclose(found, wanted, rtol=1e-6, atol=1e-12).all():
        raise NotReadError(otherwise)


def _hard(node: LIF | CubaLIF) -> LIF | CubaLIF:
    return replace(node, reset="value")


def _steps(node: Delay, step: TimeStep) -> Array:
    return np.asarray(np.rint(node.delay / step.dt), np.int64)
