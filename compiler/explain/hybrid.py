"""The ANN behind a spiking front: what is lost up to a layer, and what only behind it.

The values that populations stand for are set to what the populations really sent, up to one
layer; from there on the ANN computes without error. With every layer set, the answers are those
of the spiking network, so the error of the answers grows along the depth from 0 to its own.
Errors that a later layer corrects are seen as corrected, which the error of a single layer put
into the ANN would not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...backends.onnx_runtime import AnnSession
from ...ir import Add, Affine, Array, Clip, Graph, Input, Node, Staircase
from ...ir.graph import renamed
from ..data import Samples
from ..passes.kinds import is_linear


class Hybrid:
    """The source model with an adjustable change of some values.

    Args:
        ann: The source model.
        values: Names of the nodes whose values can be changed.
    """

    def __init__(self, ann: Graph, values: Sequence[str]) -> None:
        self._changes = {name: _free(ann, f"{name}.change") for name in values}
        sent = {name: _free(ann, f"{name}.sent") for name in values}
        nodes: list[Node] = []
        for node in ann:
            events = {name: sent[name] for name in sent if _reads_events(ann, node, name)}
            nodes.append(renamed(node, events))
            if node.name in sent:
                change = self._changes[node.name]
                nodes.append(Input(name=change, type=ann.types[node.name]))
                nodes.append(Add(name=sent[node.name], inputs=(node.name, change)))
        outputs = {
            key: name if is_linear(ann[name]) else sent.get(name, name)
            for key, name in ann.outputs.items()
        }
        self._session = AnnSession(Graph(nodes, outputs))

    def answers(self, samples: Samples, changes: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        """Change one value after the other, and keep the changes.

        Args:
            samples: What is fed, ``(samples, *shape)``.
            changes: In the order of the layers: for an input, what is fed instead; for another
                value, what is added to it.

        Yields:
            The outputs after each further change.
        """
        feed = dict(samples)
        for name, change in changes.items():
            if name in self._changes:
                feed[self._changes[name]] = np.zeros(change.shape, np.float32)
        for name, change in changes.items():
            feed[self._changes.get(name, name)] = change.astype(np.float32)
            yield self._session.run(feed)


def _reads_events(ann: Graph, node: Node, name: str) -> bool:
    """Whether a node of the ANN reads what the population of a value sent.

    Behind a linear value a join and an activation function take the currents themselves; only
    another linear map needs events (see ``to_spiking``).
    """
    return not (is_linear(ann[name]) and isinstance(node, (Add, Affine, Clip, Staircase)))


def _free(ann: Graph, name: str) -> str:
    while name in ann.nodes or name in ann.outputs:
        name += "'"
    return name
