"""What was read into a file that does not say it: told to whoever compiles it."""

from __future__ import annotations

import numpy as np

from ...backends.nir_file.continuous import EXACT, NEARLY
from ...backends.nir_file.nodes import Neuron
from .discretisation import AUTO, Discretisation
from .file import NirFile
from .nodes import NirGraph
from .resets import Resets, reset_warning


def warnings_about(
    file: NirFile, graph: NirGraph, rule: Discretisation, resets: Resets
) -> tuple[tuple[str, str], ...]:
    """Return warnings, each with the way out."""
    found = (
        _contract_warning(file),
        reset_warning(file, graph, resets),
        None if file.contract else _gain_warning(graph, rule),
        None if file.contract else _euler_warning(graph, rule),
    )
    return tuple(each for each in found if each)


def _contract_warning(file: NirFile) -> tuple[str, str] | None:
    """Return that the metadata of a file of snnc could not be read."""
    if not file.unreadable:
        return None
    return (
        "the metadata of snnc in this file are damaged, or of a later version: not used",
        "compile the network again, or choose --reset, --dt and --discretisation",
    )


def _gain_warning(graph: NirGraph, rule: Discretisation) -> tuple[str, str] | None:
    """Return what was taken for ``r`` of neurons without leak, where it is not the equation."""
    taken = [
        name
        for name, node in graph.nodes.items()
        if isinstance(node, Neuron) and node.tau is None and rule.takes_r_as_gain(node)
    ]
    if not taken or rule.if_gain != AUTO or rule.dt == 1:
        return None
    more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
    return (
        f"{taken[0]}{more}: r = 1 without leak is taken for the gain of one step, as sinabs and "
        f"snnTorch mean it; by NIR's equation it would be r * dt = {rule.dt:g}",
        "choose with --if-gain step or --if-gain second",
    )


def _euler_warning(graph: NirGraph, rule: Discretisation) -> tuple[str, str] | None:
    """Return that a file was written by someone who divides by Euler's ``dt / tau``."""
    divided = [
        name
        for name, node in graph.nodes.items()
        if isinstance(node, Neuron)
        and node.tau is not None
        and rule.rule == EXACT
        and np.allclose(node.r * rule.dt, node.tau, rtol=NEARLY, atol=0)
    ]
    if not divided:
        return None
    more = f" and {len(divided) - 1} more" if len(divided) > 1 else ""
    return (
        f"{divided[0]}{more}: r is tau / dt, as snnTorch writes it, which takes Euler's steps",
        "use --discretisation euler to get what it trained",
    )
