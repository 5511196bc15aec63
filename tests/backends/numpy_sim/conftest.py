"""What tests of the compiled kernels share."""

from __future__ import annotations

import pytest

from snnc.backends.numpy_sim.native import library


@pytest.fixture(params=range(3))
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Each level of instructions that this processor has; kernels then run at it."""
    if library.library() is None:
        pytest.skip("no compiled kernels here")
    if request.param > library.level():
        pytest.skip("this processor has no such instructions")
    monkeypatch.setattr(library, "level", lambda: request.param)
    return int(request.param)
