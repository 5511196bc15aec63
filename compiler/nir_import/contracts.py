"""What a file of snnc says of itself has to fit the network it stands in."""

from __future__ import annotations

from collections.abc import Mapping

from ...backends.nir_file.file_contract import FileContract
from ...ir.errors import Problem
from ...ir.ops import broadcasts_to
from .neurons import physical
from .nodes import NirGraph, Output, Shape

HINT = "compile the network again, or remove `snnc` from the metadata of the file"


def unfit(contract: FileContract, graph: NirGraph, shapes: Mapping[str, Shape]) -> list[Problem]:
    """Return what of a contract does not fit its network.

    Args:
        contract: What the file says of itself.
        graph: Its flat network.
        shapes: What each node sends.
    """
    arrays = {name: meaning.reset_to for name, meaning in contract.meanings.items()}
    arrays |= {name: output.offset for name, output in contract.outputs.items()}
    problems = [
        Problem(f"{name}: the metadata give {array.shape} numbers for {shapes[name]}", HINT)
        for name, array in arrays.items()
        if name in shapes and not broadcasts_to(array.shape, physical(shapes[name]))
    ]
    return problems + [
        Problem(f"{name}: is an output in the metadata, and not in the network", HINT)
        for name in contract.outputs
        if not isinstance(graph.nodes.get(name), Output)
    ]
