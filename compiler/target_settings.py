"""Options that only one target knows, and what its backend calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.errors import OptionError

TARGET_SETTINGS = {"nir": ("nir_version", "nir_flavour")}
"""For a target, its options: its name, an underscore, and what the backend calls them."""

STEP_SETTINGS = {"nir": ("dt", "discretisation")}
"""Options of NIR files read that a target needs to write one; called as they are."""


def settings_for(target: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some options that are the target's; none may be another's.

    Raises:
        OptionError: An option is given that is another target's.
    """
    expect_of_target(target, options)
    return target_settings(target, options)


def target_settings(target: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some options that are the target's, as its backend calls them."""
    names = (*TARGET_SETTINGS.get(target, ()), *STEP_SETTINGS.get(target, ()))
    found = {name.removeprefix(f"{target}_"): options.get(name) for name in names}
    return {name: str(value) for name, value in found.items() if value is not None}


def option_names(target: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings of a backend under the names of the options."""
    named = {name.removeprefix(f"{target}_"): name for name in TARGET_SETTINGS.get(target, ())}
    return {named.get(name, name): value for name, value in settings.items()}


def expect_of_target(target: str, options: Mapping[str, Any]) -> None:
    """Raise ``OptionError`` where an option is given that is another target's."""
    for owner, names in TARGET_SETTINGS.items():
        given = [name for name in names if options.get(name) is not None]
        if given and owner != target:
            listed = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise OptionError(
                f"{listed} has no meaning for target {target!r}", hint=f"use --target {owner}"
            )
