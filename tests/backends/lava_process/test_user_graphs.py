"""A network among Processes of a user's own; see ``user_graphs``."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from snnc.backends.artifact import Artifact, Golden, save
from snnc.backends.lava_process import LavaBackend
from tests.backends.lava_process import programs
from tests.backends.lava_process.conftest import lenet

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program, alone in its folder, beside an artifact."""
    folder = tmp_path_factory.mktemp("user")
    manifest: dict[str, object] = {"model": {}, "options": {}, "report": {}}
    artifact = Artifact(lenet(), Golden({}, {}, {}), "lava", 4, manifest)
    save(artifact, folder / "artifact", lambda _: None)
    source = Path(__file__).with_name("user_graphs.py")
    return Path(shutil.copy(source, folder / "program.py"))


USES = (
    "user_processes",
    "floating_point_around_it",
    "lava_neurons_behind_it",
    "behind_a_connection",
    "from_the_program",
    "until_a_process_stops",
    "an_exception",
)


def test_graphs_of_users_and_ctrl_c(script: Path) -> None:
    arguments = (str(script), str(script.with_name("artifact")), *USES, "interrupted")
    with programs.started(*arguments) as child:
        assert child.stdout is not None
        for line in (*USES, "interrupted", "running"):
            assert child.stdout.readline() == f"{line}\n", child.communicate()[1]
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does
        _, error = child.communicate(timeout=20)
        assert error.count("Traceback") == 1, error
        assert "KeyboardInterrupt" in error
        assert not programs.alive(child.pid)


@pytest.mark.slow
def test_other_mishaps(script: Path) -> None:
    programs.run(str(script), str(script.with_name("artifact")), "mishaps")


@pytest.mark.slow
def test_the_runtime_of_lava(script: Path) -> None:
    with programs.started(str(script), str(script.with_name("artifact")), "stock_runtime") as child:
        out, error = child.communicate(timeout=180)  # a helper of Lava's may outlive it a little
        assert out == "stock_runtime\nend\n", error
