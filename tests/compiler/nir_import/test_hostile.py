"""NIR files that are broken or mean harm end in one clear error, soon and without taking memory."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.compiler.nir_import import NirOptions, isolated, load
from snnc.compiler.nir_import.tree import Group
from snnc.ir.errors import ModelError
from tests.nir_files import affine, chain, conv, lif, linear, neuron, pairs, pool, port, write

h5py = pytest.importorskip("h5py")

SECONDS = 5.0
EDGES = [("input", "w"), ("w", "output")]
WEIGHT = np.ones((2, 2), np.float32)


def one(node: dict[str, Any], shape: tuple[int, ...] = (2,)) -> Callable[[Path], object]:
    """Return what writes a file with one node between its ports."""
    return lambda path: chain(path, node, shape=shape)


def linked(link: Any) -> Callable[[Path], object]:
    """Return what writes a file whose weight is a link."""

    def make(path: Path) -> None:
        chain(path, affine(WEIGHT, WEIGHT[0]), shape=(2,))
        with h5py.File(path, "r+") as file:
            del file["node/nodes/0/weight"]
            file["node/nodes/0/weight"] = link

    return make


def within_itself(path: Path) -> None:
    chain(path, linear(WEIGHT), shape=(2,))
    with h5py.File(path, "r+") as file:
        file["node/nodes/again"] = file["node"]


def stored(**settings: Any) -> Callable[[Path], object]:
    """Return what writes a file whose weight is stored in some special way."""

    def make(path: Path) -> None:
        chain(path, linear(WEIGHT), shape=(2,))
        with h5py.File(path, "r+") as file:
            del file["node/nodes/0/weight"]
            file["node/nodes/0"].create_dataset("weight", dtype="f4", **settings)

    return make


def virtual(path: Path) -> None:
    chain(path, linear(WEIGHT), shape=(2,))
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 2))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/0/weight"]
        file["node/nodes/0"].create_virtual_dataset("weight", layout)


def many_edges(shape: tuple[int, int], length: int | None) -> Callable[[Path], object]:
    """Return what writes a small file with edges that are gigabytes, or hours, to read."""

    def make(path: Path) -> None:
        chain(path, linear(WEIGHT), shape=(2,))
        with h5py.File(path, "r+") as file:
            del file["node/edges"]
            text = h5py.string_dtype(length=length)
            file["node"].create_dataset("edges", shape, text, chunks=(1, 1), compression=9)

    return make


def loop(*nodes: dict[str, Any]) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        names = [f"n{index}" for index in range(len(nodes))]
        ports = {"input": port("Input", (2,)), "output": port("Output", (2,))}
        edges = [*zip(names, [*names[1:], names[0]], strict=True), ("input", names[0])]
        inside = dict(zip(names, nodes, strict=True))
        write(path, ports | inside, [*edges, (names[-1], "output")])

    return make


def edges(*pairs: tuple[str, str], **more: Any) -> Callable[[Path], object]:
    nodes = {"input": port("Input", (2,)), "w": linear(WEIGHT), "output": port("Output", (2,))}
    return lambda path: write(path, nodes | more, [*EDGES, *pairs])


def nested(*ports: str) -> Callable[[Path], object]:
    inside = {name: port("Input" if name[0] == "i" else "Output", (2,)) for name in ports}
    graph = {"type": "NIRGraph", "nodes": inside, "edges": []}
    return edges(("w", "g"), ("g", "output"), g=graph)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no HDF5": (lambda p: p.write_bytes(b"hello"), "not a readable HDF5 file"),
    "empty": (lambda p: p.write_bytes(b""), "not a readable HDF5 file"),
    "a folder": (lambda p: p.mkdir(), "is a folder"),
    "no graph": (lambda p: h5py.File(p, "w").close(), "no NIR file"),
    "an external link": (linked(h5py.ExternalLink("/etc/passwd", "/")), "link to somewhere else"),
    "a soft link": (linked(h5py.SoftLink("/node/nodes/0/bias")), "link to somewhere else"),
    "a graph within itself": (within_itself, "inside itself"),
    "external storage": (
        stored(shape=(2, 2), external=[("/etc/passwd", 0, 16)]),
        "stored in another file",
    ),
    "virtual storage": (virtual, "stored in another file"),
    "an unknown filter": (stored(shape=(2, 2), compression="lzf"), "unknown filter"),
    "a claim of terabytes": (
        stored(shape=(1 << 20, 1 << 20), chunks=(1, 1)),
        "1099511627776 numbers, more than",
    ),
    "a huge chunk": (
        stored(shape=(2, 2), maxshape=(None, None), chunks=(1 << 15, 1 << 14)),
        "more memory than a file of that size",
    ),
    "texts without end": (many_edges((512, 2), 1 << 20), "texts, or"),
    "edges without end": (many_edges((1 << 26, 2), None), "texts, or"),
    "objects": (
        lambda p: chain(p, {"type": "Linear", "weight": h5py.Empty("f4")}, shape=(2,)),
        "neither numbers nor text",
    ),
    "not numbers": (one(linear(np.full((2, 2), np.nan))), "NaN or infinity"),
    "no weight": (one({"type": "Linear"}), r"0 \(Linear\): has no weight"),
    "a weight of text": (one({"type": "Linear", "weight": "all"}), "holds no numbers"),
    "a weight of 3 axes": (one(linear(np.ones((1, 2, 2)))), "needs 2 axes"),
    "no type": (one({"weight": WEIGHT}), "0: has no type"),
    "an unknown class": (one({"type": "Linea", "weight": WEIGHT}), "no class 'Linea'"),
    "a time constant of 0": (one(lif((2,), tau=0.0)), "tau is not above 0"),
    "parameters that differ": (
        one({**lif((2,)), "r": np.ones(3)}),
        "parameters have different shapes",
    ),
    "a stride of 0": (one(conv(np.ones((1, 2, 1)), [0], stride=[0]), (2, 4)), "must not be below"),
    "half a stride": (one(conv(np.ones((1, 2, 1)), [0], stride=[1.5]), (2, 4)), "whole numbers"),
    "an unknown padding": (one(conv(np.ones((1, 2, 1)), [0], padding="wide"), (2, 4)), "'wide'"),
    "same padding and a stride": (
        one(conv(np.ones((1, 2, 1)), [0], padding="same", stride=[2]), (2, 4)),
        "padding 'same' and a stride",
    ),
    "a padding of gigabytes": (
        one({**pool("SumPool2d", 1 << 28), "padding": [1 << 28] * 2}, (1, 4, 4)),
        "numbers, more than",
    ),
    "a window too large": (one(pool("SumPool2d", 9), (1, 4, 4)), "larger than"),
    "channels that do not fit": (one(conv(np.ones((1, 3, 1)), [0]), (2, 4)), "reads 3 channels"),
    "a weight that does not fit": (one(linear(np.ones((2, 3)))), "weight of 2 x 3, but reads"),
    "neurons that do not fit": (one(lif((3,))), r"parameters for \(3,\), but reads \(2,\)"),
    "axes that are not there": (
        one({"type": "Flatten", "start_dim": 0, "end_dim": 5}),
        "joins the axes",
    ),
    "a negative delay": (one({"type": "Delay", "delay": np.array([-1, 1], np.float32)}), "below 0"),
    "an input of terabytes": (one(linear(WEIGHT), (1 << 20, 1 << 20)), "numbers, more than"),
    "no input": (
        lambda p: write(p, {"w": linear(WEIGHT), "output": port("Output", (2,))}, EDGES[1:]),
        "has no node Input",
    ),
    "no output": (
        lambda p: write(p, {"input": port("Input", (2,)), "w": linear(WEIGHT)}, EDGES[:1]),
        "has no node Output",
    ),
    "an edge to nowhere": (edges(("w", "gone")), "names a node that is not there"),
    "an edge out of an output": (edges(("output", "w")), "leaves an output"),
    "an edge into an input": (edges(("w", "input")), "enters an input"),
    "a node without edges": (edges(alone=lif((2,))), "alone: no edge ends here"),
    "shapes that meet and differ": (
        edges(("input", "v"), ("v", "output"), v=linear(np.ones((3, 2)))),
        "output: adds",
    ),
    "a loop without neurons": (loop(linear(WEIGHT), linear(WEIGHT)), "loop without any neuron"),
    "an inner graph without ports": (nested("o"), "0 nodes Input"),
    "an inner graph with two inputs": (nested("i1", "i2", "o"), "2 nodes Input"),
    "a threshold of 0 subtracted": (
        lambda p: chain(p, lif((2,), v_threshold=0), shape=(2,), version="1.0.4"),
        "subtracts the threshold, which is 0",
    ),
    "a threshold below 0": (
        lambda p: chain(p, neuron("IF", (2,), r=1, v_threshold=-9e18), shape=(2,)),
        "every threshold must be above 0",
    ),
    "a class that is no text": (one({"type": ["IF", "LIF"]}), "0: type is no text"),
    "no class": (one({"weight": WEIGHT}), "0: has no type"),
    "too many neurons one to one": (
        lambda p: chain(p, *[neuron("IF", (9000,), r=1, v_threshold=1)] * 2, shape=(9000,)),
        "take 81000000 weights",
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_it_is_refused(tmp_path: Path, attack: str) -> None:
    make, message = HOSTILE[attack]
    make(tmp_path / "n.nir")
    begin = time.process_time()
    with pytest.raises(ModelError) as error:
        load(tmp_path / "n.nir", NirOptions())
    assert time.process_time() - begin < SECONDS
    texts = [problem.message for problem in error.value.problems]
    assert any(re.search(message, text) for text in texts), texts
    assert all(problem.hint for problem in error.value.problems)


def test_a_file_that_libhdf5_never_comes_back_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = chain(tmp_path / "n.nir", linear(WEIGHT), shape=(2,))
    content = bytearray(path.read_bytes())
    content[content.index(b"GCOL") + 48] = 255  # the size of the second text of the file
    path.write_bytes(content)
    monkeypatch.setattr(isolated, "SECONDS", 0.5)
    with pytest.raises(ModelError, match=r"took more than 1 s|not a readable HDF5 file"):
        load(path, NirOptions())


def test_a_file_that_crashes_libhdf5(tmp_path: Path) -> None:
    path = chain(tmp_path / "n.nir", linear(WEIGHT), shape=(2,))

    def crash(path: Path, max_elements: int) -> Group:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with pytest.raises(ModelError, match="crashed libhdf5") as error:
        isolated.read_in_child(crash, path, 1)
    assert "export" in error.value.hint


def test_a_file_for_which_libhdf5_takes_all_memory(tmp_path: Path) -> None:
    path = chain(tmp_path / "n.nir", linear(WEIGHT), shape=(2,))

    def hungry(path: Path, max_elements: int) -> Group:
        with child_errors():
            np.empty(1 << 31, np.uint8)  # more than a file of some kilobytes may take
        raise AssertionError

    with pytest.raises(ModelError, match="Unable to allocate"):
        isolated.read_in_child(hungry, path, 1)


@contextmanager
def child_errors() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise ModelError(str(error), hint="check the file") from error


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    bad = [{"type": "MaxPool2d"}, {"type": "Linear"}, {"type": "Spike"}]
    with pytest.raises(ModelError) as error:
        load(chain(tmp_path / "n.nir", *bad, shape=(2,)), NirOptions())
    assert [problem.message.split(":")[0] for problem in error.value.problems] == [
        "0",
        "1 (Linear)",
        "2",
    ]
    assert "SumPool2d" in error.value.problems[0].hint


def test_loops_within_loops_end(tmp_path: Path) -> None:
    """A line of neurons, each connected back to the one before, is cut once for each."""
    count = 300
    nodes = {f"n{i:04}": neuron("IF", (1,), r=1, v_threshold=1) for i in range(count)}
    names = [*nodes]
    forth = list(pairs(names))
    back = [(after, before) for before, after in forth]
    ends = {"input": port("Input", (1,)), "output": port("Output", (1,))}
    around = [("input", names[0]), (names[-1], "output")]
    path = write(tmp_path / "n.nir", ends | nodes, [*forth, *back, *around])
    with pytest.raises(ModelError, match="more than 256 loops within loops"):
        load(path, NirOptions())


def test_damaged_files_end_in_an_error_or_a_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 2.0)  # some would be read for ever
    path = chain(tmp_path / "n.nir", affine(WEIGHT, WEIGHT[0]), lif((2,)), shape=(2,))
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load(path, NirOptions())
        except ModelError:
            continue


def test_names_with_slashes(tmp_path: Path) -> None:
    nodes = {
        "net/in": port("Input", (2,)),
        "net/layer/0": linear(WEIGHT),
        "net/layer/1": lif((2,)),
        "out": port("Output", (2,)),
    }
    names = [*nodes]
    path = write(tmp_path / "n.nir", nodes, list(pairs(names)))
    assert {*names} <= {*load(path, NirOptions()).graph.nodes}
