r"""Real runs of readers of NIR on a network of ours, beside what snnc says they do.

    python -m examples.benchmarks.nir_readers --count 500 \
        --python sinabs=/envs/old/bin/python --python snntorch=/envs/old/bin/python \
        --python norse=/envs/new/bin/python --python spikingjelly=/envs/new/bin/python

Every reader runs in the interpreter given for it, which needs the reader, nir, nirtorch, torch and
numpy, and not snnc; sinabs needs ``nir<=1.0.4`` and SpikingJelly ``nir>=1.0.7``, so they need two
environments. Each reads three files: soft reset as it is, the same with the reader's neurons
corrected to what the file says, and hard reset (``--reset zero``), which is what the current NIR
means. Prints the table of docs/nir.md: accuracy, rates, and how many spikes differ from our own
and from the rule of the reader in ``snnc.backends.nir_file.readers``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

import snnc
from examples.benchmarks.task import Task, open_task
from snnc.backends.nir_file.execution import Execution, execute
from snnc.backends.nir_file.neuron_rules import NeuronRule
from snnc.backends.nir_file.program import NirProgram
from snnc.backends.nir_file.readers import reader
from snnc.ir import Array

CHILD = Path(__file__).with_name("child.py")
MODEL = "compiler/demo/lenet5.onnx"

RESETS = {"subtract": "soft reset", "zero": "hard reset"}
VARIANTS = ("as it is", "corrected", "hard reset")


NOT_CORRECTED = ("norse",)
"""Readers whose neurons cannot be changed to what the file means."""


@dataclass(frozen=True)
class Row:
    """What one reader made of one file.

    Attributes:
        reader: Its name and version.
        variant: One of ``VARIANTS``.
        accuracy: In the package.
        rates: Of each population in the package.
        own: Share of spikes that differ from snnc's own.
        rule: Share of spikes that differ from the reader's rule.
    """

    reader: str
    variant: str
    accuracy: float
    rates: dict[str, float]
    own: float
    rule: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="READER=PATH")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--timesteps", type=int, default=16)
    arguments = parser.parse_args()
    task = open_task(arguments.data, arguments.model, arguments.count)
    interpreters = dict(each.split("=", 1) for each in arguments.python)
    versions = {name: version_for(python) for name, python in interpreters.items()}
    rows, own = [], {}
    for reset in ("subtract", "zero"):
        networks = {
            version: compiled(task, reset, version, arguments.timesteps)
            for version in set(versions.values())
        }
        first = next(iter(networks.values()))
        ours = first.run(task.x, record=True)
        own[RESETS[reset]] = (accuracy(ours.outputs, task.y), rates(ours.spikes))
        variants = VARIANTS[:2] if reset == "subtract" else VARIANTS[2:]
        for variant, name in product(variants, interpreters):
            if variant == "corrected" and name in NOT_CORRECTED:
                continue
            network = networks[versions[name]]
            found = run(name, interpreters[name], network, ours.spikes, task, variant)
            if found:
                rows.append(found)
                print(found, file=sys.stderr, flush=True)
    print(table(rows, own, task))


def version_for(python: str) -> str:
    """Return the version of the files that the package nir of an interpreter reads."""
    code = "from importlib.metadata import version; print(version('nir'))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    major, minor, patch = (int(part) for part in found.stdout.strip().split(".")[:3])
    return "1.0.4" if (major, minor, patch) <= (1, 0, 4) else "current"


def compiled(task: Task, reset: str, version: str, timesteps: int) -> snnc.Network:
    """Return the network for readers of a version."""
    network = snnc.compile(
        task.model,
        target="nir",
        calibration=task.calibration,
        code="rate",
        timesteps=timesteps,
        reset=reset,
        nir_version=version,
    )
    assert isinstance(network, snnc.Network)
    return network


def run(
    name: str,
    python: str,
    network: snnc.Network,
    ours: Mapping[str, Array],
    task: Task,
    variant: str,
) -> Row | None:
    """Run one reader in its own interpreter."""
    program = network.program
    assert isinstance(program, NirProgram)
    (source,) = network.golden.inputs
    ((node, x),) = program.encoded({source: task.x}).items()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        program.save(folder)
        np.savez(folder / "x.npz", x=x)
        files = [str(folder / each) for each in ("network.nir", "x.npz", "result.npz")]
        options = ["--corrected"] if variant == "corrected" else []
        command = [python, str(CHILD), name, *files, str(program.timesteps), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}, {variant}: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        with np.load(folder / "result.npz") as result:
            arrays = dict(result)
    versions = json.loads(str(arrays["versions"]))
    meant = NeuronRule() if variant == "corrected" else reader(name).rule
    modelled = execute(program.network, {node: x}, program.timesteps, meant)
    populations = program.layout.populations
    sent = {
        each: arrays[f"spikes.{nodes[0]}"].reshape(ours[each].shape)
        for each, nodes in populations.items()
    }
    return Row(
        reader=f"{name} {versions[name]} (nir {versions['nir']})",
        variant=variant,
        accuracy=accuracy(arrays["output"].mean(axis=1), task.y),
        rates=rates(sent),
        own=differing(sent, ours),
        rule=differing(sent, by_population(program, modelled)),
    )


def by_population(program: NirProgram, run: Execution) -> dict[str, Array]:
    """Return the spikes of a run by the names of the graph."""
    return {name: run.spikes[nodes[0]] for name, nodes in program.layout.populations.items()}


def differing(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """Return the share of values that differ."""
    different = sum(int(np.count_nonzero(got[name] != wanted[name])) for name in got)
    return different / sum(each.size for each in got.values())


def rates(sent: Mapping[str, Array]) -> dict[str, float]:
    """Return the spikes of each population per neuron and step."""
    return {name: float(spikes.mean()) for name, spikes in sent.items()}


def accuracy(outputs: Array | dict[str, Array], labels: Array) -> float:
    """Return the share of right answers."""
    assert isinstance(outputs, np.ndarray)
    return float(np.mean(outputs.argmax(axis=1) == labels))


def table(rows: list[Row], own: dict[str, tuple[float, dict[str, float]]], task: Task) -> str:
    """Return the table in Markdown."""
    lines = [
        f"{task.model.name}, {len(task.x)} test samples of {task.data}, ANN {task.ann:.2%}.",
        "",
        "| reader | file | accuracy | rate of each population | spikes unlike snnc's "
        "| unlike the rule |",
        "|---|---|---|---|---|---|",
    ]
    for name, (share, each) in own.items():
        lines.append(f"| snnc | {name} | {share:.2%} | {listed(each)} | | |")
    lines += [
        f"| {row.reader} | {row.variant} | {row.accuracy:.2%} | {listed(row.rates)} "
        f"| {row.own:.4%} | {row.rule:.4%} |"
        for row in rows
    ]
    return "\n".join(lines)


def listed(rates: dict[str, float]) -> str:
    """Return rates, one after the other."""
    return ", ".join(f"{rate:.3f}" for rate in rates.values())


if __name__ == "__main__":
    main()
