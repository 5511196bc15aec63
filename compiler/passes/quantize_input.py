"""Quantise the model's inputs once to signed integers, injected as graded payloads.

``q = clip(round(x / scale), -limit, limit)``; the weights that read it take the scale in.
Approximate: half a step of the quantiser, and what lies outside its range is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...ir import Encoder, Graph
from .payload_units import rescale_readers


@dataclass(frozen=True)
class QuantizeInput:
    """The pass.

    Attributes:
        largest: For each input's name, its largest magnitude on the calibration data, ANN units.
        bits: Width of the payload.
        note: Receives one sentence for each input.
    """

    largest: Mapping[str, float]
    bits: int = 8
    note: Callable[[str], None] = lambda sentence: None

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with integer encoders."""
        encoders = {}
        for node in graph.of_type(Encoder):
            coded = replace(node, bits=self.bits)
            scale = (self.largest[node.inputs[0]] or 1.0) / coded.limit
            encoders[node.name] = replace(coded, scale=float(scale))
            self.note(
                f"{node.inputs[0]}: the input is rounded to {self.bits} bits between "
                f"{-scale * coded.limit:.6g} and {scale * coded.limit:.6g}, and cut off beyond"
            )
        factors = {name: np.full(1, node.scale) for name, node in encoders.items()}
        rescaled = rescale_readers(graph, factors)
        return Graph((encoders.get(node.name, node) for node in rescaled), graph.outputs)
