"""Compares a rolled-up network with the file it came from, spike for spike.

Both compute the same random samples: ONNX Runtime the file, in float32 and without optimisation,
the reference semantics of the graph, in float64. Where a membrane is so near its threshold that
rounding decides, the two may differ, and then in all that follows; such a sample counts as far as
to that step, and is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Graph
from ...ir.reference import run
from .refusal import NotRecognisedError

NEAR = 1e-5
"""Distance of a membrane to its threshold, of the larger of both, that rounding may bridge."""

OUTPUTS = 1e-4
"""Difference of outputs, of the largest one, that rounding may make."""


@dataclass(frozen=True)
class Proof:
    """What was compared.

    Attributes:
        samples: Random samples.
        spikes: Spikes of the file in them.
        values: Spikes and silences compared.
        ties: Samples in which a membrane came so near its threshold that rounding decided.
        difference: Largest difference of an output, of the largest output.
        silent: Layers that fired in none of them: what a spike of theirs does is not compared.
    """

    samples: int
    spikes: int
    values: int
    ties: int
    difference: float
    silent: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether every layer fired, and some sample was compared to its end."""
        return not self.silent and self.ties < self.samples

    def joined(self, more: Proof) -> Proof:
        """Return what was compared here and on other samples."""
        return Proof(
            samples=self.samples + more.samples,
            spikes=self.spikes + more.spikes,
            values=self.values + more.values,
            ties=self.ties + more.ties,
            difference=max(self.difference, more.difference),
            silent=self.silent & more.silent,
        )

    def gaps(self) -> list[tuple[str, str]]:
        """Return a warning for each thing that no sample has shown, with the way out."""
        found = []
        if self.silent:
            found.append(
                f"{', '.join(sorted(self.silent))}: fired in none of {self.samples} random "
                "samples, of small and of large values, so that what a spike does there is not "
                "compared with the file"
            )
        if self.ties == self.samples:
            found.append(
                f"all {self.samples} random samples come to a tie with a threshold, so that none "
                "of the outputs is compared with the file"
            )
        return [
            (text, "compare outputs with those of the file on samples of yours") for text in found
        ]

    def __str__(self) -> str:
        ties = f", {self.ties} of the samples up to a tie with the threshold" if self.ties else ""
        return (
            f"equal to ONNX Runtime on {self.samples} random samples: {self.values} spikes or "
            f"silences ({self.spikes} spikes){ties}, outputs within {self.difference:.1e}"
        )


@dataclass(frozen=True, eq=False)
class Original:
    """What the file computed on the samples.

    Attributes:
        spikes: For each layer's name, ``(steps, samples, *shape)``.
        margins: Likewise, how far its membranes are above their thresholds, of the larger of both.
        outputs: For each output ``(samples, *shape)``, or ``(steps, samples, *shape)``.
    """

    spikes: Mapping[str, Array]
    margins: Mapping[str, Array]
    outputs: Mapping[str, Array]


def prove(
    graph: Graph,
    timesteps: int,
    samples: Mapping[str, Array],
    original: Original,
    stacked: Mapping[str, bool],
) -> Proof:
    """Compare.

    Args:
        graph: The rolled-up network.
        timesteps: Its steps.
        samples: For each input its samples.
        original: What the file computed on them.
        stacked: For each output whether it has a value for every step.

    Raises:
        NotRecognisedError: They differ; the message says where.
    """
    trace = run(graph, samples, timesteps)
    found = {name: trace.spikes[name][: len(x)] for name, x in original.spikes.items()}
    count = len(next(iter(samples.values())))
    whole = np.ones(count, bool)
    for sample in range(count):
        step = _first_difference(original.spikes, found, sample, timesteps)
        if step < timesteps:
            whole[sample] = False
            _expect_tie(original, found, sample, step)
    return Proof(
        samples=count,
        spikes=sum(int(np.count_nonzero(x)) for x in original.spikes.values()),
        values=sum(int(x[:, whole].size) for x in original.spikes.values()),
        ties=int(np.count_nonzero(~whole)),
        difference=_outputs_difference(original.outputs, trace.outputs, stacked, whole),
        silent=frozenset(name for name, x in original.spikes.items() if not x.any()),
    )


def _first_difference(
    wanted: Mapping[str, Array], found: Mapping[str, Array], sample: int, timesteps: int
) -> int:
    """Return the first step, from 0, at which spikes of a sample differ; else ``timesteps``."""
    first = timesteps
    for name, spikes in wanted.items():
        differs = (spikes[:, sample] != found[name][:, sample]).reshape(len(spikes), -1).any(axis=1)
        first = min([first, *(int(step) for step in np.flatnonzero(differs))])
    return first


def _expect_tie(original: Original, found: Mapping[str, Array], sample: int, step: int) -> None:
    """Raise ``NotRecognisedError`` unless a membrane was at its threshold where spikes differ."""
    reason = ""
    for name, spikes in original.spikes.items():
        if step >= len(spikes):
            continue
        differs = spikes[step, sample] != found[name][step, sample]
        if np.any(np.abs(original.margins[name][step, sample][differs]) <= NEAR):
            return
        for place in np.argwhere(differs)[:1]:
            neuron = tuple(int(index) for index in place)
            does = "fires" if spikes[step, sample][neuron] else "rests"
            at = f"{name}: neuron {neuron} {does} in the file at step {step + 1}"
            reason = reason or f"{at}, but not so rolled up"
    raise NotRecognisedError(reason)


def _outputs_difference(
    wanted: Mapping[str, Array],
    found: Mapping[str, Array],
    stacked: Mapping[str, bool],
    whole: Array,
) -> float:
    """Return by how much outputs differ; raise ``NotRecognisedError`` where it is too much."""
    largest = 0.0
    for name, values in wanted.items():
        ours, theirs = (found[name], values) if stacked[name] else (found[name][-1:], values[None])
        if ours.shape != theirs.shape:
            raise NotRecognisedError(f"output {name}: is {theirs.shape} in the file, {ours.shape}")
        size = max(float(np.max(np.abs(theirs))), 1e-30)
        off = float(np.max(np.abs(ours - theirs)[:, whole], initial=0.0)) / size
        if not off <= OUTPUTS:  # NaN is no answer either
            raise NotRecognisedError(f"output {name}: differs from the file by {off:.1e} of it")
        largest = max(largest, off)
    return largest
