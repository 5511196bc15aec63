"""One-dimensional layers as two-dimensional ones of height 1."""

from __future__ import annotations

from collections.abc import Callable

from ....ir import Node, Reshape
from ..operation import Operation
from ..values import Activation

Handler = Callable[[Operation], tuple[Node, ...]]


def on_lines(handler: Handler) -> Handler:
    """Return a handler of images that also takes channels x places, as an image of height 1."""

    def convert(op: Operation) -> tuple[Node, ...]:
        source = op.inputs[0] if op.inputs else None
        if not isinstance(source, Activation) or len(source.type.shape) != 2:
            return handler(op)
        channels, places = source.type.shape
        view = Reshape(
            name=op.part("image"), inputs=(op.activation().name,), shape=(channels, 1, places)
        )
        inner = op.reading(op.emit((view,)), *op.inputs[1:], name=op.part("plane"))
        made = op.emit(handler(inner))
        channels, _, places = made.type.shape
        return (Reshape(name=op.output, inputs=(made.name,), shape=(channels, places)),)

    return convert
