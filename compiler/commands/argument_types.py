"""From the words of a command line to the values of its options."""

from __future__ import annotations

from argparse import ArgumentTypeError


def input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the name of an input and its shape.

    >>> input_shape("x=1,3,48,320")
    ('x', (1, 3, 48, 320))
    """
    name, separator, sizes = text.rpartition("=")  # a name may hold anything
    try:
        shape = tuple(int(size) for size in sizes.split(",")) if sizes else ()
    except ValueError:
        separator = ""
    if not name or not separator:
        raise ArgumentTypeError(f"{text!r} is no name with its sizes, e.g. x=1,3,48,320")
    return name, shape


def fixed_input(text: str) -> tuple[str, tuple[float, ...]]:
    """Return the name of an input and its numbers.

    >>> fixed_input("sr=16000"), fixed_input("h=0.5,1")
    (('sr', (16000,)), ('h', (0.5, 1)))
    """
    name, separator, numbers = text.rpartition("=")
    try:
        found = tuple(_number(part) for part in numbers.split(","))
    except ValueError:
        separator = ""
    if not name or not separator:
        raise ArgumentTypeError(f"{text!r} is no name with its numbers, e.g. sr=16000")
    return name, found


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def fraction(text: str) -> float:
    """Return a number given as a fraction or in percent.

    >>> fraction("0.5%"), fraction("0.005")
    (0.005, 0.005)
    """
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no fraction, e.g. 0.5% or 0.005") from None


def weight_bits(text: str) -> int | None:
    """Return a width in bits, or None for ``float``."""
    if text == "float":
        return None
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is neither a whole number from 2 to 8 nor 'float'"
        ) from None


def whole_or_auto(text: str) -> int | str:
    """Return a number of steps, or ``auto``."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a whole number nor 'auto'") from None


def steps(text: str) -> tuple[int, ...]:
    """Return a list of time steps given as ``1,2,4``, sorted, each once."""
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no list of whole numbers, e.g. 1,2,4") from None
    if found[0] < 1:
        raise ArgumentTypeError(f"{found[0]} is no number of time steps, the first step is 1")
    return tuple(found)
