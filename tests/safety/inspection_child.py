"""An inspection whose memory is measured: started as a process of its own by ``test_memory``.

Argument: an ONNX file. Prints the most MB that the process held.
"""

from __future__ import annotations

import sys
from pathlib import Path

from snnc.backends import get_backend
from snnc.backends.resources import most_resident
from snnc.compiler.inspection import inspect
from snnc.compiler.options import Options

if __name__ == "__main__":
    inspect(Path(sys.argv[1]), get_backend("numpy"), Options())
    print(most_resident() >> 20)  # noqa: T201
