"""Arrays that are made when first asked for, by whichever thread that is."""

from __future__ import annotations

import os
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

T = TypeVar("T")

_making = RLock()


def _begin_anew() -> None:
    """Give a forked process a lock of its own: the thread that held it may not be there."""
    global _making
    _making = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class shared_property(cached_property[T]):  # noqa: N801
    """A ``cached_property`` that is made once, whatever number of threads ask for it.

    Kernels are told where an array begins, so it must never be replaced: since Python 3.12 two
    threads may each make the value of a ``cached_property``, and the first one's array goes.
    """

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the value, after another thread has made it where one does."""
        if instance is None:
            return self
        made, name = vars(instance), self.func.__name__
        with _making:  # no other: before 3.12 the class above has one that no fork renews
            if name not in made:
                made[name] = self.func(instance)
            return made[name]
