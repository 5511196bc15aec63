"""A graph that reads a sequence as ONNX: the whole graph is the body of one Scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...ir import Graph, Input, Previous
from ...ir.graph import renamed

BATCH = "batch"


def inside(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Return the graph of one element, and for each node its name there.

    No tensor in a body may have a name that is used outside of it, so all but the inputs that
    are the same for every element get another one.
    """
    fixed = {node.name for node in graph.of_type(Input) if node.sequence is None}
    rename = {name: name if name in fixed else f"element.{name}" for name in graph.nodes}
    nodes = (replace(renamed(node, rename), name=rename[node.name]) for node in graph)
    return Graph(nodes, {key: rename[name] for key, name in graph.outputs.items()}), rename


class SequenceWriter:
    """Writes what stands around the body.

    Args:
        graph: The graph of one element, as ``inside`` returns it.
        rename: For each node of the original graph its name in it.
    """

    def __init__(self, graph: Graph, rename: dict[str, str]) -> None:
        self.graph = graph
        self.states = graph.of_type(Previous)
        self.running = {name: rename[name] for name in rename if _is_sequence(graph[rename[name]])}
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def write(
        self, nodes: list[NodeProto], initializers: list[TensorProto], wanted: dict[str, str]
    ) -> None:
        """Write the Scan, and take the last element of what is wanted.

        Args:
            nodes: The nodes of the body.
            initializers: Its constants.
            wanted: For each output of the model the node it is in the body.
        """
        rest = [self._rest(state, index) for index, state in enumerate(self.states)]
        whole = [f"all.{name}" for name in wanted]
        unused = [f"after.{index}" for index in range(len(rest))]
        self.nodes.append(
            helper.make_node(
                "Scan",
                [*rest, *self.running],
                [*unused, *whole],
                "sequence",
                body=self._body(nodes, initializers, list(wanted.values())),
                num_scan_inputs=len(self.running),
                scan_input_axes=[1] * len(self.running),
                scan_output_axes=[1] * len(whole),
            )
        )
        last = self._integers("last", -1)
        for name, source in zip(wanted, whole, strict=True):
            self.nodes.append(helper.make_node("Gather", [source, last], [name], name, axis=1))

    def _body(
        self, nodes: list[NodeProto], initializers: list[TensorProto], wanted: list[str]
    ) -> GraphProto:
        sources = [state.source for state in self.states] + wanted
        results = [f"result.{index}" for index in range(len(sources))]
        copies = [
            helper.make_node("Identity", [source], [result], result)
            for source, result in zip(sources, results, strict=True)
        ]
        inputs = [*(state.name for state in self.states), *self.running.values()]

        def info(name: str, node: str) -> ValueInfoProto:
            shape: list[str | int | None] = [BATCH]
            shape += self.graph.types[node].shape
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        return helper.make_graph(
            [*nodes, *copies],
            "element",
            [info(name, name) for name in inputs],
            [info(result, source) for result, source in zip(results, sources, strict=True)],
            initializers,
        )

    def _rest(self, state: Previous, index: int) -> str:
        """Write what a state is before the first element, for every sample."""
        outer = next(iter(self.running))
        shape = state.type.shape
        initial = np.broadcast_to(state.initial, shape).astype(np.float32)
        row = f"initial.{index}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(initial), row))
        sizes, batch = self._integers(f"sizes.{index}", shape), f"batch.{index}"
        full, rest = f"full.{index}", f"rest.{index}"
        self.nodes += [
            helper.make_node("Shape", [outer], [batch], batch, start=0, end=1),
            helper.make_node("Concat", [batch, sizes], [full], full, axis=0),
            helper.make_node("Expand", [row, full], [rest], rest),
        ]
        return rest

    def _integers(self, name: str, values: int | tuple[int, ...]) -> str:
        self.initializers.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name


def _is_sequence(node: object) -> bool:
    return isinstance(node, Input) and node.sequence is not None
