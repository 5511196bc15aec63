"""Ctrl-C is held back, and comes all the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from snnc.backends.interruption import uninterrupted


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A job that a shell put into the background would ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def from_here() -> None:
    signal.raise_signal(signal.SIGINT)


def through_another_thread() -> None:
    """As where a library runs threads: the system hands the signal to one of them."""
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    assert other.ident is not None
    signal.pthread_kill(other.ident, signal.SIGINT)
    ended.set()
    other.join()


@pytest.mark.parametrize("interrupt", [from_here, through_another_thread])
def test_an_interrupt_waits_for_the_end_of_the_block(interrupt: Callable[[], None]) -> None:
    done = []

    def whole() -> None:
        with uninterrupted():
            interrupt()
            with uninterrupted():
                interrupt()
            done.append("block")
        done.append("rest")

    with pytest.raises(KeyboardInterrupt):
        whole()
    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_is_not_lost() -> None:
    def fail(*, interrupted: bool) -> None:
        with uninterrupted():
            if interrupted:
                from_here()
            raise ValueError("in halves")

    with pytest.raises(ValueError, match="halves"):
        fail(interrupted=False)
    with pytest.raises(KeyboardInterrupt) as caught:
        fail(interrupted=True)
    assert isinstance(caught.value.__context__, ValueError)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_handles_no_interrupt_is_left_alone(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_may_use_it() -> None:
    def inside() -> object:
        with uninterrupted():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(inside).result() is signal.default_int_handler
