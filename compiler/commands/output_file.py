"""The ``.npz`` file with the outputs of a run, written as they come."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from math import fsum, prod
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...backends.temporary_folder import temporary_folder
from ...backends.writing import writing

if TYPE_CHECKING:
    from ...ir import Array

SUFFIX = ".npz"

ARCHIVE = b"PK"
"""The first bytes of an ``.npz`` file."""


def check_file(path: Path, source: Path) -> None:
    """Raise ``OptionError`` where the outputs may not be written, before the long work."""
    from ...backends.artifact import is_artifact
    from ...ir.errors import OptionError

    hint = "give another file with --output"
    if path.is_dir():
        raise OptionError(f"--output {path}: is a folder", hint=hint)
    if not path.parent.is_dir():
        raise OptionError(f"--output {path}: there is no folder {path.parent}", hint=hint)
    if is_artifact(path.parent):
        raise OptionError(f"--output {path}: lies inside an artifact", hint=hint)
    if path.exists() and not path.is_file():
        raise OptionError(f"--output {path}: is not a plain file", hint=hint)
    if path.exists() and source.exists() and path.samefile(source):
        raise OptionError(f"--output {path}: is the file with the input", hint=hint)
    if path.exists() and not _is_archive(path):
        raise OptionError(f"--output {path}: exists and is not an {SUFFIX} file", hint=hint)
    if path.suffix.lower() != SUFFIX:
        raise OptionError(
            f"--output {path}: is not named like an {SUFFIX} file, which is what this writes",
            hint=f"give a name that ends in {SUFFIX}, e.g. {path.with_suffix(SUFFIX)}",
        )


def _is_archive(path: Path) -> bool:
    """Whether a file begins like an archive, or is empty."""
    with path.open("rb") as file:
        return file.read(len(ARCHIVE)) in (ARCHIVE, b"")


@dataclass
class Output:
    """One output of all samples: its figures, and its values where a file is to be written.

    Attributes:
        shape: Of one sample.
        spool: Where the values are until the file is made, or None.
        samples: Number of samples.
        least: The smallest value.
        greatest: The largest value.
    """

    shape: tuple[int, ...]
    spool: IO[bytes] | None
    samples: int = 0
    least: float = float("inf")
    greatest: float = -float("inf")
    _sums: list[float] = field(default_factory=list)

    def add(self, values: Array) -> None:
        """Add the values of some samples, ``(samples, *shape)``, float32."""
        self.samples += len(values)
        self.least = float(values.min(initial=self.least))
        self.greatest = float(values.max(initial=self.greatest))
        # Sample by sample: the mean is then the same for any blocks.
        self._sums += values.reshape(len(values), -1).astype("f8").sum(axis=1).tolist()
        if self.spool is not None:
            self.spool.write(values.tobytes())

    @property
    def mean(self) -> float:
        """The mean of all values."""
        return fsum(self._sums) / (self.samples * prod(self.shape))


@dataclass
class Outputs:
    """The outputs of a run, by name.

    Attributes:
        folder: Where values are kept until the file is made, or None if there will be none.
        file: That file.
    """

    folder: Path | None = None
    file: Path | None = None
    by_name: dict[str, Output] = field(default_factory=dict)

    def add(self, values: Mapping[str, Array]) -> None:
        """Add the outputs of some samples."""
        with writing(self.file or ""):
            for name, block in values.items():
                if name not in self.by_name:
                    spool = None
                    if self.folder is not None:
                        spool = (self.folder / str(len(self.by_name))).open("w+b")
                    self.by_name[name] = Output(block.shape[1:], spool)
                self.by_name[name].add(block)

    def close(self) -> None:
        """Close what is open."""
        with writing(self.file or ""):
            for output in self.by_name.values():
                if output.spool is not None:
                    output.spool.close()


@contextmanager
def open_outputs(path: Path | None) -> Iterator[Outputs]:
    """Take the outputs of a run, and write them to a file, if there is to be one, at the end.

    A crash leaves the old file or none. Equal outputs give equal bytes.
    """
    if path is None:
        yield Outputs()
        return
    path = path.absolute()
    with ExitStack() as stack:
        with writing(path):
            folder = stack.enter_context(temporary_folder(path))
        outputs = stack.enter_context(closing(Outputs(folder, path)))
        yield outputs
        archive = folder / "archive"
        with writing(path):
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for name, output in outputs.by_name.items():
                    _write_entry(file, name, output)
            archive.replace(path)


def _write_entry(archive: zipfile.ZipFile, name: str, output: Output) -> None:
    """Write an output as ``numpy.savez_compressed`` would."""
    from numpy.lib import format as npy

    entry = zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: 1980-01-01
    entry.compress_type = zipfile.ZIP_DEFLATED
    header = {
        "descr": "<f4",
        "fortran_order": False,
        "shape": (output.samples, *output.shape),
    }
    assert output.spool is not None
    output.spool.seek(0)
    with archive.open(entry, "w", force_zip64=True) as file:
        npy.write_array_header_1_0(file, header)
        shutil.copyfileobj(output.spool, file)
