"""What nodes of an ONNX file are called in messages and tables."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import NodeProto

from .liveness import standard


def operator(proto: NodeProto) -> str:
    """Return a node's operator, with the domain in front unless it is the standard one."""
    return proto.op_type if standard(proto) else f"{proto.domain}.{proto.op_type}"


def title(proto: NodeProto) -> str:
    """Return a node's name, or the first tensor it computes if it has none."""
    return proto.name or first_output(proto)


def first_output(proto: NodeProto) -> str:
    """Return the first tensor a node computes, which no other node does; or its operator."""
    return next((name for name in proto.output if name), proto.op_type)


def node_named(nodes: Iterable[NodeProto], name: str) -> NodeProto | None:
    """Return the node that a problem names: by its title, or by a tensor or a part of one."""
    nodes = tuple(nodes)
    titled = next((node for node in nodes if title(node) == name), None)
    if titled is not None:
        return titled
    parts = {
        output: node
        for node in nodes
        for output in node.output
        if output and (name == output or name.startswith(f"{output}."))
    }
    return parts[max(parts, key=len)] if parts else None
