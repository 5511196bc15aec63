"""``python -m snnc``: the command line, where the script ``snnc`` is not on the path."""

import sys

from .compiler.cli import main

if __name__ == "__main__":
    sys.exit(main())
