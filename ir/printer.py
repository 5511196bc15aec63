"""The text form of a graph, one node a line: what golden tests, ``show`` and dumps print."""

from __future__ import annotations

from dataclasses import MISSING, fields

import numpy as np

from .graph import Graph
from .node import Node


def to_text(graph: Graph) -> str:
    """Return the graph as text; arrays appear as dtype, shape and range, defaults are left out.

    >>> from snnc.ir import Clip, Graph, Input, TensorType
    >>> x, y = Input(name="x", type=TensorType((3,))), Clip(name="y", inputs=("x",), high=6.0)
    >>> print(to_text(Graph([x, y], outputs={"y": "y"})))
    %x: real[3] = Input()
    %y: real[3] = Clip(%x, high=6.0)
    return y=%y
    """
    lines = [f"%{n.name}: {graph.types[n.name]} = {_call(n)}" for n in graph]
    outputs = ", ".join(f"{key}=%{name}" for key, name in graph.outputs.items())
    return "\n".join(_printable(line) for line in (*lines, f"return {outputs}"))


def _printable(line: str) -> str:
    """Return a line with its control characters as escapes: ONNX names may hold any."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _call(node: Node) -> str:
    args = [f"%{name}" for name in node.inputs]
    for field in fields(node):
        value = getattr(node, field.name)
        default = field.default if field.default is not MISSING else None
        if field.name in ("name", "inputs", "type", "represents") or _is_default(value, default):
            continue
        args.append(f"{field.name}={_value(value)}")
    return f"{type(node).__name__}({', '.join(args)})"


def _value(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size == 1:
        return _number(value.item())
    shape = "x".join(map(str, value.shape))
    return f"<{value.dtype} {shape}, {_number(value.min())}..{_number(value.max())}>"


def _number(value: float) -> str:
    return str(value) if isinstance(value, (int, np.integer)) else f"{value:.5g}"


def _is_default(value: object, default: object) -> bool:
    return value is default or (not isinstance(value, np.ndarray) and value == default)
