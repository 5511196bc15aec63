"""A model cut into regions: what runs where, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...ir import Input, TensorType
from ..onnx_import import Cut, Unsupported

SPIKING, HOST = "spiking", "host"


@dataclass(frozen=True)
class Region:
    """A part of a model that runs in one place.

    Attributes:
        name: Its place in the order and its kind: ``0-host``, ``1-spiking``.
        kind: ``host`` or ``spiking``.
        nodes: Its nodes by name or, if they have none, by the first tensor they compute.
        inputs: The tensors it reads.
        outputs: The tensors that others read, or that are outputs of the model.
        macs: Its multiply-accumulates for one sample.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int

    @property
    def spikes(self) -> bool:
        """Whether it is a spiking network."""
        return self.kind == SPIKING


@dataclass(frozen=True)
class Division:
    """How a model is cut.

    Attributes:
        regions: In the order in which they run.
        inputs: The inputs of the model.
        outputs: For each output of the model, the tensor that it is.
        batch: The batch size the file is fixed to; 1 where it is symbolic.
        whole: The inputs without a batch axis: a sample has the whole tensor.
        host: Every node that runs on the host, why, and the way round; those that only follow
            others say so.
        cut: The read-out operators that are left out.
        uncounted: Nodes whose multiply-accumulates are not known, and not counted.
    """

    regions: tuple[Region, ...]
    inputs: tuple[Input, ...]
    outputs: Mapping[str, str]
    batch: int
    host: tuple[Unsupported, ...]
    cut: tuple[Cut, ...]
    uncounted: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()

    @property
    def spiking_share(self) -> float:
        """The share of multiply-accumulates that spike, of convolutions and matrix products."""
        spiking = sum(region.macs for region in self.regions if region.spikes)
        total = spiking + self.host_macs
        return spiking / total if total else 0.0

    @property
    def host_macs(self) -> int:
        """The multiply-accumulates of the host, for one sample."""
        return sum(region.macs for region in self.regions if not region.spikes)

    def to_json(self) -> dict[str, Any]:
        """Return the cut as one JSON object."""
        return {
            "spiking_share": self.spiking_share,
            "host_macs": self.host_macs,
            "uncounted": list(self.uncounted),
            "batch": self.batch,
            "whole": sorted(self.whole),
            "inputs": [{"name": n.name, "shape": list(n.type.shape)} for n in self.inputs],
            "outputs": dict(self.outputs),
            "regions": [asdict(region) for region in self.regions],
            "host": [asdict(entry) for entry in self.host],
            "cut": [asdict(cut) for cut in self.cut],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Division:
        """Return the cut that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is not one.
        """
        regions = tuple(
            Region(
                name=str(each["name"]),
                kind=str(each["kind"]),
                nodes=tuple(map(str, each["nodes"])),
                inputs=tuple(map(str, each["inputs"])),
                outputs=tuple(map(str, each["outputs"])),
                macs=int(each["macs"]),
            )
            for each in document["regions"]
        )
        return cls(
            regions=regions,
            inputs=tuple(
                Input(name=str(each["name"]), type=TensorType(tuple(map(int, each["shape"]))))
                for each in document["inputs"]
            ),
            outputs={str(name): str(tensor) for name, tensor in document["outputs"].items()},
            batch=int(document["batch"]),
            host=tuple(Unsupported(**each) for each in document["host"]),
            cut=tuple(Cut(**each) for each in document["cut"]),
            uncounted=tuple(map(str, document["uncounted"])),
            whole=frozenset(map(str, document.get("whole", ()))),
        )
