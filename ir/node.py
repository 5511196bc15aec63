"""The one base class of all nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .types import TensorType


@dataclass(frozen=True, kw_only=True, eq=False)
class Node(ABC):
    """One operation; the node *is* its single output.

    Every subclass is final: a frozen dataclass that holds its parameters as fields and says
    which type comes out for the types that go in. What a node computes is in ``reference``;
    how a target computes it is in ``backends``. Nodes compare by identity.

    Attributes:
        name: Unique in its graph; the name that errors, reports and printed graphs use. After
            import it is the name of the ONNX tensor whose value the node computes.
        inputs: Names of the nodes whose outputs this node reads, in order.
    """

    name: str
    inputs: tuple[str, ...] = ()

    @abstractmethod
    def infer(self, *inputs: TensorType) -> TensorType:
        """Return the output type for these input types; raise ``ShapeError`` if they do not fit."""
