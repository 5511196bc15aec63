"""What cannot spike runs on the host: a model is cut into host and spiking regions."""

from .build import CutWarning, compile_cut
from .divide import divide, whole_on_host
from .network import PartitionedNetwork
from .region import Division, Region

__all__ = [
    "CutWarning",
    "Division",
    "PartitionedNetwork",
    "Region",
    "compile_cut",
    "divide",
    "whole_on_host",
]
