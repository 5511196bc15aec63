"""The packages that read NIR, for the tests that run them; without them those are skipped."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

import pytest

from snnc.backends.nir_file.readers import reader

MISSING = [name for name in ("nir", "nirtorch", "torch", "h5py") if find_spec(name) is None]
"""What all of them need and is not here."""

MARKS = [
    pytest.mark.torch,
    # The packages call what their own dependencies have deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:nirtorch"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]

OLD = not MISSING and version("nir") == "1.0.4"
"""Whether this is the environment of sinabs."""

NAMES = ("snntorch", "sinabs", "norse", "spikingjelly")


def needs(name: str) -> None:
    """Skip where a reader cannot run."""
    if find_spec(name) is None:
        pytest.skip(f"{name} not installed")
    if (name == "sinabs" and not OLD) or (name == "spikingjelly" and OLD):
        pytest.skip(f"{name} needs another nir: {reader(name).reads}")
