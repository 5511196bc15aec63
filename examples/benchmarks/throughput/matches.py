"""Who meets whom.

``throughput``: all systems with the same network, T and batch. ``own T``: code ``exact``, which
runs until it is done. ``lava``: Lava with the simulator. ``accuracy``: each system at the T that
brings it near the ANN. ``activity``: kernels on an MLP with a given share of events. ``walls``:
kernels beside products of matrices.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from examples.benchmarks.results import FOLDER
from examples.benchmarks.results import read as read_accuracies
from examples.benchmarks.task import CALIBRATION
from examples.benchmarks.throughput.contestant import Contestant, Job, Prepared
from examples.benchmarks.throughput.match import Match
from examples.benchmarks.throughput.networks import MODELS, TestNetwork, random_mlp
from examples.benchmarks.throughput.to_accuracy import common_count, defaults, earliest

KINDS = ("throughput", "own T", "lava", "accuracy", "activity", "walls")

CODES = ("rate", "ternary", "augmented")
"""Codes with a T to choose."""

ACTIVITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
BATCHES = 5
"""Of such a run: one batch takes less time than fetching the weights into the cache."""

TORCH_PEERS = (
    "SpikingJelly, single-step",
    "SpikingJelly, multi-step",
    "SpikingJelly, multi-step in blocks",
    "snnTorch",
    "sinabs",
    "norse",
)

KERNELS = {"automatic": None, "dense": 0, "events": 1}
"""Methods of ``numpy_sim.native.library`` by name."""


@dataclass(frozen=True)
class Extent:
    """What of a network runs on Lava: as much as can be timed.

    Attributes:
        codes: Spike codes.
        fast_images: Samples on snnc's process models.
        stock_images: Samples on Lava's own, on which a step can take a second.
    """

    codes: Sequence[str]
    fast_images: int
    stock_images: int


ON_LAVA = {
    "lenet5": Extent(("rate", "augmented"), 40, 10),
    "resnet20": Extent(("rate", "augmented"), 15, 1),
    "vgg": Extent(("rate",), 15, 1),
}


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        kinds: Some of ``KINDS``.
        networks: Names of networks.
        timesteps: T.
        batch: Samples at once.
        samples: Samples for the time to accuracy.
        calibration: Training samples that conversions may look at.
        lava_timesteps: T on Lava.
        width: Neurons of a layer of the MLP.
        vgg: The VGG-style network, or None where there is none.
        keep: Folder for what is compiled.
    """

    kinds: Sequence[str]
    networks: Sequence[str]
    timesteps: Sequence[int]
    batch: int
    samples: int
    calibration: int
    lava_timesteps: int
    width: int
    vgg: Path | None
    keep: Path

    def network(self, name: str) -> TestNetwork | None:
        """Return a network, or None where its file was not given."""
        if name == "mlp":
            return TestNetwork(name, random_mlp(self.keep / f"mlp-{self.width}.onnx", self.width))
        path = self.vgg if name == "vgg" else MODELS[name]
        return TestNetwork(name, path) if path else None

    def job(self, network: TestNetwork, timesteps: int | None) -> Job:
        """Return the job of a batch."""
        return Job(
            network=network,
            timesteps=timesteps,
            batch=self.batch,
            samples=self.batch,
            threads=os.cpu_count() or 1,
            keep=self.keep,
            calibration=self.calibration,
        )

    def matches(self) -> Iterator[Match]:
        """Give all matches, those of one kind together."""
        networks = [found for name in self.networks if (found := self.network(name))]
        for kind in self.kinds:
            for network in networks:
                yield from self._of_kind(kind, network)

    def _of_kind(self, kind: str, network: TestNetwork) -> Iterator[Match]:
        if kind == "throughput":
            for steps in self.timesteps:
                yield Match(kind, self.job(network, steps), everybody())
        elif kind == "own T":
            own = [*compiled_and_numpy("exact"), DENSE]
            yield Match(kind, self.job(network, None), own)
        elif kind == "lava" and network.name in ON_LAVA:
            for code in ON_LAVA[network.name].codes:
                job = self.job(network, self.lava_timesteps)
                yield Match(kind, job, on_lava(code, ON_LAVA[network.name]), code)
        elif kind == "accuracy" and network.name == "resnet20":
            every = CALIBRATION[network.data]  # as the accuracies were measured
            job = replace(self.job(network, None), samples=self.samples, calibration=every)
            yield Match(kind, job, to_accuracy(network))
        elif kind == "activity" and network.name == "mlp":
            for activity in ACTIVITIES:
                job = self.job(network, min(self.timesteps, key=lambda t: abs(t - 8)))
                job = replace(job, samples=BATCHES * self.batch)
                yield Match(kind, job, by_kernel(activity, self.width), f"{activity:.0%}")
        elif kind == "walls" and network.name == "vgg":
            yield Match(kind, self.job(network, max(self.timesteps)), walls())


def simulated(code: str, *, words: str = "", **settings: Any) -> Contestant:
    """Return snnc's simulator with one code."""
    return Contestant(f"snnc{words}", code, partial(_simulator, recipe=code, **settings))


def _simulator(
    job: Job,
    *,
    recipe: str = "",
    options: Mapping[str, Any] | None = None,
    steps: int | None = None,
    **settings: Any,
) -> Prepared:
    """Build the simulator; what contestants need is imported in their own processes."""
    from examples.benchmarks.throughput.simulator import RECIPES, simulator

    chosen = {**RECIPES.get(recipe, {}), **(options or {})}
    return simulator(
        job if steps is None else replace(job, timesteps=steps), options=chosen, **settings
    )


def _torch(job: Job, *, steps: int | None = None, **settings: Any) -> Prepared:
    from examples.benchmarks.throughput.torch_peers import torch_peer

    return torch_peer(job if steps is None else replace(job, timesteps=steps), **settings)


def _lava(job: Job, *, recipe: str, **settings: Any) -> Prepared:
    from examples.benchmarks.throughput.lava import lava
    from examples.benchmarks.throughput.simulator import RECIPES

    return lava(job, options=RECIPES[recipe], **settings)


def _wall(job: Job, *, name: str, **settings: Any) -> Prepared:
    from examples.benchmarks.throughput import walls

    prepared: Prepared = getattr(walls, name)(job, **settings)
    return prepared


def _forced(job: Job, **settings: Any) -> Prepared:
    from examples.benchmarks.throughput.activity import forced

    return forced(job, **settings)


DENSE = Contestant("ANN in ONNX Runtime", "dense", partial(_wall, name="dense"))

REAL = {"weight_bits": None}


def compiled_and_numpy(code: str) -> list[Contestant]:
    """Return the simulator with and without its compiled kernels."""
    compiled = simulated(code)
    plain = simulated(code, words=", NumPy only")
    return [compiled, replace(plain, environment={"SNNC_NATIVE": "0"})]


def everybody() -> list[Contestant]:
    """Return all who can run a network for a given T."""
    ours = [contestant for code in CODES for contestant in compiled_and_numpy(code)]
    real = simulated("rate", words=", float weights", options=REAL)
    peers = [Contestant(name, "rate", partial(_torch, name=name)) for name in TORCH_PEERS]
    return [*ours, real, *peers, DENSE]


def on_lava(code: str, extent: Extent) -> list[Contestant]:
    """Return Lava, twice, and the simulator with the same network."""
    fast = partial(_lava, recipe=code, fast=True, images=extent.fast_images)
    stock = partial(_lava, recipe=code, fast=False, images=extent.stock_images)
    return [
        simulated(code),  # every run on Lava starts anew: what it set up before is gone
        Contestant("Lava, snnc's process models", code, fast, warm_up=1),
        Contestant("Lava, its own process models", code, stock, warm_up=1),
    ]


def to_accuracy(network: TestNetwork) -> list[Contestant]:
    """Return the settings that come within half a point of the ANN at the smallest T."""
    known = read_accuracies(FOLDER / f"{network.data}-{network.name}.jsonl").values()
    results = [result for result in known if result.sha256 == network.sha256]
    count = common_count(results)
    results = [result for result in results if result.count == count]
    ours = [
        Contestant(
            f"snnc, {choice.result.method} ({choice.note})",
            str(choice.result.settings["code"]),
            partial(_simulator, options=choice.result.settings, steps=choice.result.timesteps),
        )
        for choice in defaults(results)
    ]
    choice = earliest([x for x in results if x.system.startswith("SpikingJelly")])
    recipe = choice.result.method.removesuffix(", delayed")
    theirs = [
        Contestant(
            f"{name}, {choice.result.method} ({choice.note})",
            "rate",
            partial(_torch, name=name, recipe=recipe, steps=choice.result.timesteps),
        )
        for name in TORCH_PEERS
        if name.startswith("SpikingJelly")
    ]
    return [*ours, *theirs]


def by_kernel(activity: float, width: int) -> list[Contestant]:
    """Return the simulator with each kernel on an MLP of some activity."""
    return [
        Contestant(name, "rate", partial(_forced, activity=activity, width=width, method=method))
        for name, method in KERNELS.items()
    ]


def walls() -> list[Contestant]:
    """Return the products of matrices, and the simulator's dense kernels."""
    products = {
        "float32, NumPy": partial(_wall, name="numpy_product", precision="float32"),
        "float32, ONNX Runtime": partial(_wall, name="float_product"),
        "float64, NumPy": partial(_wall, name="numpy_product", precision="float64"),
        "8 bit, ONNX Runtime": partial(_wall, name="integer_product"),
    }
    kernels = [
        simulated(
            "rate",
            words=f", {weights}{where}",
            method=KERNELS["dense"],
            options=options,
            inside=inside,
        )
        for weights, options in (("8 bit", {}), ("float weights", REAL))
        for where, inside in ((", whole run", False), (", kernels only", True))
    ]
    plain = [
        replace(
            simulated("rate", words=f", float32 without compiled kernels{where}", inside=inside),
            environment={"SNNC_NATIVE": "0"},
        )
        for where, inside in ((", whole run", False), (", products only", True))
    ]
    matrices = [Contestant(name, "product", build) for name, build in products.items()]
    return [*matrices, *kernels, *plain]
