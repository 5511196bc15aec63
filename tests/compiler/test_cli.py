"""Which command is meant, how failures end, and what is not loaded."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from snnc.compiler import network
from snnc.compiler.commands import COMMANDS, expected_time
from snnc.compiler.commands.console import Console, open_console
from snnc.compiler.commands.expected_time import foretelling
from snnc.ir.errors import Problem, SnncError
from tests.command_line import Command

SNNC = (
    sys.executable,
    "-c",
    # A job that a shell put into the background would ignore the signal.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import sys; from snnc.compiler.cli import main; sys.exit(main())",
)
HEAVY = ("onnx", "onnxruntime", "torch", "lava", "scipy", "networkx", "rich")


def test_help_lists_every_command(command: Command) -> None:
    for words in ((), ("--help",), ("-h",)):
        found = command(*words)
        assert found.status == 0
        assert found.err == ""
        assert all(f"\n  {name} " in found.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    found = command(name, "--help")
    assert found.status == 0
    assert f"usage: snnc {name}" in found.out
    assert f"example:\n  snnc {name}" in found.out
    assert "--json" in found.out


def test_version(command: Command) -> None:
    assert command("--version").out.startswith("snnc 0.")


def test_compile_is_the_default_command(command: Command, model_file: Path) -> None:
    assert command(model_file, "-o", "a").status == 0
    assert command("compile", model_file, "-o", "b").status == 0
    assert command("--timesteps", "2", model_file, "-o", "c").status == 0
    assert all(Path(name, "manifest.json").exists() for name in "abc")


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["insepct", "m.onnx"], "unknown command 'insepct'", "did you mean 'inspect'?"),
        (["m.onnx", "--tagret", "numpy"], "unknown option '--tagret'", "did you mean '--target'?"),
        (["--model", "m.onnx"], "unknown option '--model'", "give MODEL.onnx without --model"),
        (["run", "--artifact", "out"], "unknown option '--artifact'", "give OUT without"),
        (["run", "out", "--hulp", "x"], "unknown option '--hulp'", "did you mean '--help'?"),
        (["run", "out", "--model", "x"], "unknown option '--model'", "hint: see: snnc run --help"),
        (["show", "--jsno", "out"], "unknown option '--jsno'", "did you mean '--json'?"),
        (["m.onnx", "-x"], "unrecognized arguments: -x", "snnc compile --help"),
        (["run", "out"], "arguments are required: --input", "snnc run --help"),
        (["compile"], "arguments are required: MODEL.onnx", "snnc compile --help"),
        (["m.onnx", "--timesteps", "x"], "--timesteps: invalid int value: 'x'", "--help"),
        (["m.onnx", "--weight-bits", "x"], "--weight-bits: 'x' is neither", "--help"),
        (["evaluate", "o", "--data", "d", "--timesteps", "1,x"], "'1,x' is no list", "--help"),
        (["evaluate", "o", "--data", "d", "--timesteps", "0,1"], "first step is 1", "--help"),
    ],
)
def test_usage_errors_have_the_form_of_all_errors(
    command: Command, words: list[str], error: str, hint: str
) -> None:
    found = command(*words)
    first, second = found.err.splitlines()
    assert (found.status, found.out) == (2, "")
    assert first.startswith("error: snnc")
    assert error in first
    assert second.startswith("hint: ")
    assert hint in second


def test_all_unknown_options_are_named(command: Command) -> None:
    lines = command("m.onnx", "--tagret", "numpy", "--coed=rate").err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"] * 2


def test_an_error_without_a_hint_gets_one(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, SnncError("broken"))
    assert command("show", "out").err == "error: broken\nhint: see `snnc --help`\n"


def test_names_cannot_break_lines(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "a\nerror: b\r\x1b[31m\u2028\udc80"
    _fail_with(monkeypatch, SnncError(message, problems=[Problem(message, "c\td")]))
    found = command("show", "out")
    assert found.status == 2
    assert found.err == r"error: a\nerror: b\r\x1b[31m\u2028\udc80" + "\nhint: c\\td\n"


def test_an_internal_error_says_it_is_a_bug(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, RuntimeError("oops"))
    found = command("show", "out")
    assert found.status == 1
    assert "RuntimeError: oops" in found.err
    assert "bug in snnc" in found.err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "out"), "error: out: No space left on device"),
        (MemoryError(), "error: out of memory"),
    ],
)
def test_a_full_machine_is_no_bug(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    _fail_with(monkeypatch, error)
    found = command("show", "out")
    assert found.status == 2
    assert found.err.splitlines()[0] == line
    assert found.err.splitlines()[1].startswith("hint: ")


def test_an_interrupt_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, KeyboardInterrupt())
    found = command("show", "out")
    assert (found.status, found.out, found.err) == (130, "", "error: interrupted\n")


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(network, "load", load)


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*SNNC, "demo"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("snnc-demo-*")):  # its folder: it has begun
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_a_closed_pipe_is_no_error(artifact: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*SNNC, "show", str(artifact)], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, b"")


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    for terminal in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        threads = threading.active_count()
        with Console(json=True, out=sys.stdout).stage("evaluate") as advance:
            advance(3, 20)
            time.sleep(0.02)
            advance(6, 20)
            time.sleep(0.02)
            advance(9, 20)
            assert threading.active_count() == threads  # Lava forks while a bar is shown
        shown.append(stream.getvalue())
    assert "evaluate" in shown[0]
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown[0])
    assert re.search(r"0/\? 0:00:\d\d", plain)  # the time since it began
    assert re.search(r"9/20 0:00:\d\d 0:00:\d\d", plain)  # and that which is left
    assert shown[1] == ""


def test_output_fits_any_encoding(artifact: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(
        [*SNNC, "targets"], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert "numpy" in process.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import snnc",
        "from snnc.compiler.cli import main; main(['--help'])",
        "from snnc.compiler.cli import main; main(['compile', '--help'])",
        "from snnc.compiler.cli import main; main(['evaluate', '--data'])",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    check = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"], stdout=subprocess.PIPE, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "[]"


def test_tables_in_a_pipe_keep_their_lines_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a_name_as_exporters_make_them/" * 20
    monkeypatch.delenv("COLUMNS", raising=False)
    with open_console(json=False) as console:
        console.table(("node", "source"), [(name, "words that " * 20)])
    assert name in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "60")
    with open_console(json=False) as console:
        console.table(("node", "source"), [(name, "words that " * 20)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


@pytest.mark.parametrize(
    ("seconds", "target", "said"),
    [
        (9.0, "lava", "100 samples on lava take up to 15 minutes"),
        (0.5, "lava", ""),
        (9.0, "numpy", ""),
    ],
)
def test_a_long_run_is_foretold_once(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    target: str,
    said: str,
) -> None:
    now = 0.0
    monkeypatch.setattr(expected_time, "monotonic", lambda: now)
    advanced: list[int] = []
    with open_console(json=False) as console:
        tell = foretelling(lambda done, total: advanced.append(done), target, console)
        now += 40  # until the network is built
        for done in range(4):
            tell(done, 100)
            now += seconds
    assert advanced == [0, 1, 2, 3]
    found = capsys.readouterr()
    assert found.out == ""
    if said:
        warning, hint = found.err.splitlines()
        assert warning.startswith(f"warning: {said}")
        assert "--on numpy" in hint
    else:
        assert found.err == ""
