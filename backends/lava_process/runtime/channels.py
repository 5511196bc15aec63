"""Channels between the processes of a network, without threads.

Each end of a channel of Lava 0.10.0 has a thread that passes its semaphore on to a queue, so
that one process can wait for several channels. Between our processes nobody does: a process
waits for one message at a time, and the semaphore alone is enough. A step is several times
faster for it; the messages are the same, in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, PyPyChannel

from ....ir import Array


class SendEnd(CspSendPort):  # type: ignore[misc]
    """Writes messages into free slots."""

    _array: list[Array]

    def start(self) -> None:
        """Map the slots."""
        self._array = slots(self)

    def probe(self) -> bool:
        """Wait for a free slot; there always will be one."""
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
    """Reads messages in order."""

    _array: list[Array]
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
        """Wait for a message and return it, without taking it."""
        self.probe()
        return self._array[self._idx].copy()

    def recv(self) -> Array:
        """Wait for a message and take it."""
        message = self.peek()
        self._arrived = False
        self._idx = (self._idx + 1) % self._size
        self._ack.release()
        return message

    def join(self) -> None:
        """Do nothing: there is no thread to end."""


def slots(end: Any) -> list[Array]:
    """Return the places of the messages in the memory of a channel."""
    return [
        np.ndarray(end.shape, end.d_type, buffer=end._shm.buf, offset=end._nbytes * place)
        for place in range(end.size)
    ]


class DirectChannel(PyPyChannel):  # type: ignore[misc]
    """A bounded queue in shared memory: two semaphores count free slots and messages."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        source, target = self._src_port, self._dst_port
        source.__class__, target.__class__ = SendEnd, ReceiveEnd
        for _ in range(source.size):
            source._ack.release()
