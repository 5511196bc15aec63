"""What stands in a ``.net`` file, where lava-dl 0.6.0 looks for it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.backends.netx_file import NetxBackend, hdf5
from snnc.ir import IF, Graph
from snnc.ir.errors import MissingDependencyError


def saved(graph: Graph, folder: Path) -> Any:
    h5py = pytest.importorskip("h5py", reason="the extra netx is not installed")
    NetxBackend().lower(graph, 7).save(folder)
    return h5py.File(folder / "network.net", "r")


def test_what_is_written_is_read_back(graph: Graph, tmp_path: Path) -> None:
    network = NetxBackend().lower(graph, 7).network
    with saved(graph, tmp_path) as file:
        back = hdf5.read(file)
    assert (back.shape, back.timesteps, len(back.layers)) == (
        network.shape,
        7,
        len(network.layers),
    )
    for wanted, got in zip(network.layers, back.layers, strict=True):
        assert type(wanted) is type(got)
        for name, value in vars(wanted).items():
            np.testing.assert_array_equal(value, vars(got)[name], name)


def test_the_layout_is_that_of_lava_dl(tmp_path: Path) -> None:
    from tests.backends.netx_file.conftest import digits

    graph = digits()
    with saved(graph, tmp_path) as file:
        layers = [file[f"layer/{place}"] for place in range(len(file["layer"]))]
        kinds = [layer["type"][0].decode() for layer in layers]
        assert kinds == ["input", "conv", "conv", "flatten", "dense", "dense"]
        assert layers[0]["shape"][()].tolist() == [1, 28, 28]
        first, node = layers[1], graph["n3"]
        assert isinstance(node, IF)
        np.testing.assert_array_equal(first["weight"][()], graph["c2"].weight)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(first["bias"][()], node.bias.ravel())
        assert (first["stride"][()].tolist(), first["groups"][()]) == ([2, 2], 1)
        neuron = {key: value[()] for key, value in first["neuron"].items()}
        assert (neuron["iDecay"], neuron["vDecay"]) == (4096, 0)
        assert neuron["vThMant"] == 2499, "Lava fires above, snnc at the threshold of 2500"
        assert layers[-1]["neuron/vThMant"][()] == 2**17 - 1, "a readout never fires"
        usage = file.attrs["usage"]
    assert "reset_interval=7, reset_offset=1" in usage
    assert "input_message_bits=7" in usage


def test_equal_networks_give_equal_bytes(graph: Graph, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        saved(graph, tmp_path / name).close()
        contents.append((tmp_path / name / "network.net").read_bytes())
    assert contents[0] == contents[1]


def test_without_h5py_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, graph: Graph, tmp_path: Path
) -> None:
    imported: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    program = NetxBackend().lower(graph, 7)
    with pytest.raises(MissingDependencyError, match="target netx needs h5py") as caught:
        program.save(tmp_path)
    assert "snnc[netx]" in str(caught.value.hint)


def test_a_threshold_changes_the_file_and_nothing_else(graph: Graph) -> None:
    (first, *_) = graph.of_type(IF)
    higher = replace(first, threshold=first.threshold + 1)
    changed = Graph((higher if node is first else node for node in graph), graph.outputs)
    before, after = (NetxBackend().lower(g, 7).network for g in (graph, changed))
    assert [layer.threshold for layer in after.layers][1:] == [
        layer.threshold for layer in before.layers
    ][1:]
    assert after.layers[0].threshold == before.layers[0].threshold + 1
