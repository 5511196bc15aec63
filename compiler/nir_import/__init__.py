"""NIR files: trained spiking networks of other frameworks become graphs of snnc.

``load`` is the whole way: ``file`` reads, ``inline`` writes inner graphs out, ``loops`` cuts
loops, ``shapes`` finds shapes, ``convert`` makes the graph.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...ir.errors import ModelError, Problem
from .contracts import unfit
from .convert import Conversion
from .discretisation import coarse
from .file import is_nir, read
from .inline import inlined
from .loops import ordered
from .nodes import kind
from .options import NirOptions
from .resets import Resets, meaningless
from .result import ImportedNetwork
from .shapes import shapes
from .warnings import warnings_about

__all__ = ["ImportedNetwork", "NirOptions", "is_nir", "load"]


def load(path: Path, options: NirOptions) -> ImportedNetwork:
    """Read a NIR file and return it as a spiking graph.

    Args:
        path: The file.
        options: How to take what NIR leaves open.

    Raises:
        ModelError: It cannot be used; everything that stands in the way is listed.
        MissingDependencyError: h5py is not installed.
    """
    file = read(path, options.max_elements)
    graph, problems = inlined(file.graph)
    _raise(path, problems)
    found, problems = shapes(graph, options.max_elements)
    _raise(path, problems)
    contract = file.contract
    _raise(path, [] if contract is None else unfit(contract, graph, found))
    order, problems = ordered(graph, None if contract is None else contract.late)
    _raise(path, problems)
    rule = options.rule(contract)
    resets = Resets(options.reset, file.release, contract)
    _raise(path, [*coarse(graph, rule), *meaningless(graph, resets)])
    outputs = {} if contract is None else contract.outputs
    conversion = Conversion(graph, order, found, rule, resets, outputs)
    made = conversion.run()
    _raise(path, conversion.problems)
    assert made is not None
    return ImportedNetwork(
        graph=made,
        sha256=file.sha256,
        version=file.version,
        operators=Counter(kind(node) for node in graph.nodes.values()),
        cut=tuple(sorted(order.cut)),
        warnings=warnings_about(file, graph, rule, resets),
        rule=rule,
        contract=contract,
    )


def _raise(path: Path, problems: list[Problem]) -> None:
    if problems:
        listed = "\n".join(f"  - {problem.message}" for problem in problems)
        raise ModelError(f"{path}: cannot be converted:\n{listed}", problems=problems)
