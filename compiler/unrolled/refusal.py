"""The one way to say that a network is not understood."""

from __future__ import annotations


class NotRecognisedError(Exception):
    """A network that is not understood; the message says where and why. Never leaves the room."""
