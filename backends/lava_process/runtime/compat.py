"""Makes the unmodified lava-nc 0.10.0 importable on Python 3.11 and 3.12.

Its only import error there is in ``lava/magma/compiler/var_model.py``: an instance of the
dataclass ``ByteEncoder`` as the default of a field, which Python 3.11 refuses unless it is
hashable. That one class is given a hash while Lava is imported.

Lava imports all of ``scipy.signal`` for one function of its slow convolution, which is more
than half of the time to load it. That import is put off until the function is called.

Lava also sets the process-wide start method to fork, and fails where the host chose one
before. Our actors fork on their own account, so the host keeps its choice.
"""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ....ir.errors import ExecutionError, MissingDependencyError, Problem


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put something in the place of an attribute for a while."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def prepare_lava() -> None:
    """Import the parts of Lava that cannot be imported as they are.

    Raises:
        MissingDependencyError: lava-nc is not installed.
        ExecutionError: This system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise ExecutionError(
            "target lava: Lava's processes are forked, which this system cannot do",
            hint="run it on Linux, or run the artifact with --on numpy",
        )
    original = dataclasses.dataclass

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is not None and cls.__name__ == "ByteEncoder":
            options["unsafe_hash"] = True
        return original(cls, **options)

    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(replaced(dataclasses, "dataclass", dataclass))
        stack.enter_context(replaced(multiprocessing, "set_start_method", lambda *_, **__: None))
        try:
            importlib.import_module("lava.magma.compiler.var_model")
            importlib.import_module("lava.magma.runtime.runtime")
            import_convolution()
        except ModuleNotFoundError as error:
            raise missing_lava() from error


class DeferredSignal:
    """Stands in for ``scipy.signal`` in Lava's convolution."""

    @staticmethod
    def convolve2d(*arguments: Any, **options: Any) -> Any:
        """Call the function of that name, importing it first."""
        from scipy.signal import convolve2d

        return convolve2d(*arguments, **options)


def import_convolution() -> None:
    """Import Lava's convolution without ``scipy.signal``, unless that is loaded already."""
    import scipy

    defer = "signal" not in vars(scipy)
    if defer:
        scipy.signal = DeferredSignal
    try:
        importlib.import_module("lava.proc.conv.process")
    finally:
        if defer:
            del scipy.signal


def missing_lava() -> MissingDependencyError:
    """Return the error that says how to install Lava on this Python."""
    error = MissingDependencyError("target lava", package="lava-nc", extra="lava")
    if sys.version_info >= (3, 13):
        error.hint = "use Python 3.10 to 3.12: lava-nc is not offered for later ones"
        error.problems = (Problem(error.problems[0].message, error.hint),)
    return error
