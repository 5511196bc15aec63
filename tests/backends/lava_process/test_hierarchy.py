"""A network as one Process computes what the reference says, among Processes of others."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from snnc import compile
from snnc.backends.lava_process import LavaBackend, LavaProgram
from snnc.backends.lava_process.lowering import plan
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.demo import bundled
from snnc.ir import Array, Graph, Input, reference
from snnc.ir.errors import DataError, DesignRuleError, ExecutionError, OptionError
from snnc.ir.reference import spiking_nodes
from tests.backends.lava_process.test_float_runs import real
from tests.exact_graphs import EXACT, exact_inputs
from tests.recurrent_graphs import ELEMENTS, RECURRENT, sequences
from tests.spiking_graphs import scheduled_graph

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]

Samples = Callable[[Graph, int], dict[str, Array]]
Graphs = dict[str, Callable[[], Graph]]


@pytest.fixture(autouse=True)
def importable() -> None:
    """Import Lava as it has to be on Python 3.11 and later, before a test imports parts of it."""
    import_module("snnc.backends.lava_process.runtime")


def network_process(graph: Graph, timesteps: int, **options: Any) -> Any:
    from snnc.backends.lava_process import NetworkProcess

    return NetworkProcess(LavaProgram(graph, timesteps, plan(graph)), **options)


@dataclass(frozen=True)
class Trace:
    """What left a network: by name, ``(samples, timesteps, *shape)``, channels first."""

    outputs: dict[str, Array]
    spikes: dict[str, Array]


def streamed(
    graph: Graph, x: dict[str, Array], timesteps: int, *, idle: int = 0, **options: Any
) -> Trace:
    """Run samples through a network between Lava's own source and probes, after idle steps."""
    from lava.proc.io.source import RingBuffer

    from snnc.backends.lava_process import Probe, SnncSimCfg, guarded

    count = len(next(iter(x.values())))
    names = [node.name for node in spiking_nodes(graph)]
    network = network_process(graph, timesteps, start=1 + idle, probe=names, **options)
    streams = network.stream(x) if len(x) > 1 else {next(iter(x)): network.stream(x)}
    for name, port in network.inputs.items():
        data, arrives = streams[name], network.schedule(port)
        belongs = [arrives.at(step) is not None for step in range(1, len(data) + 1)]
        data[~np.array(belongs)] = 99  # to no sample: must not matter
        data = np.concatenate([data, np.zeros_like(data)])  # the ring is not to begin again
        source = RingBuffer(data=np.moveaxis(data, 0, -1))
        source.s_out.connect(port)
    ports = network.outputs | network.probes
    steps = max(network.schedule(port).last(count - 1) for port in ports.values())
    kind = np.int64 if network.plan.arithmetic == "integer" else np.float64
    probes = {n: Probe(shape=port.shape, steps=steps, dtype=kind) for n, port in ports.items()}
    for name, port in ports.items():
        port.connect(probes[name].a_in)
    tag = "fixed_pt" if kind is np.int64 else "floating_pt"  # of the source
    with guarded(network, SnncSimCfg(select_tag=tag)) as session:
        session.run(steps)
    cut = {name: network.schedule(port).cut(probes[name].trace) for name, port in ports.items()}
    outputs = {
        name: np.stack(
            [network.decode(last[:, t], output=name, steps=t + 1) for t in range(timesteps)], axis=1
        )
        for name in network.outputs
        for last in [cut[name][:count, -timesteps:]]  # of a sequence its last element
    }
    return Trace(outputs, {name: channels_first(cut[name][:count]) for name in names})


def channels_first(trace: Array) -> Array:
    return trace.transpose(0, 1, *range(trace.ndim - 1, 1, -1))


def assert_equal_to_the_reference(
    trace: Trace, graph: Graph, x: dict[str, Array], timesteps: int
) -> None:
    expected = reference.run(graph, x, timesteps)
    assert trace.outputs.keys() == expected.outputs.keys()
    for name, decoded in expected.outputs.items():
        assert trace.outputs[name].dtype == np.float32
        np.testing.assert_array_equal(trace.outputs[name], decoded.swapaxes(0, 1).astype("f4"))
    assert trace.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(trace.spikes[name], payloads.swapaxes(0, 1), name)
        assert payloads.any(), f"{name} never spikes: the test shows nothing"


@pytest.mark.parametrize("name", ["residual", "reshapes", "two_of_each"])
def test_every_step_of_every_port(graphs: Graphs, samples: Samples, name: str) -> None:
    graph = graphs[name]()
    x = samples(graph, 3)
    trace = streamed(graph, x, 4, samples=3)
    assert_equal_to_the_reference(trace, graph, x, 4)


def test_samples_may_start_late_and_never_end(graphs: Graphs, samples: Samples) -> None:
    graph = graphs["lenet"]()
    x = samples(graph, 3)
    assert_equal_to_the_reference(streamed(graph, x, 4, idle=2), graph, x, 4)


def test_tracking_neurons_read_a_sample_once() -> None:
    graph = EXACT["pooled"](1)
    x = exact_inputs(graph, 3)
    assert_equal_to_the_reference(streamed(graph, x, 6), graph, x, 6)


@pytest.mark.parametrize("name", ["state", "carriers"])
def test_sequences(name: str) -> None:
    graph = RECURRENT[name](9)
    x = sequences(graph, 3)
    trace = streamed(graph, x, 4, idle=1, elements=ELEMENTS)
    assert_equal_to_the_reference(trace, graph, x, 4)


def test_elements_must_be_known() -> None:
    graph = RECURRENT["state"](9)
    (node,) = graph.of_type(Input)
    graph = graph.replace(node.name, replace(node, sequence=0))
    with pytest.raises(OptionError, match="any number"):
        network_process(graph, 4)
    network = network_process(graph, 4, elements=2)
    with pytest.raises(DataError, match="have 3 elements, and 2 were announced"):
        network.stream(sequences(graph, 1))


def test_real_numbers(graphs: Graphs, samples: Samples) -> None:
    graph = real(graphs["lenet"](), analog=True)
    x = {"x": 127 * samples(graph, 2)["x"]}  # as large as if quantised
    trace = streamed(graph, x, 4)
    expected = LavaProgram(graph, 4, plan(graph)).run(x, record=True)
    np.testing.assert_array_equal(trace.outputs["y"], expected.decoded["y"])
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(trace.spikes[name], payloads, name)
        assert payloads.any()


def test_names_of_ports(graphs: Graphs, samples: Samples) -> None:
    single = network_process(graphs["lenet"](), 3)
    assert single.inputs == {"x": single.s_in}
    assert single.outputs == {"y": single.a_out}
    assert single.s_in.shape == (10, 12, 1)
    several = network_process(graphs["two_of_each"](), 3, probe=["n2"])
    assert several.inputs == {"x": several.s_in0, "z": several.s_in1}
    assert several.outputs == {"a": several.a_out0, "b": several.a_out1}
    assert several.probes == {"n2": several.probe0}
    x = samples(several.graph, 2)
    assert {name: p.shape for name, p in several.encode(x).items()} == {
        "x": (2, 4, 4, 2),
        "z": (2, 5),
    }


def test_schedule(graphs: Graphs) -> None:
    network = network_process(graphs["lenet"](), 3, start=5, samples=2, probe=["n1", "p1"])
    arrives, leaves = network.schedule(network.s_in), network.schedule(network.a_out)
    assert [arrives.at(step) for step in (4, 5, 7, 8, 10, 11)] == [
        None, (0, 0, 0), (0, 0, 2), (1, 0, 0), (1, 0, 2), None,
    ]  # fmt: skip
    latency = network.program.depth_latency
    assert leaves.last(0) == arrives.last(0) + latency
    assert network.steps(2) == 4 + 2 * 3 + latency
    first = [network.schedule(network.probes[name]).start for name in ("n1", "p1")]
    assert first == [6, 7]
    assert arrives.cut(np.arange(14)).tolist() == [[4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": ["c1"]}, "probe 'c1'.*\nhint: choose from: n1, p1, n2, p2, n3"),
        ({"start": 0}, "start is 0"),
        ({"samples": 0}, "samples 0"),
    ],
)
def test_options_out_of_range(graphs: Graphs, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        network_process(graphs["lenet"](), 3, **options)


def test_what_does_not_fit_lava_is_refused() -> None:
    from snnc.backends.lava_process import NetworkProcess

    program = NumpyBackend().lower(scheduled_graph(0, "radix"), 4)
    with pytest.raises(DesignRuleError, match="does not fit target 'lava'"):
        NetworkProcess(program)


def test_several_outputs_are_told_apart(graphs: Graphs) -> None:
    network = network_process(graphs["two_of_each"](), 3)
    with pytest.raises(DataError, match="several outputs, a, b"):
        network.decode(np.zeros(3))
    with pytest.raises(DataError, match="several inputs, x, z"):
        network.encode(np.zeros((1, 2, 4, 4)))


def test_inputs_must_be_connected(graphs: Graphs) -> None:
    from snnc.backends.lava_process import guarded

    network = network_process(graphs["lenet"](), 3)
    with (
        pytest.raises(ExecutionError, match="nothing is connected to the input 'x'"),
        guarded(network),
    ):
        pass


def test_reshaped_sources_must_not_meet(graphs: Graphs) -> None:
    from lava.proc.io.source import RingBuffer

    from snnc.backends.lava_process import guarded

    network = network_process(graphs["lenet"](), 3)
    straight, flat = (RingBuffer(data=np.zeros((*shape, 3))) for shape in ((10, 12, 1), (120,)))
    straight.s_out.connect(network.s_in)
    flat.s_out.reshape((10, 12, 1)).connect(network.s_in)
    with pytest.raises(ExecutionError, match="one of them is reshaped"), guarded(network):
        pass


def test_payloads_must_be_encoded(graphs: Graphs) -> None:
    from lava.proc.io.source import RingBuffer

    from snnc.backends.lava_process import guarded

    network = network_process(graphs["lenet"](), 3)
    RingBuffer(data=np.full((10, 12, 1, 3), 128)).s_out.connect(network.s_in)
    with guarded(network) as session:
        with pytest.raises(OptionError, match="0 steps"):
            session.run(0)
        with pytest.raises(ExecutionError, match="from -127 to 127, and got values from 128 to"):
            session.run(3)


def test_a_network_leaves_no_trace_in_lava(graphs: Graphs, samples: Samples) -> None:
    import logging

    from lava.magma.core.process.process import ProcessServer
    from lava.magma.core.process.variable import VarServer
    from lava.proc.io.source import RingBuffer

    from snnc.backends.lava_process import guarded

    def known() -> tuple[list[Any], list[Any], list[Any]]:
        root = logging.getLogger().handlers
        return list(ProcessServer().processes), list(VarServer().vars), list(root)

    source = RingBuffer(data=np.zeros((10, 12, 1, 3)))
    before = known()
    assert before[0][-1] is source, "processes of the user's own are not forgotten"
    network = network_process(graphs["lenet"](), 3)
    source.s_out.connect(network.s_in)
    with guarded(network) as session:
        session.run(3)
        assert source.runtime is session
    assert known() == before
    assert source.runtime is None


def test_every_layer_of_a_trained_network() -> None:
    demo = bundled()
    net = compile(demo.model, target="lava", calibration=demo.calibration[:64], timesteps=4)
    (name,) = (node.name for node in net.graph.of_type(Input))
    x = {name: demo.test[:2]}
    trace = streamed(net.graph, x, net.timesteps)
    expected = NumpyBackend().lower(net.graph, net.timesteps).run(x, record=True)
    assert trace.spikes.keys() == expected.spikes.keys()
    for layer, payloads in expected.spikes.items():
        np.testing.assert_array_equal(trace.spikes[layer], payloads, layer)
        assert payloads.any()
    for output, decoded in expected.decoded.items():
        np.testing.assert_array_equal(trace.outputs[output], decoded)
