"""Whether the fields of a node that was read from a file have the types they are declared with."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from .node import Node
from .types import Array

LARGEST = 1 << 62
"""Largest magnitude of an integer: sums of two fit into 64 bits."""

LEAST = {
    **dict.fromkeys(("kernel", "stride", "dilation", "groups", "copies", "shape", "split"), 1),
    **dict.fromkeys(("padding", "order", "sequence"), 0),
}
"""The least number in fields of some names."""

MOST = {"bits": 32, "digits": 64, "levels": 62, "base": 1 << 16}
"""The largest number in fields of some names: exponents, and bases of powers."""

AXES = {"Conv": 4, "Linear": 2}
"""Axes of the weight, by the class of the node."""


def expect_field_types(node: Node) -> None:
    """Raise ``ValueError`` where a field has a value of another type, or out of all bounds."""
    hints = _hints(type(node))
    for field in fields(node):
        value = getattr(node, field.name)
        if not _fits(value, hints[field.name]):
            raise ValueError(f"{field.name} of {type(node).__name__} is {str(value)[:60]!r}")
        least, most = LEAST.get(field.name, -LARGEST), MOST.get(field.name, LARGEST)
        numbers = [n for n in (value if isinstance(value, tuple) else (value,)) if _whole(n)]
        if any(not least <= number <= most for number in numbers):
            raise ValueError(f"{field.name} of {type(node).__name__} is {str(value)[:60]}")
    axes = AXES.get(type(node).__name__)
    if axes and np.ndim(getattr(node, "weight")) != axes:  # noqa: B009  # not all nodes have one
        raise ValueError(f"the weight of {type(node).__name__} has not {axes} axes")


def as_text(value: Any) -> str:
    """Return a text that can be written to a file; raise ``ValueError`` for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:60]!r} is no text")  # noqa: TRY004  # all are ValueErrors
    value.encode()  # a lone surrogate has no UTF-8: UnicodeEncodeError is a ValueError
    return value


@cache
def _hints(kind: type[Node]) -> dict[str, Any]:
    return get_type_hints(kind)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has a type, of the few kinds that fields of nodes have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and _all_fit(value, arguments)
    if hint == Array:  # what it is an alias of differs between versions of NumPy
        return isinstance(value, np.ndarray)
    if hint in (None, NoneType):
        return value is None
    if hint is str:
        return isinstance(value, str) and as_text(value) == value
    if hint is int:
        return _whole(value)
    if hint is float:
        return isinstance(value, float) or (_whole(value) and abs(value) <= LARGEST)
    return isinstance(value, origin or hint)


def _all_fit(values: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if hints[-1] is Ellipsis:
        return all(_fits(each, hints[0]) for each in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))
