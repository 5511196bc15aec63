"""The order of the passes: read this file to know what the compiler does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..ir import IF, Array, Clip, Graph
from .codes import Code
from .options import Options
from .passes.balance_thresholds import BalanceThresholds
from .passes.compose_linear import compose_linear
from .passes.fold_affine import fold_affine
from .passes.hoist_clip import hoist_clip
from .passes.normalize import normalize
from .passes.quantize import Quantize
from .passes.quantize_input import QuantizeInput
from .passes.reconstruct import Reconstruct
from .passes.to_spiking import ToSpiking

Pass = Callable[[Graph], Graph]
"""A pass takes a graph and returns a new one; its options are fields of a frozen dataclass."""

After = Callable[[str, Graph], None]
"""Called with each pass's name and result: printing and dumping use it."""

SIMPLIFY: tuple[Pass, ...] = (fold_affine, hoist_clip, compose_linear)
"""Exact passes on the ANN; they run before calibration."""


def conversion(
    options: Options,
    code: Code,
    full_scale: Mapping[str, Array],
    bounds: Mapping[str, tuple[float, float]],
    largest_input: Mapping[str, float],
    note: Callable[[str], None],
    reconstruct: Reconstruct | None = None,
) -> tuple[Pass, ...]:
    """Return the passes from a simplified, calibrated ANN to a spiking network."""
    integer = options.weight_bits is not None
    return (
        ToSpiking(code),
        BalanceThresholds(full_scale, bounds, options.timesteps),
        *((QuantizeInput(largest_input, options.input_bits, note),) if integer else ()),
        normalize,
        *((reconstruct, normalize) if reconstruct else ()),
        *((Quantize(options.weight_bits, options.timesteps, note),) if options.weight_bits else ()),
    )


def represented_values(graph: Graph, code: Code) -> list[str]:
    """Return the values of an ANN that will have a population: those calibration watches."""
    spiking = ToSpiking(code)(graph)
    return list(dict.fromkeys(node.represents for node in spiking.of_type(IF)))


def signed_bounds(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the bounds of every clip that lets negative values through."""
    return {node.name: (node.low, node.high) for node in graph.of_type(Clip) if node.low < 0}


def run_passes(graph: Graph, passes: Sequence[Pass], after: After | None = None) -> Graph:
    """Run passes in order.

    Args:
        graph: The graph to start from.
        passes: What to run.
        after: Called with each pass's name and result.
    """
    for pass_ in passes:
        graph = pass_(graph)
        if after:
            after(getattr(pass_, "__name__", type(pass_).__name__), graph)
    return graph
