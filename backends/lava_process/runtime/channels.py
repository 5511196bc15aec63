"""Channels between the processes of a network, without threads.

Each end of a channel of Lava 0.10.0 has a thread that passes its semaphore on to a queue, so
that one process can wait for several channels at a time. Ours wait for one message after the
other, and for that the semaphores are enough. The messages and their order are the same; a
step takes a fraction of the time.
"""

from __future__ import annotations

import mmap
import multiprocessing
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, Proto
from numpy.typing import DTypeLike

from ....ir import Array

fork = multiprocessing.get_context("fork")
"""Our processes are forked, whatever start method the program has chosen for its own."""


class UnnamedMemory:
    """Stands in for ``SharedMemory``: Lava uses nothing but its buffer."""

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(1, size)))


class UnnamedMemoryManager:
    """Stands in for Lava's ``SharedMemoryManager``, without a process and files of its own."""

    def create_shared_memory(self, size: int) -> UnnamedMemory:
        """Return memory that processes forked from now on share."""
        return UnnamedMemory(size)


class SendEnd(CspSendPort):  # type: ignore[misc]
    """Writes messages into free slots."""

    _idx: int

    def start(self) -> None:
        """Map the slots."""
        self._array = slots(self)

    def probe(self) -> bool:
        """Say that a message can be sent; ``send`` waits if it has to."""
        return True

    def send(self, data: Array) -> None:
        """Send a message; wait while all slots are full."""
        if data.shape != self._shape:
            raise ValueError(f"port {self._name} sends {self._shape} but got {data.shape}")
        self._ack.acquire()
        self._array[self._idx][:] = data
        self._idx = (self._idx + 1) % self._size
        self._req.release()

    def join(self) -> None:
        """Do nothing: there is no thread to end."""


class ReceiveEnd(CspRecvPort):  # type: ignore[misc]
    """Reads messages in their order."""

    _idx: int
    _arrived = False

    def start(self) -> None:
        """Map the slots."""
        self._array = slots(self)

    def probe(self) -> bool:
        """Wait for a message: whoever asks has nothing else to wait for."""
        if not self._arrived:
            self._req.acquire()
            self._arrived = True
        return True

    def peek(self) -> Array:
        """Wait for a message and return it without taking it."""
        self.probe()
        message: Array = self._array[self._idx].copy()
        return message

    def recv(self) -> Array:
        """Wait for a message and take it."""
        message = self.peek()
        self._arrived = False
        self._idx = (self._idx + 1) % self._size
        self._ack.release()
        return message

    def join(self) -> None:
        """Do nothing: there is no thread to end."""


class DirectChannel(Channel):  # type: ignore[misc]
    """A bounded queue in shared memory; two semaphores count its messages and its free slots.

    The arguments are those of Lava's ``PyPyChannel``.
    """

    def __init__(
        self,
        infrastructure: Any,
        source: str,
        target: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        size: int,
        *watchdogs: Any,
    ) -> None:
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = infrastructure.smm.create_shared_memory(size * nbytes)
        messages, free = fork.Semaphore(0), fork.Semaphore(size)
        queue = (memory, Proto(shape, dtype, nbytes), size, messages, free)
        self._ends = (
            SendEnd(source, *queue, *watchdogs[:2]),
            ReceiveEnd(target, *queue, *watchdogs[2:]),
        )

    @property
    def src_port(self) -> SendEnd:
        """The end that sends."""
        return self._ends[0]

    @property
    def dst_port(self) -> ReceiveEnd:
        """The end that receives."""
        return self._ends[1]


def slots(end: Any) -> list[Array]:
    """Return the places of the messages in the memory of a channel."""
    return [
        np.ndarray(end.shape, end.d_type, buffer=end._shm.buf, offset=end._nbytes * place)
        for place in range(end.size)
    ]
