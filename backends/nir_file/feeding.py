"""What is to be fed to an input of a file: the payloads of its encoder, times their unit."""

from __future__ import annotations

from typing import Any

from ...ir import Array, Encoder


def input_document(node: Encoder) -> dict[str, Any]:
    """Return what is to be fed to an input."""
    low, high = node.bounds or (-node.limit, node.limit)
    return {
        "name": node.inputs[0],
        "scale": node.scale,
        "bounds": [low, high] if node.scale is not None else None,
        "rounding": node.rounding,
        "offset": node.offset,
        "gain": _listed(node.gain),
        "shift": _listed(node.shift),
        "value": in_words(node),
    }


def in_words(node: Encoder) -> str:
    """Return in words what to feed for a sample ``x``."""
    x = "x" if node.gain is None else "gain * x"
    x += "" if node.shift is None else " + shift"
    if node.scale is None:
        return x
    low, high = node.bounds or (-node.limit, node.limit)
    inner = f"({x})" if x != "x" else x
    offset = f" + {node.offset}" if node.offset else ""
    function = "floor" if node.rounding == "floor" else "round"
    return f"{node.scale!r} * clip({function}({inner} / {node.scale!r}){offset}, {low}, {high})"


def _listed(parameter: Array | None) -> Any:
    return None if parameter is None else parameter.tolist()
