"""What a forked process inherits as garbage is not collected there."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import IO

import pytest

from snnc.compiler.child import child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Cycle:
    """Tells, when it is collected, in which process."""

    def __init__(self, told: list[int]) -> None:
        self.told = told
        self.itself = self

    def __del__(self) -> None:
        self.told.append(os.getpid())


@pytest.fixture(autouse=True)
def garbage_stays() -> Iterator[None]:
    """Nothing is collected before a test says so."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_child_does_not_collect_what_its_parent_made() -> None:
    told: list[int] = []
    Cycle(told)

    def answer(pipe: IO[bytes]) -> None:
        gc.collect()
        inherited = len(told)
        Cycle(told)
        gc.collect()
        pipe.write(bytes([inherited, len(told) - inherited]))

    with child(answer, 60.0, work=10, memory=1 << 30) as pipe:
        inherited, own = pipe.read()
    assert (inherited, own) == (0, 1)
    assert told == []
    gc.collect()
    assert told == [os.getpid()]
