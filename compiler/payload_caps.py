"""Chooses a payload cap for each population: ``--max-payload auto``.

A population's threshold is its full scale divided by its cap. A large cap makes it precise; a
small one makes it cheap: small activations send nothing, and where all events are of magnitude 1
no synapse behind it multiplies.

For each population and each cap in ``CAPS`` the network runs on calibration samples with that one
cap changed and all others at the largest. That tells by how much the cap adds to the error of
the outputs, and what it saves. The error is the mean square difference to the ANN's outputs,
relative to their mean square. Errors of different populations are nearly independent, so they
add up; energies, as ``snnc estimate`` counts them, do as well.

Among all choices whose errors sum to no more than the error with the default cap everywhere, the
one of least energy is taken. It is then run: where it does not keep to that error, the next
choice is made with a smaller sum, and where none keeps to it at less energy the default stays.

Source: sensitivity and cost for each layer and cap, one layer changed at a time, and the choice
along the Pareto front layer by layer are those of AdaFire (Wang et al., *Adaptive Calibration*,
AAAI 2025). Three things differ. Sensitivity there is the divergence of the class probabilities;
with a confident network a few samples make up all of it, and it is no use with tens of samples.
Cost there is the number of spikes, here the energy. The budget there is a share of the cost,
here it is the error of the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..backends.numpy_sim import NumpyBackend
from ..ir import Graph
from .data import Samples
from .options import CAPS
from .search.cost import count

REFERENCE = 4
"""The default cap."""

SAMPLES = 64
"""Calibration samples that run, once for each population and cap."""

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
"""Of the budget that are tried until a choice keeps to it: errors do not add up exactly."""

FRONT = 2000
"""Most partial choices kept at a time."""

Build = Callable[[Mapping[str, int]], Graph]
"""Converts the model with a cap for each value that has a population."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Effect:
    """What caps do to a network, or what one of them adds.

    Attributes:
        error: Mean square error of the outputs, relative to their mean square.
        energy: Of a sample, joules.
    """

    error: float
    energy: float

    def __add__(self, other: Effect) -> Effect:
        return Effect(self.error + other.error, self.energy + other.energy)

    def __sub__(self, other: Effect) -> Effect:
        return Effect(self.error - other.error, self.energy - other.energy)


def choose_caps(
    build: Build,
    names: Sequence[str],
    ann: Graph,
    samples: Samples,
    timesteps: int,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Return a cap for each value that has a population.

    Args:
        build: Converts the model.
        names: The values.
        ann: The source model.
        samples: Calibration samples.
        timesteps: T.
        progress: Called with populations done and in all.
    """
    trial = _Trial(build, ann, samples, timesteps)
    largest, default = (dict.fromkeys(names, cap) for cap in (CAPS[-1], REFERENCE))
    best, wanted = trial.effect(largest), trial.effect(default)
    effects: list[dict[int, Effect]] = []
    for done, name in enumerate(names):
        changed = {cap: trial.effect({**largest, name: cap}) - best for cap in CAPS[:-1]}
        effects.append({**changed, CAPS[-1]: Effect(0.0, 0.0)})
        if progress:
            progress(done + 1, len(names))
    for share in SHARES:
        caps = cheapest(effects, share * (wanted.error - best.error))
        if caps is None:
            break
        chosen = dict(zip(names, caps, strict=True))
        real = trial.effect(chosen)
        if real.error <= wanted.error and real.energy < wanted.energy:
            return chosen
    return default


def cheapest(effects: Sequence[Mapping[int, Effect]], budget: float) -> tuple[int, ...] | None:
    """Return a cap for each population: of least energy, of an error within a budget.

    Args:
        effects: For each population what each cap adds.
        budget: The largest sum of errors.

    Returns:
        The caps, or None where none keep to the budget.

    >>> costly, coarse = Effect(0.0, -1.0), Effect(2.0, -9.0)
    >>> cheapest([{15: costly, 1: coarse}, {15: Effect(0.0, 0.0), 1: coarse}], budget=3.0)
    (15, 1)
    """
    front = [(Effect(0.0, 0.0), tuple[int, ...]())]
    for each in effects:
        extended = [
            (so_far + Effect(max(0.0, added.error), added.energy), (*caps, cap))
            for so_far, caps in front
            for cap, added in each.items()
        ]
        front = []
        for choice in sorted(extended, key=lambda choice: (choice[0].error, choice[0].energy)):
            undercuts = not front or choice[0].energy < front[-1][0].energy
            if undercuts and choice[0].error <= budget:
                front.append(choice)
        front = front[:: -(-len(front) // FRONT) or 1]
    return front[-1][1] if front else None


class _Trial:
    """Runs networks of different caps on the same samples."""

    def __init__(self, build: Build, ann: Graph, samples: Samples, timesteps: int) -> None:
        from ..backends.onnx_runtime import AnnSession

        self.build, self.timesteps = build, timesteps
        self.samples = {name: x[:SAMPLES] for name, x in samples.items()}
        self.wanted = AnnSession(ann).run(self.samples)

    def effect(self, caps: Mapping[str, int]) -> Effect:
        graph = self.build(caps)
        run = NumpyBackend().lower(graph, self.timesteps).run(self.samples)
        errors = [
            np.mean(np.square(run.decoded[name][:, -1] - wanted, dtype=np.float64))
            / max(np.mean(np.square(wanted, dtype=np.float64)), np.finfo(float).tiny)
            for name, wanted in self.wanted.items()
        ]
        return Effect(float(np.sum(errors)), count(graph, self.timesteps, run).energy_joules)
