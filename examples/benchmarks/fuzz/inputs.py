"""The inputs: each follows from its number, so that whatever is found can be made again."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from snnc import load
from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.nir_import import NirOptions
from snnc.compiler.nir_import import load as load_nir
from snnc.compiler.onnx_import import examine
from snnc.compiler.options import Options
from snnc.compiler.partition.network import PartitionedNetwork

from .artifacts import Artifacts
from .models import small_models
from .mutations import damaged_bytes, damaged_structure
from .networks import as_file, damaged_network, networks

ROOT = Path(__file__).parents[3]
SEEDS = (
    "compiler/demo/lenet5.onnx",
    *(f"examples/models/{name}.onnx" for name in ("lenet5-int8", "lenet5-int2", "qcrnn-smnist")),
)
"""Models that are damaged."""

KINDS = (
    "onnx bytes",
    *("onnx structure",) * 3,
    *("onnx inspected",) * 3,
    *("artifact",) * 2,
    "artifact host",
    *("nir structure",) * 2,
    "nir bytes",
)
"""How inputs are made, and how often: the last part of a name says what is damaged; an inspected
model goes on to the spike code, the target and the cut into regions, a host runs a sample."""

OPTIONS = (
    *(Options(), Options(), Options(approximate=True), Options(code="rate"), Options(code="exact")),
    *(Options(code="radix"), Options(code="exact", approximate=True)),
)


class Inputs:
    """Makes damaged files in a folder and gives them to snnc.

    Args:
        folder: Where files may be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Small ones more often: they are quick, and have operators that no trained one has.
        trained = [(ROOT / name).read_bytes() for name in SEEDS]
        self.models = [*trained, *small_models(), *small_models()]
        self.networks = networks()
        self.artifacts = Artifacts(folder, ROOT / SEEDS[0])

    def kind(self, number: int) -> str:
        """Return how input ``number`` is made and read, one of ``KINDS``."""
        return self._begin(number)[0]

    def try_one(self, number: int) -> str:
        """Make input ``number`` and read it.

        Returns:
            What a handler said that did not foresee it, in the words of an exception; else "".
        """
        kind, random = self._begin(number)
        reasons: list[str] = []
        if kind == "artifact host":
            self._host(random)
        elif kind == "artifact":
            load(self.artifacts.damaged(random))
        elif kind.startswith("nir"):
            self._network(random, whole=kind == "nir structure")
        else:
            path = self.folder / "model.onnx"
            damage = damaged_bytes if kind == "onnx bytes" else damaged_structure
            path.write_bytes(damage(random.choice(self.models), random))
            if kind == "onnx inspected":
                options = random.choice(OPTIONS)
                found = inspect(path, get_backend("numpy"), options)
                reasons = [entry.reason for entry in (*found.unsupported, *found.host)]
            else:
                reasons = [entry.reason for entry in examine(path).unsupported]
        return next((reason for reason in reasons if "cannot be understood" in reason), "")

    def _begin(self, number: int) -> tuple[str, Random]:
        random = Random(number)
        return random.choice(KINDS), random

    def _host(self, random: Random) -> None:
        """Load a cut artifact with another host model, and run a sample through it."""
        network = load(self.artifacts.damaged_host(random))
        assert isinstance(network, PartitionedNetwork)
        inputs = network.division.inputs
        network.run({node.name: np.ones((1, *node.type.shape), np.float32) for node in inputs})

    def _network(self, random: Random, *, whole: bool) -> None:
        network = random.choice(self.networks)
        if whole:
            content = damaged_network(network, random)
        else:
            content = damaged_bytes(as_file(*network, "1.0.8", random), random)
        path = self.folder / "network.nir"
        path.write_bytes(content)
        load_nir(path, NirOptions(reset=random.choice(("auto", "zero", "subtract"))))
