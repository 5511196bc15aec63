"""What a search for the cheapest network would choose from, without compiling any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...backends import Backend
from ...backends.artifact import TRAINED
from ..data import Source
from ..inspection import Inspection, inspect
from ..options import Options
from .search import expect_searchable, judged_samples
from .settings import Setting, candidates


def inspect_search(
    path: Path,
    backend: Backend,
    options: Options,
    max_drop: float,
    calibration: Source | None,
    most_steps: int | None = None,
) -> Inspection:
    """Say whether a model converts with one of the settings that a search tries.

    Args:
        path: The ONNX file.
        backend: The target.
        options: All that the settings leave open.
        max_drop: As for ``compile``.
        calibration: Training samples.
        most_steps: The largest T allowed; None for no limit.

    Returns:
        What can be said for the first code and cap that convert, else for the first at all, with
        what stands in the way of each.

    Raises:
        ModelError: The file cannot be read.
        OptionError: No setting goes with the options, or there are no samples.
        DataError: The samples do not fit the model, or cannot judge.
    """
    plain = inspect(path, backend, options, require_full=True, calibration=calibration)
    if plain.code == TRAINED:
        unused = (
            f"--max-drop {max_drop:g}: not used, the model is a spiking network that was trained",
            "leave it out; there is nothing to choose",
        )
        return replace(plain, warnings=(*plain.warnings, unused))
    expect_searchable(max_drop, calibration)
    families: dict[Setting, list[Setting]] = {}
    for setting in candidates(options, backend.target, most_steps):
        families.setdefault(setting.family, []).append(setting)
    found: dict[str, Inspection] = {}
    for settings in families.values():
        setting = settings[0]
        steps = ", ".join(str(each.timesteps) for each in settings)
        found[f"{setting.family.named} with T of {steps}"] = inspect(
            *(path, backend, setting.applied(options)), require_full=True, calibration=calibration
        )
    best = next((each for each in found.values() if each.convertible), plain)
    if best.convertible:
        judged_samples(path, calibration, options)
    return replace(best, settings={name: each.unsupported for name, each in found.items()})
