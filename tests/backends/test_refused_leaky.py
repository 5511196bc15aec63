"""Targets that cannot run trained spiking networks say so, node by node."""

from __future__ import annotations

import pytest

from snnc.backends import get_backend
from snnc.ir.errors import DesignRuleError
from tests.leaky_graphs import STEPS, leaky_graph


@pytest.mark.parametrize("target", ["lava", "netx"])
def test_what_a_target_cannot_run_is_refused(target: str) -> None:
    graph = leaky_graph(5)
    with pytest.raises(DesignRuleError) as caught:
        get_backend(target).lower(graph, STEPS)
    told = [problem.message for problem in caught.value.problems]
    assert f"m: {type(graph['m']).__name__} cannot run on target {target}" in told
    assert any(message.startswith("membrane: output") or "output" in message for message in told)
