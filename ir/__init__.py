"""The graph IR: nodes, graphs and what they mean. Imports nothing else of snnc."""

from .errors import SnncError
from .graph import Graph
from .leaky import LI, LIF, CubaLI, CubaLIF, LoihiLIF
from .neurons import IF, Encoder, Integrator, Population
from .node import Node
from .ops import (
    Add,
    Affine,
    AveragePool,
    Clip,
    Conv,
    Curve,
    Input,
    Linear,
    MaxPool,
    Product,
    Staircase,
)
from .quantized import Dequantize, Previous, Quantize, Requantize, TrackingIF
from .recurrence import Delay, Feedback
from .scheduled import DifferentialIF, RadixIF, TwoPhaseIF, latency
from .types import Array, Signal, TensorType
from .views import MOVES, VIEWS, Concat, Gather, Rearrange, Reshape

__all__ = [
    "IF",
    "LI",
    "LIF",
    "MOVES",
    "VIEWS",
    "Add",
    "Affine",
    "Array",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "CubaLI",
    "CubaLIF",
    "Curve",
    "Delay",
    "Dequantize",
    "DifferentialIF",
    "Encoder",
    "Feedback",
    "Gather",
    "Graph",
    "Input",
    "Integrator",
    "Linear",
    "LoihiLIF",
    "MaxPool",
    "Node",
    "Population",
    "Previous",
    "Product",
    "Quantize",
    "RadixIF",
    "Rearrange",
    "Requantize",
    "Reshape",
    "Signal",
    "SnncError",
    "Staircase",
    "TensorType",
    "TrackingIF",
    "TwoPhaseIF",
    "latency",
]
