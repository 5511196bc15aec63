"""The module h5py, which is imported when it is needed."""

from __future__ import annotations

from typing import Any

from ..ir.errors import MissingDependencyError


def load_h5py(purpose: str, extra: str) -> Any:
    """Return the module h5py.

    Args:
        purpose: What it is needed for, for the message: ``target nir``.
        extra: The extra of snnc that brings it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(purpose, package="h5py", extra=extra) from error
    return h5py
