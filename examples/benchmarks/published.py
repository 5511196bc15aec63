"""What papers report for CIFAR-10, and how our order of methods compares with theirs.

Networks, training and preprocessing differ from paper to paper and from ours, so the figures are
not comparable one by one; within one column of one network the order of methods is. Tags say how a
figure came here:

- PAPER: read in the paper that is named, which may quote another one's method.
- CODE: read in the authors' own repository.
- SEC: read in somebody else's text; exact as printed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Tag = Literal["PAPER", "CODE", "SEC"]


@dataclass(frozen=True)
class Published:
    """Accuracies of one method on one network.

    Attributes:
        method: As its authors call it.
        network: As they call it.
        ann: Accuracy of the ANN in percent, or None where it is not given.
        accuracy: Accuracy of the spiking network in percent, for each T.
        trained: Whether the ANN was trained for the conversion.
        tag: How the figures came here.
        source: Where they stand.
        ours: Name of the nearest method in ``methods.METHODS``, or None where there is none.
    """

    method: str
    network: str
    ann: float | None
    accuracy: Mapping[int, float]
    trained: bool
    tag: Tag
    source: str
    ours: str | None = None


QCFS = "Bu et al., ICLR 2022 (arXiv 2303.04347), table 1"
CALIBRATION = "Li et al., ICML 2021, README of yhhhli/SNN_Calibration; the T is doubtful"

PUBLISHED: tuple[Published, ...] = (
    Published("RMP", "VGG-16", 93.63, {32: 60.30, 64: 90.35}, False, "PAPER", QCFS, "spike-norm"),
    Published("TSC", "VGG-16", 93.63, {64: 92.79}, False, "PAPER", QCFS),
    Published(
        "RTS, without threshold ReLU",
        "VGG-16",
        95.72,
        {32: 76.24, 64: 90.64},
        False,
        "PAPER",
        QCFS,
        "max, shift step",
    ),
    Published("RNL", "VGG-16", 92.82, {16: 57.90, 32: 85.40, 64: 91.15}, True, "PAPER", QCFS),
    Published("SNNC-AP", "VGG-16", 95.72, {32: 93.71, 64: 95.14}, False, "PAPER", QCFS, "advanced"),
    Published(
        "QCFS",
        "VGG-16",
        95.52,
        {2: 91.18, 4: 93.96, 8: 94.95, 16: 95.40, 32: 95.54, 64: 95.55},
        True,
        "PAPER",
        QCFS,
    ),
    Published(
        "OPI",
        "VGG-16",
        None,
        {16: 93.38},
        True,
        "SEC",
        "Bu et al., AAAI 2022, as quoted",
        "max, v(0) = 1/2",
    ),
    Published("TSC", "ResNet-20", 91.47, {64: 69.38}, False, "PAPER", QCFS),
    Published(
        "QCFS",
        "ResNet-20",
        91.77,
        {2: 73.20, 4: 83.75, 8: 89.55, 16: 91.62, 32: 92.24, 64: 92.35},
        True,
        "PAPER",
        QCFS,
    ),
    Published(
        "QCFS",
        "ResNet-18",
        96.04,
        {2: 75.44, 4: 90.43, 8: 94.82, 16: 95.92, 32: 96.08, 64: 96.06},
        True,
        "PAPER",
        QCFS,
    ),
    Published(
        "RTS, without threshold ReLU",
        "ResNet-18, altered",
        95.46,
        {32: 84.06, 64: 92.48},
        False,
        "PAPER",
        QCFS,
        "max, shift step",
    ),
    Published(
        "SNNC-AP",
        "ResNet-18, altered",
        95.46,
        {32: 94.78, 64: 95.30},
        False,
        "PAPER",
        QCFS,
        "advanced",
    ),
    Published(
        "SNNC, no calibration",
        "VGG-16",
        95.76,
        {16: 64.52},
        False,
        "CODE",
        CALIBRATION,
        "mmse, shift step",
    ),
    Published("SNNC, light", "VGG-16", 95.76, {16: 93.30}, False, "CODE", CALIBRATION, "light"),
    Published(
        "SNNC, advanced", "VGG-16", 95.76, {16: 93.65}, False, "CODE", CALIBRATION, "advanced"
    ),
    Published(
        "SNNC, no calibration",
        "ResNet-20, wide",
        95.68,
        {16: 67.88},
        False,
        "CODE",
        CALIBRATION,
        "mmse, shift step",
    ),
    Published(
        "SNNC, light", "ResNet-20, wide", 95.68, {16: 93.89}, False, "CODE", CALIBRATION, "light"
    ),
    Published(
        "SNNC, advanced",
        "ResNet-20, wide",
        95.68,
        {16: 94.33},
        False,
        "CODE",
        CALIBRATION,
        "advanced",
    ),
)

FEWEST = 3
"""Methods an order needs before a correlation says anything."""


@dataclass(frozen=True)
class Agreement:
    """How our order of methods compares with a published one.

    Attributes:
        network: The published network.
        timesteps: T.
        methods: The published names, best first.
        ours: Our figures for the same methods, in the same order.
        accuracy: Spearman's rank correlation of the accuracies.
        loss: Likewise of the accuracies lost, where the ANN's are given; None where they are
            given for fewer than ``FEWEST``.
    """

    network: str
    timesteps: int
    methods: tuple[str, ...]
    ours: tuple[float, ...]
    accuracy: float
    loss: float | None


def agreements(measured: Mapping[tuple[str, int], tuple[float, float]]) -> Iterator[Agreement]:
    """Compare the orders for each network and T with at least ``FEWEST`` methods in common.

    Args:
        measured: Our accuracy and ANN accuracy in percent, for each method and T.
    """
    for network in dict.fromkeys(entry.network for entry in PUBLISHED):
        for t in sorted({t for entry in PUBLISHED for t in entry.accuracy}):
            common = [
                entry
                for entry in PUBLISHED
                if entry.network == network and t in entry.accuracy and (entry.ours, t) in measured
            ]
            if len(common) >= FEWEST:
                yield _agreement(network, t, common, measured)


def _agreement(
    network: str,
    t: int,
    common: list[Published],
    measured: Mapping[tuple[str, int], tuple[float, float]],
) -> Agreement:
    common = sorted(common, key=lambda entry: -entry.accuracy[t])
    found = [measured[str(entry.ours), t] for entry in common]
    with_ann = [
        (entry.ann - entry.accuracy[t], ann - accuracy)
        for entry, (accuracy, ann) in zip(common, found, strict=True)
        if entry.ann is not None
    ]
    accuracies = ((entry.accuracy[t], one[0]) for entry, one in zip(common, found, strict=True))
    return Agreement(
        network=network,
        timesteps=t,
        methods=tuple(entry.method for entry in common),
        ours=tuple(accuracy for accuracy, _ in found),
        accuracy=rank_correlation(accuracies),
        loss=rank_correlation(with_ann) if len(with_ann) >= FEWEST else None,
    )


def rank_correlation(pairs: Iterable[tuple[float, float]]) -> float:
    """Return Spearman's rank correlation of two columns."""
    from scipy.stats import spearmanr

    theirs, ours = zip(*pairs, strict=True)
    return float(spearmanr(theirs, ours).statistic)
