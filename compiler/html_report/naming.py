"""Short forms of the names that exporters give: what is left still tells all layers apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ENDINGS = ("_output_0", ".quantized", ".quantizer")
"""What exporters and passes append to every name."""


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each name a short form; one that two names would share is not used.

    >>> list(short_names(["/a/a.0/relu1/Relu_output_0", "/a/a.1/relu1/Relu_output_0"]).values())
    ['a.0/relu1', 'a.1/relu1']
    """
    short = {name: _without_repetition(name) for name in names}
    count = Counter(short.values())
    return {
        name: form if count[form] == 1 and form not in short else name
        for name, form in short.items()
    }


def _without_repetition(name: str) -> str:
    """Return a path without the folders that only repeat what their neighbours say."""
    kept = name
    for ending in ENDINGS:
        kept = kept.removesuffix(ending)
    parts = [part for part in kept.split("/") if part]
    if not parts:
        return name
    if len(parts) > 1 and parts[-1][0].isupper():  # the operator, as PyTorch's exporter names it
        parts.pop()
    return "/".join(
        part
        for part, after in zip(parts, [*parts[1:], ""], strict=True)
        if not after.startswith(f"{part}.")
    )


def clipped(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters, without its middle if it is longer.

    >>> clipped("a-very-long-name", 9)
    'a-ve…name'
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"
