"""The neuron contract: what every target must reproduce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....ir.errors import Problem
from ..findings import Findings
from ..markup import Content, element
from ..quantities import NONE, number
from ..tables import definitions, table
from .section import Section, missing, paragraph


def contract(findings: Findings) -> Section:
    """Return the contract, a table of what all populations and one each obey."""
    title = "The neuron contract"
    held: Mapping[str, Any] = findings.network.artifact.manifest.get("contract") or {}
    if not held:
        nothing = Problem("the artifact states none", "compile the model again")
        return Section("contract", title, missing("No contract", nothing))
    plain = [(_words(key), value) for key, value in held.items() if isinstance(value, str)]
    body: list[Content] = [
        paragraph(
            "What a neuron does, exactly: any target that runs this network must do the same, "
            "event for event, and snnc verify checks that it does."
        ),
        definitions((key, value) for key, value in plain if value),
    ]
    for key, value in held.items():
        if isinstance(value, Mapping) and value:
            body.append(_group(_words(key), value))
    return Section("contract", title, body)


def _group(title: str, entries: Mapping[str, Any]) -> Content:
    """Return what is said of one thing each, such as all populations."""
    if not all(isinstance(entry, Mapping) for entry in entries.values()):
        pairs = [(name, _value(value)) for name, value in entries.items()]
        return table(title.capitalize(), ("name", "value"), pairs)
    heads = list(dict.fromkeys(key for entry in entries.values() for key in entry))
    count, first = len(entries), next(iter(entries.values()))
    alike = [
        key
        for key in heads
        if count > 1 and len({repr(entry.get(key)) for entry in entries.values()}) == 1
    ]
    differing = [key for key in heads if key not in alike]
    values = [[_value(entry.get(key)) for key in differing] for entry in entries.values()]
    rows = [(name, *row) for name, row in zip(entries, values, strict=True)]
    caption = f"{title.capitalize()}{', what differs' if alike else ''}"
    return [
        element("h3", title.capitalize()),
        paragraph(f"The same in all {count}:") if alike else None,
        definitions((_words(key), _value(first.get(key))) for key in alike) if alike else None,
        table(caption, ("name", *map(_words, differing)), rows) if differing else None,
    ]


def _words(key: str) -> str:
    return key.replace("_", " ")


def _value(value: object) -> str:
    """Return a value in words; bounds are ranges."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(float(value))
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return "{} to {}".format(*("unbounded" if end is None else _value(end) for end in value))
    return str(value)
