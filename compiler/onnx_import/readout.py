"""The read-out after the last layer: Softmax and ArgMax are left out where they end a network.

They do not change which output is largest, and a spiking network decodes its outputs before
them. Inside a network a Softmax is a computation like any other, and is not supported.
"""

from __future__ import annotations

from math import prod

from .operation import Operation
from .values import RefusalError


def check_readout(op: Operation, *, after: tuple[str, ...]) -> None:
    """Raise ``RefusalError`` unless a read-out operator works on the classes of an output.

    Args:
        op: A Softmax, LogSoftmax or ArgMax in the tail of the network.
        after: The read-out operators before it.
    """
    shape = op.activation().type.shape
    rank = 1 + len(shape)
    default = 0 if op.type == "ArgMax" else 1 if op.opset < 13 else -1
    axis = op.integer("axis", default)
    place = axis + rank if axis < 0 else axis
    flattened = op.type != "ArgMax" and op.opset < 13  # its rule until opset 12
    classes = shape[place - 1 :] if flattened else shape[place - 1 : place]
    alone = prod(classes) == prod(shape)  # nothing else stands beside the classes
    if not 0 < place < rank or not (alone or (place == 1 and not flattened)):
        raise RefusalError(
            f"axis={axis} of {rank} is not the class axis", "apply it to axis 1, the classes"
        )
    if "ArgMax" in after:
        raise RefusalError("reads the index of a class", "end the network with one ArgMax")
    if op.type == "ArgMax":
        op.ignore("keepdims")
        if op.integer("select_last_index", 0):
            raise RefusalError("select_last_index=1", "take the first of equal outputs")
