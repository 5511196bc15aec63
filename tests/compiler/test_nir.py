"""``--target nir`` from the command line: compile, verify, inspect, report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.nir_file import hdf5
from snnc.backends.nir_file.network import NirNetwork
from snnc.compiler.options import Options
from snnc.ir.errors import OptionError
from tests.command_line import Command

pytest.importorskip("h5py", reason="the extra nir is not installed")


def written(folder: str) -> NirNetwork:
    """Return what stands in the file of an artifact."""
    with hdf5.library().File(Path(folder) / "network.nir", "r") as file:
        return hdf5.read(file)


def test_compiled_verified_and_loaded_again(
    command: Command, model_file: Path, data_file: Path
) -> None:
    options = ("--target", "nir", "--nir-version", "1.0.4", "--timesteps", 6)
    done = command(model_file, *options, "--calibration", data_file, "-o", "out")
    assert done.status == 0
    assert "warning: NIR has no time step" in done.err
    assert "v_reset" not in done.err, "soft reset is what nir 1.0.4 means"
    assert (Path("out") / "network.nir").exists()
    found = command("verify", "out", "--json")
    assert (found.status, found.json["equal"], found.json["executed_on"]) == (0, True, "nir")
    network = snnc.load("out")
    assert written("out").version == "1.0.4"
    assert network.artifact.manifest["options"]["code"] == "rate"
    assert network.artifact.manifest["options"]["shift"] == "step"
    assert snnc.load("out", on="numpy").target == "nir"
    assert command("verify", "out", "--on", "numpy").status == 0


def test_verify_finds_a_file_that_says_something_else(
    command: Command, model_file: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from snnc.backends.nir_file import from_graph

    command(model_file, "--target", "nir", "--calibration", data_file, "-o", "out")
    right = from_graph.Writer.carriers

    def wrong(self: object, source: str, *, flat: bool) -> list[tuple[str, float]]:
        return [(name, 0.5 * factor) for name, factor in right(self, source, flat=flat)]  # type: ignore[arg-type]

    monkeypatch.setattr(from_graph.Writer, "carriers", wrong)
    found = command("verify", "out", "--json")
    assert (found.status, found.json["equal"]) == (1, False)


def test_soft_reset_is_refused_by_strict_files(command: Command, model_file: Path) -> None:
    words = (model_file, "--target", "nir", "--nir-flavour", "strict")
    found = command(*words, "-o", "out")
    assert found.status == 2
    assert "hint: compile with --reset zero" in found.err
    assert command(*words, "--reset", "zero", "-o", "out").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "nir", "--code", "augmented"), "sends graded events"),
        (("--target", "nir", "--code", "ternary"), "takes back a spike"),
        (("--target", "nir", "--code", "radix"), "injects the sample once"),
        (("--target", "nir", "--nir-version", "2"), "--nir-version '2' is not offered"),
        (("--nir-version", "1.0.4"), "--nir-version has no meaning for target 'numpy'"),
    ],
)
def test_refusals(command: Command, model_file: Path, words: tuple[str, ...], message: str) -> None:
    found = command(model_file, *words, "--require-full", "-o", "out")
    assert found.status == 2
    assert message in found.err
    assert "hint: " in found.err


def test_options_of_a_target_are_refused_elsewhere() -> None:
    options = Options(nir_flavour="strict")
    assert options.settings_for("nir") == {"flavour": "strict"}
    with pytest.raises(OptionError, match="--nir-flavour has no meaning for target 'lava'"):
        options.settings_for("lava")
    assert Options().settings_for("lava") == {}


def test_inspect_tells_what_readers_make_of_it(
    command: Command, model_file: Path, data_file: Path
) -> None:
    words = ("inspect", model_file, "--target", "nir", "--readers", "--timesteps", 4)
    found = command(*words, "--calibration", data_file, "--json")
    own, *others = found.json["readers"]
    assert (own["reader"], own["basis"], own["agreement"]) == ("snnc", "computed", 1.0)
    assert {each["reader"] for each in others} >= {"snntorch", "sinabs", "spikingjelly", "norse"}
    assert all(each["basis"].startswith("modelled") for each in others)
    text = command(*words).out
    assert "spikingjelly" in text
    assert "for each IFNode: v_reset = None" in text
    refused = command("inspect", model_file, "--readers")
    assert (refused.status, "--readers has no meaning" in refused.err) == (2, True)


def test_the_report_has_a_section_on_readers(
    command: Command, model_file: Path, data_file: Path
) -> None:
    command(model_file, "--target", "nir", "--calibration", data_file, "-o", "out")
    found = command("report", "out", "--json")
    assert found.status == 0
    assert found.json["readers"][0]["reader"] == "snnc"
    page = (Path("out") / "report.html").read_text(encoding="utf-8")
    assert "Readers of the NIR file" in page
    command(model_file, "--calibration", data_file, "-o", "other")
    assert command("report", "other", "--json").json["readers"] is None
    assert "Readers of the NIR file" not in (Path("other") / "report.html").read_text("utf-8")


def test_signed_spikes_from_the_command_line(
    command: Command, model_file: Path, data_file: Path
) -> None:
    code = ("--code", "ternary", "--deadband", 1, "--no-guard")
    words = (model_file, "--target", "nir", *code, "--calibration", data_file, "-o", "out")
    assert command(*words).status == 0
    assert command("verify", "out").status == 0
    network = snnc.load("out")
    assert len(written("out").neurons) == 2 * len(network.graph.populations)
    samples = dict(network.golden.inputs)
    assert np.isfinite(np.asarray(network.run(samples).outputs)).all()
