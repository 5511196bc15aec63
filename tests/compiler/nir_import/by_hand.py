"""What NIR nodes compute over time, written out in NumPy from their equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from snnc.ir import Array

windowed: Any = sliding_window_view  # its stubs know one axis only

Fields = Mapping[str, Any]


def follow(nodes: Sequence[Fields], x: Array, dt: float, rule: str, *, subtract: bool) -> Array:
    """Return what the last node of a chain sends, ``(steps, *shape)``."""
    for node in nodes:
        x = computed(node, x, dt, rule, subtract=subtract)
    return x


def computed(node: Fields, x: Array, dt: float, rule: str, *, subtract: bool) -> Array:
    """Return what one node sends, ``(steps, *shape)``."""
    kind = node["type"]
    if kind in ("Affine", "Linear"):
        return np.asarray(x @ np.asarray(node["weight"]).T + node.get("bias", 0))
    if kind in ("Conv1d", "Conv2d"):
        return convolved(node, x)
    if kind in ("SumPool2d", "AvgPool2d"):
        pads = [(0, 0), (0, 0), *((p, p) for p in node["padding"])]
        windows = windowed(np.pad(x, pads), node["kernel_size"], (2, 3))
        windows = windows[:, :, :: node["stride"][0], :: node["stride"][1]]
        return np.asarray(windows.mean((4, 5)) if kind[0] == "A" else windows.sum((4, 5)))
    if kind == "Flatten":
        start, end = node["start_dim"] + 1, node["end_dim"]
        last = x.ndim if end == -1 else end + 2
        return x.reshape(*x.shape[:start], -1, *x.shape[last:])
    if kind == "Scale":
        return np.asarray(x * node["scale"])
    if kind == "Threshold":
        return np.where(x > np.asarray(node["threshold"]), 1.0, 0.0)
    if kind == "Delay":
        late = np.zeros_like(x)
        steps = np.rint(np.broadcast_to(node["delay"], x.shape[1:]) / dt).astype(int)
        for place in np.ndindex(x.shape[1:]):
            after: Any = (slice(steps[place], None), *place)
            until: Any = (slice(len(x) - steps[place]), *place)
            late[after] = x[until]
        return late
    return membranes(node, x, dt, rule, subtract=subtract)


def convolved(node: Fields, x: Array) -> Array:
    weight, groups = np.asarray(node["weight"], float), node["groups"]
    kernel, axes = weight.shape[2:], tuple(range(2, x.ndim))
    padding, dilation = node["padding"], np.broadcast_to(node["dilation"], len(kernel))
    if isinstance(padding, str):
        spans = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel)]  # noqa: B905
        pads = [(span // 2, span - span // 2) for span in spans]
    else:
        pads = [(p, p) for p in np.broadcast_to(padding, len(kernel))]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    windows = windowed(np.pad(x, [(0, 0), (0, 0), *pads]), reach, axes)
    strides = np.broadcast_to(node["stride"], len(kernel))
    places = tuple(slice(None, None, s) for s in strides)
    taps = tuple(slice(None, None, d) for d in dilation)
    windows = windows[(slice(None), slice(None), *places, *taps)]
    inputs, outputs = x.shape[1] // groups, len(weight) // groups
    letters = "ijkl"[: len(kernel)]
    parts = [
        np.einsum(
            f"tcxy{letters},oc{letters}->toxy" if len(kernel) == 2 else "tcxi,oci->tox",
            windows[:, g * inputs : (g + 1) * inputs],
            weight[g * outputs : (g + 1) * outputs],
        )
        for g in range(groups)
    ]
    return np.asarray(np.concatenate(parts, 1) + np.reshape(node["bias"], (-1, *[1] * len(kernel))))


def membranes(node: Fields, x: Array, dt: float, rule: str, *, subtract: bool) -> Array:
    def field(name: str, default: float = 0.0) -> Array:
        return np.asarray(node.get(name, default), np.float64)

    def decay(tau: Array) -> Array:
        return np.exp(-dt / tau) if rule == "exact" else 1 - dt / tau

    tau = field("tau_mem") if "tau_mem" in node else field("tau")
    leaks = tau.any()
    kept = decay(tau) if leaks else np.ones(1)
    gain = field("r") * (1 - kept) if leaks else field("r")
    v = np.zeros(x.shape[1:]) + field("v_leak")
    i = np.zeros(x.shape[1:])
    sent = []
    for current in x:
        if "tau_syn" in node:
            left = decay(field("tau_syn"))
            i = left * i + field("w_in", 1.0) * (1 - left) * current
            current = i
        v = kept * v + gain * current + (1 - kept) * field("v_leak")
        if "v_threshold" not in node:
            sent.append(v)
            continue
        fires = v > field("v_threshold")
        less = v - fires * field("v_threshold")
        v = less if subtract else np.where(fires, field("v_reset"), v)
        sent.append(fires.astype(float))
    return np.stack(sent)
