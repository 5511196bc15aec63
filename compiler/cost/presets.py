"""The models of energy that come with snnc, one TOML file each, in ``presets/``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import fsum
from pathlib import Path

from ...ir.errors import OptionError, suggestion
from .constants import Constant
from .counts import Layer
from .hardware import Hardware, Term
from .hardware_file import parse_hardware, read_hardware

PRESETS = (
    "lemaire-2022",
    "lemaire-2022-packed",
    "lemaire-2022-spikingjelly",
    "horowitz-45nm",
    "horowitz-45nm-fp32",
    "yan-2024-22nm",
    "loihi1-davies2018",
    "loihi1-sanafe",
    "loihi2",
    "truenorth",
    "spinnaker2",
)
"""Their names, in the order in which they are listed."""

DEFAULT = PRESETS[0]
"""Memory-aware, and it costs an ANN as well: the least misleading of those that are complete."""

SUFFIX = ".toml"


@cache
def preset(name: str) -> Hardware:
    """Return the model of energy of that name."""
    content = (files(__package__) / "presets" / f"{name}{SUFFIX}").read_bytes()
    return parse_hardware(content, f"{name}{SUFFIX}")


def get_hardware(name: str, access_bits: int | None = None) -> Hardware:
    """Return a model of energy.

    Args:
        name: A preset, or the path of a user's own file, which ends in ``.toml``.
        access_bits: Bits of an access to memory, instead of the model's own.

    Raises:
        OptionError: There is none of that name, or the file is not as it should be.
    """
    if name in PRESETS:
        found = preset(name)
    elif name.endswith(SUFFIX):
        found = read_hardware(Path(name))
        if found.name in PRESETS:
            raise OptionError(
                f"{name}: name {found.name!r} is that of a model of snnc",
                hint="give your model a name of its own",
            )
    else:
        known = ", ".join(PRESETS)
        raise OptionError(
            f"--hardware {name!r} is unknown",
            hint=f"{suggestion(name, PRESETS)}choose one of: {known}; or give a file .toml",
        )
    return found if access_bits is None else found.with_access_bits(access_bits)


def bracket_joules(terms: tuple[Term, ...], layers: tuple[Layer, ...]) -> float:
    """Return one end of a bracket: terms whose constants belong to other models, joules."""
    return fsum(
        layer.counts.sum_of(term.counts) * borrowed(term).si
        for layer in layers
        for term in terms
        if term.is_about(layer, "snn")
    )


def borrowed(term: Term) -> Constant:
    """Return the constant of another model, written as ``model/constant``."""
    model, _, name = term.constant.partition("/")
    return preset(model).constants[name]


def all_presets() -> Mapping[str, Hardware]:
    """Return all models that come with snnc."""
    return {name: preset(name) for name in PRESETS}
