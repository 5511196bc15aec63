"""Finds the cheapest setting of the compiler that loses no more accuracy than allowed.

A quarter of the calibration samples is held back. The settings are tried from the one that will
cost the least upwards; each network is calibrated on the other three quarters, exactly as
without a search, and judged on the held-back quarter. The first that keeps to the allowed drop,
with a confidence of 90 %, is chosen: the network that was judged, not one compiled again on all
samples, which nobody would have judged.

A prefix of the run of a network with more time steps is no candidate: thresholds, weights and
membranes are fitted for one T, and a network fitted for fewer steps does better with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import log
from os import PathLike

from ...backends.numpy_sim import NumpyBackend
from ...ir.errors import ConversionError, DataError, DesignRuleError, OptionError
from ..data import Samples, Source, find_labels, load_samples
from ..network import Network
from ..options import Options
from ..pipeline import SIMPLIFY, After, run_passes
from .cost import count
from .judge import Judge, chosen, split
from .record import LARGEST_DROP, Record, Trial
from .settings import Setting

FEWEST = 200
"""Calibration samples: of fewer, less than fifty would have to judge."""

PROBED = 16
"""Samples whose events are counted to order the settings: they cost nearly the same."""

EQUAL = 1.1
"""Costs closer than about this ratio count as equal, and fewer time steps decide."""

DATA = "calibration data"


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search for the cheapest network.

    Attributes:
        build: ``snnc.compile`` with everything given but calibration data and options.
        model: The ONNX file.
        calibration: Samples, and labels ``y`` if there are any.
        max_drop: Accuracy of the ANN minus that of the spiking network, a fraction.
        options: All that the settings leave open.
        settings: The settings to choose from.
        progress: Called as stages go on.

    Raises:
        OptionError: ``max_drop`` is out of range, or there are no calibration data.
    """

    build: Callable[..., Network]
    model: str | PathLike[str]
    calibration: Source | None
    max_drop: float
    options: Options
    settings: tuple[Setting, ...]
    progress: Callable[[str, int, int], None] | None = None

    def __post_init__(self) -> None:
        expect_searchable(self.max_drop, self.calibration)

    def network(self, after: After | None = None) -> Network:
        """Return the cheapest network that keeps to ``max_drop``; its report tells of the search.

        Args:
            after: Called with the name and the result of each pass of that network.

        Raises:
            AccuracyError: No setting is sure to keep to it.
            DataError: The samples are too few, or the model is no classifier of the labels.
            ConversionError: No code can express the model.
            DesignRuleError: No setting fits the target.
        """
        samples, judge = judged_samples(self.model, self.calibration, self.options)
        record = Record(self.max_drop, judge)
        record.expected.update(self._expected_energy(samples, record))
        for number, setting in enumerate(record.expected):
            self._advance("search", number, len(record.expected))
            network = self._built(setting.applied(self.options), samples, setting, record)
            if network is None:
                continue
            judged = judge.judged(network.graph, network.timesteps, self._judging)
            record.trials.append(Trial(setting, *judged))
            if record.met(record.trials[-1]):
                if after:  # compiled once more to be looked at: nothing in it is drawn anew
                    fields = asdict(setting.applied(self.options))
                    self.build(calibration=samples, after=after, **fields)
                return self._reported(network, record, setting)
        raise record.failure()

    def _expected_energy(self, samples: Samples, record: Record) -> dict[Setting, float]:
        """Return the energy each setting will take, joules a sample, in the order of trial.

        Each code and cap is compiled once, for its smallest T and without reconstruction, and its
        events are counted on a few samples. The energy of other T follows in proportion: input
        and updates grow with the number of steps, and so do, within some percent, the events.
        """
        few = {name: x[:PROBED] for name, x in samples.items()}
        energy: dict[Setting, float] = {}
        for family in dict.fromkeys(setting.family for setting in self.settings):
            shortest = min((s for s in self.settings if s.family == family), key=_steps)
            options = replace(shortest.applied(self.options), correction="none")
            if (network := self._built(options, few, shortest, record)) is not None:
                run = NumpyBackend().lower(network.graph, shortest.timesteps).run(few)
                cost = count(network.graph, shortest.timesteps, run)
                energy[family] = cost.energy_joules / shortest.timesteps
        expected = {s: energy[s.family] * s.timesteps for s in self.settings if s.family in energy}
        return dict(sorted(expected.items(), key=lambda each: _rank(*each)))

    def _built(
        self, options: Options, samples: Samples, setting: Setting, record: Record
    ) -> Network | None:
        """Return a network, or None and the reason in the record."""
        try:
            return self.build(calibration=samples, progress=self.progress, **asdict(options))
        except (ConversionError, DesignRuleError) as error:
            record.refused[setting] = error
            return None

    def _reported(self, network: Network, record: Record, setting: Setting) -> Network:
        """Return the network with the search in its manifest."""
        manifest = dict(network.artifact.manifest)
        origin = "file" if isinstance(self.calibration, (str, PathLike)) else "array"
        manifest["options"] = {**manifest["options"], "max_drop": self.max_drop}
        manifest["report"] = {
            **manifest["report"],
            "calibration": origin,
            "search": record.to_json(setting),
        }
        return replace(network, artifact=replace(network.artifact, manifest=manifest))

    def _judging(self, done: int, total: int) -> None:
        self._advance("judge", done, total)

    def _advance(self, stage: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(stage, done, total)


def expect_searchable(max_drop: float, calibration: Source | None) -> None:
    """Raise ``OptionError`` where the drop is out of range, or nothing can judge it."""
    if not 0 <= max_drop <= LARGEST_DROP:
        raise OptionError(
            f"--max-drop {max_drop:g} is out of range",
            hint=f"give a fraction from 0 to {LARGEST_DROP}, or a percentage, e.g. 0.5%",
        )
    if calibration is None:
        raise OptionError(
            "--max-drop needs real samples to judge accuracy on",
            hint="give training samples, best with labels y: --calibration XY.npz",
        )


def judged_samples(
    model: str | PathLike[str], calibration: Source | None, options: Options
) -> tuple[Samples, Judge]:
    """Return the samples to calibrate on, and the judge of the others.

    Raises:
        DataError: The samples are too few, or the model is no classifier of the labels.
    """
    from ..onnx_import import load

    assert calibration is not None
    given = (options.max_elements, options.input_shapes, options.fixed_inputs)
    ann = run_passes(load(model, *given).graph, SIMPLIFY)
    samples = load_samples(calibration, ann, what=DATA)
    labels = find_labels(calibration, samples, what=DATA)
    calibrating, held_back = split(samples, options.seed)
    total = len(calibrating) + len(held_back)
    if total < FEWEST:
        raise DataError(
            f"{DATA}: {total} samples are too few to judge accuracy on a quarter of them",
            hint=f"give at least {FEWEST} samples, better 1000",
        )
    judge = Judge.of(ann, samples, labels, held_back, options.seed)
    return chosen(samples, calibrating), judge


def _steps(setting: Setting) -> int:
    return setting.timesteps


def _rank(setting: Setting, energy: float) -> tuple[int, int, float]:
    return (round(log(energy) / log(EQUAL)) if energy else 0, setting.timesteps, energy)
