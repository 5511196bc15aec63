"""The target ``nir``: what its files can hold, and how a graph becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from importlib.util import find_spec
from typing import ClassVar

from ...ir import (
    IF,
    LI,
    LIF,
    VIEWS,
    Concat,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
)
from ...ir.errors import OptionError
from ...ir.neurons import RESETS
from ...ir.trained import looks_trained
from ..rules import check
from ..target import Target
from . import contract, trained_contract, trained_rules
from .continuous import DEFAULT_DT, EULER, TimeStep
from .design_rules import rules
from .from_graph import from_graph
from .from_trained import from_trained
from .hdf5 import SOFT_RESET
from .program import NirProgram
from .trained_graph import prepared
from .trained_program import TrainedNirProgram

CURRENT = "1.0.8"
"""The version of ``nir`` whose files ``--nir-version current`` writes."""

VERSIONS = {"current": CURRENT, "1.0.4": SOFT_RESET}
FLAVOURS = ("subtractive", "strict")

TARGET = Target(
    name="nir",
    summary=(
        "NIR file (.nir) for other simulators and chips: binary spikes; `snnc inspect --readers` "
        "says what each reader makes of it"
    ),
    supports=frozenset(
        (
            *(Input, Encoder, Concat, Conv, Linear, *VIEWS, IF, Integrator),
            *(LIF, CubaLIF, LI, CubaLI, Delay, Feedback),
        )
    ),
    stepwise_inputs=True,
    graded_payloads=False,
    rate_coded_only=True,
    resets=RESETS,
    starts_at_zero=True,
    default_code="rate",
    pairwise_max=True,
    source="nir 1.0.8 and 1.0.4: nir/ir/*.py, nir/serialization.py",
)


@dataclass(frozen=True)
class NirBackend:
    """Turns networks that a ``.nir`` file can hold into one. Lowering needs no other package.

    Attributes:
        version: One of ``VERSIONS``: whose readers the file is for.
        flavour: ``subtractive`` writes soft reset as ``IF`` nodes and says so in the metadata;
            ``strict`` refuses what that version of NIR does not mean.
        dt: Length of a step of a trained network in seconds.
        discretisation: How the equations of a trained network become steps; see ``continuous``.
    """

    version: str = "current"
    flavour: str = "subtractive"
    dt: float | str = DEFAULT_DT
    discretisation: str = EULER
    target: ClassVar[Target] = TARGET

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("--nir-version", self.version, tuple(VERSIONS)),
            ("--nir-flavour", self.flavour, FLAVOURS),
        ):
            if value not in choices:
                raise OptionError(
                    f"{option} {value!r} is not offered",
                    hint=f"choose one of: {', '.join(choices)}",
                )

    @property
    def step(self) -> TimeStep:
        """How the equations of a trained network become steps."""
        try:
            return TimeStep(float(self.dt), self.discretisation)
        except ValueError:
            raise OptionError(f"--dt {self.dt!r} is no number", hint="give seconds") from None

    def lower(self, graph: Graph, timesteps: int) -> NirProgram:
        """Check a graph and describe its file; see ``Backend.lower``."""
        if looks_trained(graph):
            return self._lower_trained(graph, timesteps)
        version = VERSIONS[self.version]
        meaning = contract.meaning(version)
        check(graph, self.target, rules(strict=self.flavour == "strict", meaning=meaning))
        layout = from_graph(graph, timesteps, version)
        metadata = contract.metadata(graph, layout, timesteps)
        layout = replace(layout, network=replace(layout.network, metadata=metadata))
        found = tuple(contract.differences(graph, version))
        return NirProgram(graph, timesteps, layout, found)

    def _lower_trained(self, graph: Graph, timesteps: int) -> NirProgram:
        version = VERSIONS[self.version]
        meaning, strict = contract.meaning(version), self.flavour == "strict"
        check(graph, self.target)
        kinds = prepared(graph)
        check(
            kinds, self.target, trained_rules.rules(strict=strict, meaning=meaning, step=self.step)
        )
        layout = from_trained(kinds, self.step, version)
        found = trained_contract.differences(kinds, layout, self.step, meaning)
        metadata = trained_contract.metadata(kinds, layout, self.step, timesteps, found)
        layout = replace(layout, network=replace(layout.network, metadata=metadata))
        return TrainedNirProgram(graph, timesteps, layout, tuple(found))

    def availability(self) -> str:
        """Return the version of h5py, or "" where it is missing."""
        return installed("h5py") if find_spec("h5py") else ""
