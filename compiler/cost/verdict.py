"""One sentence: where the spiking network wins, where not, and what dominates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimate import Estimate

RIVALS = {"twin": "its quantised twin", "ann_int8": "the INT8 ANN", "ann": "the FP32 ANN"}


@dataclass(frozen=True)
class Dominant:
    """The largest part of the energy.

    Attributes:
        term: Its name.
        term_share: Its share of the energy that is known.
        layer: The node that takes most.
        layer_share: Its share.
    """

    term: str
    term_share: float
    layer: str
    layer_share: float


def dominant(found: Estimate) -> Dominant | None:
    """Return which term and which node of the spiking network take most; None of nothing."""
    terms = {name: joules for name, joules in found.terms("snn").items() if joules}
    nodes = {
        layer.node: fsum(part for part in found.parts("snn", layer).values() if part)
        for layer in found.snn
    }
    everything = fsum(terms.values())
    if not everything:
        return None
    term, layer = (max(part, key=lambda name: part[name]) for part in (terms, nodes))
    return Dominant(term, terms[term] / everything, layer, nodes[layer] / everything)


@dataclass(frozen=True)
class OnModel:
    """The energies on one model, joules; None where they are not known.

    Attributes:
        hardware: Name of the model.
        runs: Which networks it runs, of ``snn`` and ``ann``.
        snn: Of the spiking network.
        twin: Of its quantised twin.
        ann_int8: Of the ANN in 8-bit integers.
        ann: Of the ANN in 32-bit floats.
        snn_to_twin: The first over the second.
        placed: Whether messages follow a placement on that chip.
        static_power: Whether static power is part of it.
        bracket: What stands for the first where nothing is published: ``low`` and ``high``, whose
            basis the model has.
    """

    hardware: str
    runs: tuple[str, ...]
    snn: float | None
    twin: float | None
    ann_int8: float | None
    ann: float | None
    snn_to_twin: float | None
    placed: bool
    static_power: bool
    bracket: Mapping[str, float] | None


def over_models(found: Estimate) -> tuple[OnModel, ...]:
    """Return the energies on every model, that of the estimate first."""
    return tuple(
        OnModel(
            hardware=other.hardware.name,
            runs=other.hardware.runs,
            snn=other.joules("snn"),
            twin=other.joules("twin"),
            ann_int8=other.joules("ann_int8"),
            ann=other.joules("ann"),
            snn_to_twin=other.ratio("twin"),
            placed=other.placement is not None,
            static_power=other.static_joules("snn") is not None,
            bracket=other.bracket,
        )
        for other in found.over_models()
    )


def sensitivity(models: Sequence[OnModel]) -> dict[str, Any]:
    """Return the energies on all models, and between which values they and their ratio lie."""
    return {
        "models": [asdict(model) for model in models],
        "snn": _range(model.snn for model in models),
        "snn_to_twin": _range(model.snn_to_twin for model in models),
    }


def verdict(found: Estimate) -> str:
    """Return the sentence."""
    if not found.has_ann:
        return f"on {found.hardware.name} there is no source ANN to compare with{_most(found)}"
    ratios = {name: found.ratio(name) for name in RIVALS}
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    models = [model.snn_to_twin for model in over_models(found) if model.snn_to_twin is not None]
    spread = _range(models)
    over = (
        f"; over the {len(models)} models that cost both, the SNN takes "
        f"{spread['low']:.3g} to {spread['high']:.3g} times the energy of its twin"
        if spread
        else ""
    )
    if not known:
        return f"on {found.hardware.name} no ANN can be costed{_most(found)}{over}"
    wins = [_against(name, ratio) for name, ratio in known.items() if ratio < 1]
    loses = [_against(name, ratio) for name, ratio in known.items() if ratio >= 1]
    parts = [f"takes less energy than {_listed(wins)}"] if wins else []
    parts += [f"takes more energy than {_listed(loses)}"] if loses else []
    return f"on {found.hardware.name} the SNN {', and '.join(parts)}{_most(found)}{over}"


def _against(name: str, ratio: float) -> str:
    return f"{RIVALS[name]} ({ratio:.3g} times)"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _most(found: Estimate) -> str:
    most = dominant(found)
    if most is None:
        return ""
    whose = "its" if found.has_ann else "the SNN's"
    return (
        f"; {most.term_share:.0%} of {whose} energy is {most.term}, and {most.layer_share:.0%} is "
        f"at {most.layer}"
    )


def _range(values: Iterable[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return {"low": min(known), "high": max(known)} if known else None
