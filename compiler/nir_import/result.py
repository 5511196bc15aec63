"""What an import of a NIR file gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...backends.nir_file.file_contract import FileContract
from ...ir import Graph
from .discretisation import Discretisation


@dataclass(frozen=True)
class ImportedNetwork:
    """A NIR file as a spiking graph.

    Attributes:
        graph: The graph. Inputs, outputs, neurons and synapses have their names in the file.
        sha256: Hash of the file.
        version: Of the nir that wrote it, or an empty text.
        operators: How often each class stands in the file.
        cut: Edges that bring what was sent at the step before.
        warnings: What a reader has to know, each with the way out.
        rule: How equations became steps.
        contract: What a file of snnc says of itself, or None.
    """

    graph: Graph
    sha256: str
    version: str
    operators: Mapping[str, int]
    cut: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    rule: Discretisation
    contract: FileContract | None
