"""What an import gives: the graph, what was cut off, and everything that cannot be converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir import Graph
from ...ir.errors import Problem


@dataclass(frozen=True)
class Cut:
    """A read-out operator that was left out because it only relabels an output.

    Attributes:
        output: The ONNX name of the graph output it led to.
        operator: ``Softmax``, ``LogSoftmax`` or ``ArgMax``.
        node: The name of the ONNX node.
    """

    output: str
    operator: str
    node: str


@dataclass(frozen=True)
class Unsupported:
    """One ONNX node that cannot be converted.

    Attributes:
        operator: Its operator, with the domain in front unless it is the standard one.
        node: Its name, or the name of the tensor it computes if it has none.
        reason: Why it cannot be converted.
        hint: The way round, an imperative sentence.
        follows: Whether nothing is wrong with it: it only stands beside or behind one that cannot.
    """

    operator: str
    node: str
    reason: str
    hint: str
    follows: bool = False

    @property
    def named(self) -> str:
        """The node with its operator, as other messages name it."""
        return f"{self.node} ({self.operator})"

    @property
    def problem(self) -> Problem:
        """The error line and the hint line."""
        return Problem(f"{self.node}: operator {self.operator}: {self.reason}", self.hint)


@dataclass(frozen=True)
class ImportedModel:
    """An ONNX model as a graph.

    Attributes:
        graph: The model as a graph of real signals. Node names are the names of the ONNX
            tensors, outputs have their ONNX names; parameters are float64.
        cut: The read-out operators that the graph leaves out, in order.
        operators: How often each operator stands in the file, nodes no output needs left out.
        opset: Version of the standard operators the file uses.
        input_ranges: For each input that goes through a Clip first, its lower and upper bound.
        sha256: Hash of the file, followed by its external data if it has any.
        unbatched: Whether the first axis of the inputs is no batch: see ``unbatched``.
    """

    graph: Graph
    cut: tuple[Cut, ...]
    operators: Mapping[str, int]
    opset: int
    input_ranges: Mapping[str, tuple[float, float]]
    sha256: str
    unbatched: bool = False


@dataclass(frozen=True)
class Examination:
    """What can be converted and what cannot.

    Attributes:
        supported: Operator and node name of each ONNX node that can be converted or folded
            into a constant. Nodes whose inputs are unknown, because they come from an
            unsupported node, are in neither list.
        unsupported: All nodes that cannot.
        cut: The read-out operators that are left out.
        operators: As in ``ImportedModel``.
        model: The imported model, or None where something is unsupported.
        unbatched: Whether the first axis of the inputs was taken for one like the others.
    """

    supported: tuple[tuple[str, str], ...]
    unsupported: tuple[Unsupported, ...]
    cut: tuple[Cut, ...]
    operators: Mapping[str, int]
    model: ImportedModel | None
    unbatched: bool = False


class HeldError(Exception):
    """A node inside a node cannot be converted; never leaves the walk.

    Args:
        entry: What is said of it; None where it reads what is unknown.
        behind: As in ``values.Unknown``, where it does.
    """

    def __init__(self, entry: Unsupported | None, behind: str = "") -> None:
        super().__init__()
        self.entry = entry
        self.behind = behind
