"""A compiled network as one Lava Process, to be wired to Processes of the user's own.

Inside are the same processes as in a run of the program, except that an inlet takes the place of
each source of samples, and that nothing is written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import AbstractVirtualPort, InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ....ir import Array, Graph, Input, Integrator
from ....ir.errors import DataError, ExecutionError, OptionError
from ...readouts import decode, readout, viewed
from ..backend import LavaBackend
from ..layout import lava_shape
from ..plan import MaxPoolPlan, Plan, PopulationPlan, ProcessPlan, SourcePlan
from ..program import LavaProgram
from ..unrecorded import Unrecorded
from .containment import contained
from .inlet import Inlet
from .models import Schedule
from .network import Builder, Ends, Port


class Compiled(Protocol):
    """What ``snnc.load`` and ``snnc.compile`` return, as far as it matters here."""

    @property
    def graph(self) -> Graph: ...

    @property
    def timesteps(self) -> int: ...


class NetworkProcess(AbstractProcess):  # type: ignore[misc]
    """A compiled network with ports for its inputs and outputs.

    Samples follow each other without a gap, T steps each; the network starts each one from rest.
    A port is an attribute: ``s_in`` where the model has one input, else ``s_in0``, ``s_in1`` and
    so on; ``a_out`` likewise for outputs, ``probe0``, ``probe1`` for probes. The mappings below
    hold them by name. Shapes are Lava's: an image is width x height x channels.

    - An input takes payloads; ``encode`` makes them. A sample is sent at each of its T steps. A
      network of code ``exact`` reads its first step and ignores the others.
    - An output sends at each step the sum of the sample so far; ``decode`` turns it into the
      model's output.
    - A probe sends what a population or max pool sends.

    All of them are integers, unless the network was compiled with real weights.

    Args:
        network: A compiled network, whatever its target, as long as it fits Lava.
        start: The step in which the first sample arrives, counted from 1. What comes earlier is
            ignored. A source sends in step 1 at the earliest; each Lava connection process
            between it and the network costs a step.
        samples: Number of samples, or None where they never end.
        probe: Names of populations and max pools whose payloads leave at ports of their own.
        elements: Elements of each sample of a network on sequences; not needed where the model
            says how many.
        options: What Lava's ``AbstractProcess`` takes: ``name``, ``log_config``.

    Attributes:
        program: The network, laid out for Lava.
        elements: Elements of a sample, 1 of one that is no sequence.
        inputs: Port of each input of the model.
        outputs: Port of each output of the model.
        probes: Port of each population and max pool in ``probe``.

    Raises:
        DesignRuleError: The network does not fit Lava.
        OptionError: There is no such population, or an option is out of range.
    """

    def __init__(
        self,
        network: Compiled,
        *,
        start: int = 1,
        samples: int | None = None,
        probe: Iterable[str] = (),
        elements: int | None = None,
        **options: Any,
    ) -> None:
        with contained():
            super().__init__(**options)
        if start < 1 or (samples is not None and samples < 1):
            raise OptionError(f"start is {start} and samples {samples}: neither may be below 1")
        is_program = isinstance(network, LavaProgram)
        lowered = network if is_program else LavaBackend().lower(network.graph, network.timesteps)
        assert isinstance(lowered, LavaProgram)
        self.program = lowered
        if stepwise := [node.name for node in lowered.graph.of_type(Input) if node.stepwise]:
            raise OptionError(
                f"{stepwise[0]}: has a value for every time step, and a process in a user's graph "
                "takes one value a sample",
                hint="run the network by itself: network.run(data)",
            )
        self.start, self.samples = start, samples
        self.elements = elements_of(self.graph, elements)
        self.inputs: dict[str, Port] = {}
        self.outputs: dict[str, Port] = {}
        self.probes: dict[str, Port] = {}
        self._plans: dict[int, ProcessPlan] = {}  # by the identity of a port: what is behind it
        plans = {plan.name: plan for plan in self.plan.processes}
        for plan in self.plan.processes:
            if isinstance(plan, SourcePlan):
                (name,) = plan.encoder.inputs
                name = plan.name if name in self.inputs else name
                self._open(self.inputs, name, InPort(shape=lava_shape(plan.shape)), plan)
        for output, name in self.graph.outputs.items():
            plan = plans[readout(self.graph, name)]
            self._open(self.outputs, output, OutPort(shape=lava_shape(plan.shape)), plan)
        for name in probe:
            plan = self._probed(plans, name)
            self._open(self.probes, name, OutPort(shape=lava_shape(plan.shape)), plan)
        self._name("s_in", self.inputs, several=len(self.inputs) > 1)
        self._name("a_out", self.outputs, several=len(self.outputs) > 1)
        self._name("probe", self.probes, several=True)

    @property
    def graph(self) -> Graph:
        """The spiking graph."""
        return self.program.graph

    @property
    def plan(self) -> Plan:
        """The processes inside."""
        return self.program.plan

    @property
    def timesteps(self) -> int:
        """T: steps of one sample."""
        return self.program.timesteps

    def schedule(self, port: Port) -> Schedule:
        """Return when samples pass through one of the ports.

        ``schedule(port).at(time_step)`` is the sample, its element and the step of that,
        ``.last(sample)`` the last step of a sample: the one in which an output is complete.
        """
        return self.schedule_at(self._plans[id(port)].depth)

    def schedule_at(self, depth: int) -> Schedule:
        """Return when samples pass through a process of some depth."""
        start, idle = self.start + depth, self.plan.idle
        return Schedule(start, self.timesteps, self.samples, self.elements, idle)

    def steps(self, samples: int) -> int:
        """Return how many steps it takes until the outputs of so many samples are complete."""
        return max(self.schedule(port).last(samples - 1) for port in self.outputs.values())

    def encode(self, samples: Array | Mapping[str, Array]) -> Any:
        """Quantise samples to what the inputs take.

        Args:
            samples: ``(samples, *shape)`` in ANN units, channels first; of a sequence
                ``(samples, elements, *shape)``. By name where there are several inputs.

        Returns:
            Payloads ``(samples, *lava_shape)``, of a network on sequences
            ``(samples, elements, *lava_shape)``, int32; of real weights float64. By name where
            there are several inputs.

        Raises:
            DataError: An input is missing or has the wrong shape.
        """
        payloads = self._encoded(samples)
        if not sequences(self.graph):
            payloads = {name: array[:, 0] for name, array in payloads.items()}
        return payloads if len(payloads) > 1 else next(iter(payloads.values()))

    def stream(self, samples: Array | Mapping[str, Array]) -> Any:
        """Return what a source sends at each step of a run, so that samples arrive in time.

        Args:
            samples: As ``encode`` takes them.

        Returns:
            ``(steps, *lava_shape)``, from step 1 on; by name where there are several inputs.
        """
        found = {}
        for name, payloads in self._encoded(samples).items():
            arrives = self.schedule(self.inputs[name])
            steps = arrives.last(len(payloads) - 1)
            found[name] = np.zeros((steps, *payloads.shape[2:]), payloads.dtype)
            for step in range(1, steps + 1):
                if now := arrives.at(step):
                    found[name][step - 1] = payloads[now.sample, now.element]
        return found if len(found) > 1 else next(iter(found.values()))

    def _encoded(self, samples: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Return payloads for each input, ``(samples, elements, *lava_shape)``."""
        if not isinstance(samples, Mapping):
            samples = {self._only(self.inputs, "input"): samples}
        payloads = self.program.encoded(samples)
        found = {n: payloads[self._plans[id(port)].name] for n, port in self.inputs.items()}
        if (given := next(iter(found.values())).shape[1]) != self.elements:
            raise DataError(f"samples have {given} elements, and {self.elements} were announced")
        return found

    def decode(self, total: Array, *, output: str | None = None, steps: int | None = None) -> Array:
        """Turn what an output sends into the model's output.

        Args:
            total: Sums ``(..., *lava_shape)``.
            output: Name of the output; needed where there are several.
            steps: After how many steps of a sample the sums were sent; T if not given.

        Returns:
            ``(..., *shape)`` in ANN units, channels first, float32.
        """
        name = self._only(self.outputs, "output") if output is None else output
        node = self.graph[readout(self.graph, self.graph.outputs[name])]
        assert isinstance(node, Integrator)
        total, rank = np.asarray(total), len(self.graph.types[node.name].shape)
        leading = total.ndim - rank
        first = total.transpose(*range(leading), *range(total.ndim - 1, leading - 1, -1))
        decoded = decode(node, first, self.timesteps if steps is None else steps)
        return viewed(self.graph, self.graph.outputs[name], decoded.astype(np.float32), leading)

    def _probed(self, plans: Mapping[str, ProcessPlan], name: str) -> ProcessPlan:
        plan = plans.get(name)
        if isinstance(plan, (PopulationPlan, MaxPoolPlan)):
            return plan
        kinds = (PopulationPlan, MaxPoolPlan)
        known = [plan.name for plan in plans.values() if isinstance(plan, kinds)]
        raise OptionError(
            f"probe {name!r}: no population or max pool has that name",
            hint=f"choose from: {', '.join(known)}",
        )

    def _open(self, ports: dict[str, Port], name: str, port: Port, plan: ProcessPlan) -> None:
        ports[name] = port
        self._plans[id(port)] = plan

    def _name(self, prefix: str, ports: Mapping[str, Port], *, several: bool) -> None:
        """Make ports attributes, by which Lava finds them."""
        for place, port in enumerate(ports.values()):
            setattr(self, f"{prefix}{place}" if several else prefix, port)

    def _only(self, ports: Mapping[str, Port], what: str) -> str:
        if len(ports) > 1:
            raise DataError(f"there are several {what}s, {', '.join(ports)}: say which")
        return next(iter(ports))


@implements(proc=NetworkProcess, protocol=LoihiProtocol)
class NetworkModel(AbstractSubProcessModel):  # type: ignore[misc]
    """Builds the processes of a network and connects them to its ports."""

    def __init__(self, process: NetworkProcess) -> None:
        for name, port in process.inputs.items():
            check_sources(process.name, name, port)
        with contained():
            ends = _Inside(process).build()
        for place, end in enumerate(ends.values()):
            setattr(self, f"process{place}", end.process)  # by which Lava finds it
        for port in process.inputs.values():
            port.connect(ends[process._plans[id(port)].name].receives[0])
        for port in (*process.outputs.values(), *process.probes.values()):
            leaves: Any = ends[process._plans[id(port)].name].sends
            leaves.connect(port)


def sequences(graph: Graph) -> list[Input]:
    """Return the inputs that are sequences."""
    return [node for node in graph.of_type(Input) if node.is_sequence]


def elements_of(graph: Graph, given: int | None) -> int:
    """Return how many elements a sample has; one that is no sequence is its only element."""
    known = {node.sequence for node in sequences(graph)} - {0}  # 0 stands for any number
    elements = known.pop() if known else given if sequences(graph) else 1
    if elements is None or elements < 1 or given not in (None, elements):
        raise OptionError(
            f"elements is {given}, and a sample has {elements or 'any number of them'}",
            hint="say how many a sample has with elements=",
        )
    return elements


def check_sources(process: str, name: str, port: Port) -> None:
    """Raise where an input gets nothing, or gets what Lava would mix up."""
    if not port.in_connections:
        raise ExecutionError(
            f"{process}: nothing is connected to the input {name!r}",
            hint="connect an OutPort to it, as in source.s_out.connect(network.s_in)",
        )
    virtual = any(isinstance(source, AbstractVirtualPort) for source in port.in_connections)
    if len(port.in_connections) > 1 and virtual:
        raise ExecutionError(
            f"{process}: several ports end at the input {name!r} and one of them is reshaped, "
            "which Lava applies to the wrong one",
            hint="send in the shape of the input",
        )


class _Inside(Builder):
    """Builds a network whose samples come from outside."""

    def __init__(self, process: NetworkProcess) -> None:
        self.process, self.plan = process, process.plan
        self.recording = Unrecorded(process.plan)

    def schedule(self, depth: int) -> Schedule:
        return self.process.schedule_at(depth)

    def source(self, plan: SourcePlan) -> Ends:
        inlet = Inlet(
            name=plan.name,
            shape=lava_shape(plan.shape),
            payload=self.process.graph.types[plan.name].payload,
            once=plan.encoder.once,
            schedule=self.schedule(plan.depth),
        )
        return Ends(inlet, (inlet.a_in,), inlet.s_out)
