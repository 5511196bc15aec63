"""Which backends there are. A loader imports its backend only when that target is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from ..ir.errors import SnncError, UnknownTargetError
from .base import Backend


def _numpy() -> Backend:
    from .numpy_sim import NumpyBackend

    return NumpyBackend()


def _lava() -> Backend:
    from .lava_process import LavaBackend

    return LavaBackend()


def _netx() -> Backend:
    from .netx_file import NetxBackend

    return NetxBackend()


def _onnx() -> Backend:
    from .onnx_network import OnnxBackend

    return OnnxBackend()


def _nir(**settings: str) -> Backend:
    from .nir_file import NirBackend

    return NirBackend(**settings)


BUILTIN: dict[str, Callable[..., Backend]] = {
    "numpy": _numpy,
    "lava": _lava,
    "netx": _netx,
    "onnx": _onnx,
    "nir": _nir,
}
PLUGINS = "snnc.backends"
"""Entry-point group: a callable without arguments that returns a ``Backend``."""


def known_targets() -> list[str]:
    """Return the names of all targets: built in, and those of installed plug-ins."""
    return sorted(BUILTIN.keys() | {plugin.name for plugin in entry_points(group=PLUGINS)})


def get_backend(name: str, settings: Mapping[str, str] | None = None) -> Backend:
    """Load the backend of that name.

    Args:
        name: Of a target.
        settings: Of a built-in target that has some: for ``nir`` ``version`` and ``flavour``.

    Raises:
        UnknownTargetError: Neither built in nor an entry point of group ``snnc.backends``.
    """
    if name in BUILTIN:
        return BUILTIN[name](**(settings or {}))
    for plugin in entry_points(group=PLUGINS):
        if plugin.name == name:
            try:
                load: Callable[[], Backend] = plugin.load()
                return load()
            except Exception as error:  # of any class: it is code of others
                raise SnncError(
                    f"target {name!r} cannot be loaded: {type(error).__name__}: {error}",
                    hint=f"mend or uninstall the package that offers {plugin.value}",
                ) from error
    raise UnknownTargetError(name, known_targets())
