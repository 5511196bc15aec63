"""Readers of NIR themselves, on files of trained networks: docs/nir.md as assertions.

``.ci/peers`` makes the two environments that have the packages; see ``test_packages``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.backends.nir_file.file_contract import KEY, parsed
from snnc.backends.nir_file.program import FILE
from snnc.backends.nir_file.readers import reader
from snnc.backends.nir_file.trained_divergence import computed
from snnc.backends.nir_file.trained_execution import execute_trained
from snnc.backends.nir_file.trained_readers import NotReadError
from snnc.ir import Array
from tests.backends.nir_file.packages import MARKS, MISSING, NAMES, OLD, needs
from tests.backends.nir_file.trained import DT, STEPS, Trained, spikes_in

if MISSING:
    pytest.skip(f"{', '.join(MISSING)} not installed", allow_module_level=True)
pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.nir_readers import child

pytestmark = MARKS
VERSION = "1.0.4" if OLD else "current"

COUNTABLE = 1 << 16
"""Spikes of a neuron in a step, times weights, that float32 still sums exactly enough: with several
spikes a step (sinabs) a loop may run away."""

Kept = dict[str, Array]


def written(made: Trained, folder: Path, **settings: Any) -> tuple[Any, Array, Kept]:
    """Return the program of a network, what its file is fed, and snnc's own run of it."""
    program = made.program(version=VERSION, **settings)
    program.save(folder)
    x = spikes_in(made.graph)
    run = program.run({"x": x}, record=True)
    return program, x, {program.layout.populations[name][0]: s for name, s in run.spikes.items()}


def package(
    name: str, program: Any, x: Array, folder: Path, *, corrected: bool = False, dt: float = DT
) -> Kept:
    """Return what the populations of a file send in a package."""
    found = child.run(name, str(folder / FILE), x, corrected=corrected, dt=dt)
    sizes = {node: program.network.nodes[node].shape for (node,) in _populations(program)}
    return {
        node: found[f"spikes.{node}"].reshape(len(x), STEPS, *shape)
        for node, shape in sizes.items()
    }


def restated(name: str, program: Any, x: Array) -> Kept:
    """Return the same by the rule of the reader."""
    network = program.network
    meant = parsed(network.metadata[KEY])
    assert meant is not None
    (source,) = program.layout.inputs.values()
    rule = computed(reader(name), network, meant)
    kept = execute_trained(network, {source: x}, STEPS, meant, rule)
    return {node: kept[node] for (node,) in _populations(program)}


def _populations(program: Any) -> Any:
    return program.layout.populations.values()


def other(found: Kept, wanted: Kept) -> int:
    """Return how many spikes differ, up to the step before float32 can no longer count them."""
    assert found.keys() == wanted.keys()
    most = [sent.max(axis=(0, *range(2, sent.ndim))) for sent in wanted.values()]
    counted = np.cumprod(np.max(most, axis=0) < COUNTABLE).sum()
    assert any(sent[:, :counted].any() for sent in wanted.values())
    return sum(int((found[name] != sent)[:, :counted].sum()) for name, sent in wanted.items())


CASES = [
    Trained(kind=kind, reset=reset, gain=gain, loop=loop)
    for kind, gain in (("LIF", 1.0), ("LIF", 0.2), ("CubaLIF", 1.0), ("CubaLIF", 0.2))
    for reset in ("value", "subtract")
    for loop in (False, True)
]
CASES += [Trained(kind="IF", reset="value", loop=True), Trained(kind="IF", reset="subtract")]
CASES += [
    Trained(kind="LIF", image=True, gain=0.2),
    Trained(kind="LIF", each=True),
    Trained(kind="CubaLIF", each=True),
    Trained(kind="LIF", each=True, gain=0.2),
    Trained(kind="LIF", to_itself=False, loop=True),
]


@pytest.mark.parametrize("made", CASES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_rule_is_what_the_package_does(name: str, made: Trained, tmp_path: Path) -> None:
    """Where a rule says that a file is not read, the package does not give what it means."""
    needs(name)
    program, x, own = written(made, tmp_path)
    reason = ""
    try:
        wanted = restated(name, program, x)
    except NotReadError as why:
        reason, wanted = str(why), own
    if reason:
        assert not reads_as_meant(name, program, x, own, tmp_path), reason
    else:
        assert other(package(name, program, x, tmp_path), wanted) == 0


def reads_as_meant(name: str, program: Any, x: Array, own: Kept, folder: Path) -> bool:
    try:
        found = package(name, program, x, folder)
    except Exception:  # each package refuses in its own way
        return False
    return other(found, own) == 0


# Who runs which network as it is meant, without a change: that of docs/nir.md.
AS_IT_IS = {
    "snntorch": [("LIF", 1.0), ("LIF", 0.2), ("CubaLIF", 1.0)],
    "spikingjelly": [("LIF", 1.0), ("LIF", 0.2), ("CubaLIF", 1.0)],
    "norse": [("LIF", 0.2), ("CubaLIF", 1.0), ("CubaLIF", 0.2)],
    "sinabs": [],
}
"""Kinds with their gains, of which 0.2 is one minus the decay; hard reset."""


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_who_reads_hard_reset_as_it_is(name: str, loop: bool, tmp_path: Path) -> None:
    needs(name)
    found = []
    for kind, gain in (("LIF", 1.0), ("LIF", 0.2), ("CubaLIF", 1.0), ("CubaLIF", 0.2)):
        made = Trained(kind=kind, gain=gain, loop=loop)
        program, x, own = written(made, tmp_path)
        if reads_as_meant(name, program, x, own, tmp_path):
            found.append((kind, gain))
    no_loops = loop and OLD and name == "snntorch"
    assert found == ([] if no_loops else AS_IT_IS[name])


CORRECTED = {
    "snntorch": [
        Trained(kind="LIF", reset="subtract", delayed=True),
        Trained(kind="CubaLIF", reset="subtract", delayed=True),
    ],
    "spikingjelly": [
        Trained(kind="LIF", reset="subtract"),
        Trained(kind="LIF", reset="subtract", gain=0.2, loop=True),
        Trained(kind="CubaLIF", reset="subtract", loop=True),
    ],
    "norse": [
        Trained(kind="LIF"),
        Trained(kind="LIF", reset="subtract"),
        Trained(kind="LIF", each=True, loop=True),
        Trained(kind="CubaLIF", reset="subtract", gain=0.2, loop=True),
    ],
    "sinabs": [
        Trained(kind="LIF"),
        Trained(kind="LIF", reset="subtract"),
        Trained(kind="LIF", gain=0.2, loop=True),
        Trained(kind="LIF", reset="subtract", each=True, loop=True),
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_corrected_neurons_do_what_the_file_means(name: str, tmp_path: Path) -> None:
    needs(name)
    for made in CORRECTED[name]:
        program, x, own = written(made, tmp_path)
        assert other(package(name, program, x, tmp_path, corrected=True), own) == 0, made
        plain = replace(made, reset="value", delayed=False)
        assert plain == made or not reads_as_meant(name, program, x, own, tmp_path), made


def test_spikingjelly_has_a_step_of_1_where_all_are_if(tmp_path: Path) -> None:
    needs("spikingjelly")
    program, x, own = written(Trained(kind="IF", reset="subtract", loop=True), tmp_path)
    assert other(package("spikingjelly", program, x, tmp_path, corrected=True, dt=1.0), own) == 0


def test_snntorch_does_not_subtract_at_once(tmp_path: Path) -> None:
    """It takes a membrane that is still above the threshold for one whose reset is to come."""
    needs("snntorch")
    program, x, own = written(Trained(reset="subtract"), tmp_path)
    assert other(package("snntorch", program, x, tmp_path, corrected=True), own) > 0
