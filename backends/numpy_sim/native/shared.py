"""Arrays that are made when first asked for, by whichever thread that is."""

from __future__ import annotations

from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

T = TypeVar("T")

_making = RLock()


class shared_property(cached_property[T]):  # noqa: N801
    """A ``cached_property`` that is made once, whatever number of threads ask for it.

    Kernels are told where an array begins, so it must never be replaced: since Python 3.12 two
    threads may each make the value of a ``cached_property``, and the first one's array goes.
    """

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the value, after another thread has made it where one does."""
        with _making:
            return super().__get__(instance, owner)
