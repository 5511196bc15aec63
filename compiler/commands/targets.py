"""``snnc targets``: what there is, what can run here, and the models of energy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from .console import Console

EXAMPLE = "snnc targets"


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the command has no options of its own."""


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.registry import known_targets
    from ..cost.presets import all_presets

    found = [describe(name) for name in known_targets()]
    console.table(
        ("target", "here", "signed", "graded", "integers only", "what it is"),
        [
            (
                entry["name"],
                entry["version"] or "not installed",
                _yes(entry["signed_payloads"]),
                _yes(entry["graded_payloads"]),
                _yes(entry["needs_integers"]),
                entry["summary"],
            )
            for entry in found
        ],
    )
    models: list[dict[str, Any]] = [
        {
            "name": model.name,
            "title": model.title,
            "basis": model.basis,
            "networks": model.runs,
            "energy_per_operation": bool(model.terms),
            "constants": [asdict(constant) for constant in model.constants.values()],
        }
        for model in all_presets().values()
    ]
    console.lines("")
    console.table(
        ("--hardware", "ANN", "SNN", "model of energy"),
        [
            (
                model["name"],
                _yes("ann" in model["networks"]),
                _yes(model["energy_per_operation"]) if model["constants"] else "a bracket",
                model["title"],
            )
            for model in models
        ],
    )
    console.result({"targets": found, "hardware": models})
    return 0


def describe(name: str) -> dict[str, Any]:
    """Return what a target is and whether it can run here."""
    from ...backends import get_backend

    backend = get_backend(name)
    target, version = backend.target, backend.availability()
    return {
        "name": name,
        "available": bool(version),
        "version": version,
        "summary": target.summary,
        "signed_payloads": target.signed_payloads,
        "graded_payloads": target.graded_payloads,
        "needs_integers": target.needs_integers,
        "source": target.source,
    }


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
