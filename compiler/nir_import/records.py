"""From the group of a node in a file to its record: one function a class of NIR."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...backends.nir_file.nodes import NEURONS, Delay, Neuron, Threshold, tau_field
from ...ir import Array
from .fields import FieldError, Fields
from .nodes import Conv, Flatten, Identity, Input, Linear, NirNode, Output, Pool, Scale


def _input(fields: Fields) -> NirNode:
    return Input(shape=fields.whole("shape", 1))


def _linear(fields: Fields) -> NirNode:
    weight = fields.array("weight", 2)
    bias = fields.optional("bias")
    if bias is not None:
        bias = _spread(bias, (weight.shape[0],), "bias")
    return Linear(weight=weight, bias=bias)


def _conv(axes: int) -> Callable[[Fields], NirNode]:
    def read(fields: Fields) -> NirNode:
        weight = fields.array("weight", 2 + axes)
        bias = fields.optional("bias")
        (groups,) = fields.whole("groups", 1, 1) if fields.has("groups") else (1,)
        if weight.shape[0] % groups:
            raise FieldError(f"{weight.shape[0]} channels cannot be put into {groups} groups")
        return Conv(
            weight=weight,
            bias=None if bias is None else _spread(bias, (weight.shape[0],), "bias"),
            stride=fields.whole("stride", 1, axes),
            padding=fields.padding(axes),
            dilation=fields.whole("dilation", 1, axes),
            groups=groups,
        )

    return read


def _pool(*, mean: bool) -> Callable[[Fields], NirNode]:
    def read(fields: Fields) -> NirNode:
        return Pool(
            kernel=fields.whole("kernel_size", 1, 2),
            stride=fields.whole("stride", 1, 2),
            padding=fields.whole("padding", 0, 2),
            mean=mean,
        )

    return read


def _flatten(fields: Fields) -> NirNode:
    (start,) = fields.whole("start_dim", -32, 1)
    (end,) = fields.whole("end_dim", -32, 1)
    return Flatten(start=start, end=end)


def _delay(fields: Fields) -> NirNode:
    delay = fields.array("delay")
    if (delay < 0).any():
        raise FieldError("delay is below 0")
    return Delay(delay=delay)


def _neuron(kind: str) -> Callable[[Fields], NirNode]:
    leaks, cuba, spikes = "L" in kind, kind.startswith("Cuba"), kind.endswith("F")

    def read(fields: Fields) -> NirNode:
        r = fields.array("r")
        tau = fields.positive(tau_field(kind)) if leaks else None
        weight = fields.optional("w_in") if cuba else None
        parameters = {
            "r": r,
            "tau": tau,
            "v_leak": fields.array("v_leak") if leaks else None,
            "v_threshold": fields.array("v_threshold") if spikes else None,
            "v_reset": fields.optional("v_reset") if spikes else None,
            "tau_syn": fields.positive("tau_syn") if cuba else None,
            "w_in": np.ones(1) if cuba and weight is None else weight,
        }
        shape = common_shape([each for each in parameters.values() if each is not None])
        spread = {
            name: None if each is None else _spread(each, shape, name)
            for name, each in parameters.items()
        }
        return Neuron(kind=kind, **spread)  # type: ignore[arg-type]  # r is never None

    return read


READERS: Mapping[str, Callable[[Fields], NirNode]] = {
    "Input": _input,
    "Output": lambda fields: Output(),
    "Identity": lambda fields: Identity(),
    "Affine": _linear,
    "Linear": _linear,
    "Scale": lambda fields: Scale(scale=fields.array("scale")),
    "Conv1d": _conv(1),
    "Conv2d": _conv(2),
    "SumPool2d": _pool(mean=False),
    "AvgPool2d": _pool(mean=True),
    "Flatten": _flatten,
    "Delay": _delay,
    "Threshold": lambda fields: Threshold(threshold=fields.array("threshold")),
    **{kind: _neuron(kind) for kind in NEURONS},
}
"""For each class of NIR but NIRGraph, what reads it."""


def common_shape(parameters: list[Array]) -> tuple[int, ...]:
    """Return the one shape that parameters have, those of one number left out."""
    shapes = {each.shape for each in parameters if each.size > 1}
    if len(shapes) > 1:
        raise FieldError(f"its parameters have different shapes: {sorted(shapes)}")
    return shapes.pop() if shapes else max((each.shape for each in parameters), key=len)


def _spread(array: Array, shape: tuple[int, ...], name: str) -> Array:
    """Return a parameter with its full shape; one number is for all neurons."""
    if array.shape == shape:
        return array
    if array.size == 1:
        return np.broadcast_to(array.reshape(()), shape)
    raise FieldError(f"{name} has shape {array.shape}, but needs {shape}")
