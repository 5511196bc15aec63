"""All that a report says, before it is put into words and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...backends.nir_file.divergence import Reading
from ...ir.errors import Problem
from ..evaluate import Evaluation
from ..explain import Explanation
from ..network import Network
from ..placement import Fit
from ..report import summary
from ..verify import Verification
from .recording import Recording
from .topology import Topology


@dataclass(frozen=True)
class Findings:
    """What is known about one compiled network.

    A ``Problem`` stands where something could not be found out, and says why and what would help.

    Attributes:
        network: The network, on its own target.
        source: Where the samples are from: ``golden`` or ``data``.
        samples: Number of samples.
        topology: Its layers and what connects them.
        warnings: What the reader must know first, each with the way out.
        verification: Whether the simulator gives the golden answers.
        evaluation: Accuracy and activity over time.
        explanation: Where and why the network differs from its ANN.
        cost: Operations and energy, as ``snnc estimate --json`` gives them.
        fit: Cores of a chip.
        recordings: What each layer that sends events sent, by its name.
        readers: What readers of NIR make of it; None for a network of another target.
    """

    network: Network
    source: str
    samples: int
    topology: Topology
    warnings: tuple[Problem, ...]
    verification: Verification
    evaluation: Evaluation | Problem
    explanation: Explanation | Problem
    cost: Mapping[str, Any] | Problem
    fit: Fit | Problem
    recordings: Mapping[str, Recording] | Problem
    readers: Sequence[Reading] | Problem | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        manifest = self.network.artifact.manifest
        recordings = self.recordings
        return {
            "model": manifest["model"],
            "target": self.network.target,
            "timesteps": self.network.timesteps,
            "depth_latency": self.network.program.depth_latency,
            "layer_synchronous": self.network.layer_synchronous,
            "network": dict(summary(self.network.graph)),
            "samples": {"from": self.source, "count": self.samples},
            "warnings": [asdict(problem) for problem in self.warnings],
            "topology": self.topology.to_json(),
            "verification": self.verification.to_json(),
            "evaluation": _known(self.evaluation),
            "explanation": _known(self.explanation),
            "cost": _known(self.cost),
            "fit": _known(self.fit),
            "spikes": _known(recordings)
            if isinstance(recordings, Problem)
            else {name: recording.to_json() for name, recording in recordings.items()},
            "readers": None if self.readers is None else _each(self.readers),
            "contract": manifest.get("contract", {}),
            "options": manifest["options"],
            "report": self.network.report,
            "versions": manifest.get("versions", {}),
            "files": manifest["files"],
        }


def _each(found: Sequence[Reading] | Problem) -> Any:
    """Return readings for JSON."""
    return _known(found) if isinstance(found, Problem) else [each.to_json() for each in found]


def _known(found: Any) -> Any:
    """Return a part of the findings for JSON; what is missing is an object that says why."""
    if isinstance(found, Problem):
        return {"missing": found.message, "hint": found.hint}
    return found if isinstance(found, Mapping) else found.to_json()
