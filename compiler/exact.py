"""Code ``exact``: the conversion of a quantised ANN, and how many steps it needs."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Curve, Graph, Input, Previous, latency
from ..ir.errors import ConversionError
from ..ir.reference import batch_size, carried, elements
from ..ir.settling import settling_bound
from .codes import Code
from .data import Samples
from .options import MOST_TIMESTEPS, Options
from .passes.quantize_rest import QuantizeRest, unquantised
from .pipeline import SIMPLIFY, After, exact_conversion, run_passes
from .report import Report
from .uncalibrated import RANGES

CURVES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""The ranges of functions, whatever the samples."""

MOST = 512
"""Calibration samples that ranges are measured on."""


def approximated(ann: Graph, samples: Samples, report: Report) -> Graph:
    """Return an ANN that is quantised throughout, where it was not on calibration samples.

    Args:
        ann: A simplified ANN.
        samples: Calibration samples, of which ``MOST`` are looked at.
        report: Receives a sentence for each place.

    Raises:
        ConversionError: A function has neither levels nor pieces that are close to it.
    """
    for node in ann.of_type(Curve):
        if node.function not in CURVES:
            raise ConversionError(
                f"{node.name}: computes {node.function}, which no code can express",
                hint="train the model with tanh, sigmoid or a clipped activation in its place",
            )
    from ..backends.onnx_runtime import AnnSession

    few = {name: x[:MOST] for name, x in samples.items()}
    wanted = unquantised(ann)
    ranges = dict.fromkeys(wanted, (0.0, 0.0))  # 0 is a level in any case
    session = AnnSession(_one_element(ann), extra=_computed(ann, [*wanted, *ann.feedback.values()]))
    states: Samples = {
        node.name: carried(node, None, batch_size(few)) for node in ann.of_type(Previous)
    }
    for element in elements(ann, few):
        found = element | session.run(element | states)
        for name in ranges:
            low, high = ranges[name]
            ranges[name] = min(low, float(found[name].min())), max(high, float(found[name].max()))
        states = {name: found[source] for name, source in ann.feedback.items()}
    ranges |= {node.name: CURVES[node.function] for node in ann.of_type(Curve)}
    if report.calibration == "synthetic" and ranges:
        report.warnings.append(RANGES)
    quantise = QuantizeRest(ranges, report.approximations.append)
    return run_passes(ann, (quantise, *SIMPLIFY))


def _one_element(graph: Graph) -> Graph:
    """Return a graph that computes one element of a sequence, what is carried being an input."""
    nodes = [
        replace(node, sequence=None)
        if isinstance(node, Input)
        else Input(name=node.name, type=node.type)
        if isinstance(node, Previous)
        else node
        for node in graph
    ]
    return Graph(nodes, graph.outputs)


def _computed(graph: Graph, names: list[str]) -> list[str]:
    """Return the names of values that are computed, once each."""
    return [name for name in dict.fromkeys(names) if not isinstance(graph[name], Input)]


def convert_exactly(
    ann: Graph, options: Options, code: Code, report: Report, after: After | None = None
) -> tuple[Graph, Options]:
    """Return the spiking network equal to a quantised ANN, and the options with their T.

    T is the static bound (``ir.settling``): after so many steps every sample is at rest. Fewer
    are taken if they were asked for, with a warning: a run says which of its samples came to rest.

    Args:
        ann: A simplified ANN.
        options: The user's options.
        code: The code ``exact``.
        report: Receives the bound, warnings, and what is not exact.
        after: Called with each pass's name and result.

    Raises:
        ConversionError: Something is not quantised, or it takes too many steps.
    """
    graph = run_passes(ann, exact_conversion(code, report.approximations.append), after)
    report.thresholds, report.correction = "those of the model's quantisers", "none"
    # Steps that a neuron of digits waits are its latency, and do not count for T.
    enough = max(1, settling_bound(graph) - latency(graph))
    report.settling_bound = enough + latency(graph)
    if options.timesteps is None:
        if enough > MOST_TIMESTEPS:
            raise ConversionError(
                f"the network may take {enough} steps until it is at rest, and {MOST_TIMESTEPS} "
                "can be run",
                hint="raise --max-payload, or send digits with --radix 2",
            )
        return graph, replace(options, timesteps=enough)
    if options.timesteps < enough:
        report.warnings.append(
            (
                f"some samples may not be at rest after {options.timesteps} steps, and are then "
                f"not exact: all are after {enough}",
                "leave --timesteps out, or look at `settled` of each run",
            )
        )
    return graph, options
