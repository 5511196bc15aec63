"""Coverage-guided fuzzing with atheris (``uv sync --group fuzz``): inputs that reach new code.

::

    python -m examples.benchmarks.fuzz.guided --what model --corpus corpus/model --runs 100000

It starts from the stored corpus; the folder keeps what reached new code. An exception that is not
one of snnc stops the run; atheris writes the input down as ``crash-*``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["snnc"]):
    from snnc.compiler.onnx_import import examine
    from snnc.ir.errors import SnncError
    from snnc.ir.storage import from_document, read_arrays, read_json

    from .mutations import damaged_structure

SMALL = 80_000
"""Most bytes of an input."""


def model(path: Path, content: bytes) -> None:
    """Import a model."""
    path.write_bytes(content)
    examine(path)


def arrays(path: Path, content: bytes) -> None:
    """Read an archive of arrays."""
    path.write_bytes(content)
    read_arrays(path)


def document(path: Path, content: bytes) -> None:
    """Build a graph of a document without arrays."""
    path.write_bytes(content)
    from_document(read_json(path), {})


KINDS = {each.__name__: each for each in (model, arrays, document)}


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Change the structure of a model where it is one, else its bytes."""
    if seed % 2:
        with suppress(Exception):  # of any class: it is no model any more
            changed = damaged_structure(content, Random(seed))
            if len(changed) <= most:
                return changed
    return bytes(atheris.Mutate(content, most))


def main() -> None:
    """Fuzz one part until the runs are over or something is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=KINDS, default="model")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=10000)
    arguments = parser.parse_args()
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    read = KINDS[arguments.what]
    with tempfile.TemporaryDirectory(prefix="snnc-fuzz-") as folder:

        def try_one(content: bytes) -> None:
            with suppress(SnncError):
                read(Path(folder) / "input", content)

        limits = ["-timeout=10", "-rss_limit_mb=2048", f"-max_len={SMALL}"]
        stored = Path(__file__).parent / "corpus" / arguments.what
        folders = [str(arguments.corpus), str(stored)]  # what is found goes into the first
        words = [sys.argv[0], f"-runs={arguments.runs}", *limits, *folders]
        custom = {"custom_mutator": mutate} if arguments.what == "model" else {}
        atheris.Setup(words, try_one, **custom)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
