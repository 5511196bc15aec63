"""``snnc targets``: what there is, and what can run here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from .console import Console

EXAMPLE = "snnc targets"


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the command has no options of its own."""


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.registry import known_targets

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
    console.result({"targets": found})
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
