"""Compiling for Lava needs no Lava, and running what was compiled needs nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snnc import compile
from snnc.backends.lava_process import LavaBackend
from snnc.compiler.demo import bundled

DOCUMENTATION = Path(__file__).parent.parent.parent.parent / "docs" / "lava.md"

LOWER = """
import sys
import numpy as np
from snnc.backends.lava_process import LavaBackend
from snnc.ir import Encoder, Graph, Input, Integrator, Linear
from snnc.ir.errors import MissingDependencyError
from snnc.ir.types import TensorType

nodes = [
    Input(name="x", type=TensorType((3,))),
    Encoder(name="e", inputs=("x",), scale=0.1),
    Linear(name="l", inputs=("e",), weight=np.ones((2, 3), int)),
    Integrator(name="y", inputs=("l",), bias=np.zeros(2, int), scale=np.ones(2)),
]
program = LavaBackend().lower(Graph(nodes, {"y": "y"}), 4)
"""


LIGHT = """
import sys
from importlib.metadata import packages_distributions, requires
import re

wanted, allowed = ["numpy", "lava-nc"], set()
while wanted:
    name = wanted.pop()
    if name not in allowed:
        allowed.add(name)
        lines = [line for line in requires(name) or [] if "extra" not in line]
        wanted += [re.match(r"[\\w.-]+", line)[0].lower() for line in lines]
assert {"scipy", "networkx"} <= allowed and not {"onnx", "onnxruntime", "rich"} & allowed
for module, homes in packages_distributions().items():
    if not {home.lower() for home in homes} & {*allowed, "snnc"}:
        sys.modules[module] = None  # whoever imports it fails

import numpy as np

data, names = np.load("data.npz"), {}
names["x"] = data["x"]
exec(sys.stdin.read(), names)
for result in ("outputs", "predictions"):
    assert np.array_equal(names[result], data["y"]), result
assert sys.modules["onnx"] is None and sys.modules["onnxruntime"] is None
"""


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOWER + script], timeout=120, check=False)
    assert done.returncode == 0


def test_lowering_does_not_import_lava() -> None:
    run(
        "LavaBackend().availability()\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'lava', 'scipy'}, loaded\n"
    )


def test_running_without_lava_says_how_to_install_it() -> None:
    run(
        "sys.modules['lava'] = None\n"
        "try:\n"
        "    program.run({'x': np.zeros((1, 3))})\n"
        "except MissingDependencyError as error:\n"
        "    assert 'target lava needs lava-nc' in str(error), error\n"
        "    assert 'snnc[lava]' in error.hint or sys.version_info >= (3, 13)\n"
        "else:\n"
        "    raise AssertionError('nothing was raised')\n"
    )


@pytest.mark.lava
@pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed")
def test_a_run_does_not_load_what_only_stock_convolutions_use() -> None:
    run(
        "program.run({'x': np.zeros((1, 3))})\n"
        "assert 'lava' in sys.modules and 'scipy.signal' not in sys.modules\n"
        "program.run({'x': np.zeros((1, 3))}, fast=False)\n"
        "import scipy.signal\n"
        "assert scipy.signal.convolve2d is not None\n"
    )


@pytest.mark.lava
@pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed")
@pytest.mark.skipif(not DOCUMENTATION.exists(), reason="runs in a checkout only")
def test_what_is_documented_runs_with_numpy_and_lava_alone(tmp_path: Path) -> None:
    demo = bundled()
    network = compile(demo.model, target="lava", calibration=demo.calibration[:64], timesteps=4)
    network.save(tmp_path / "out")
    x = demo.test[:3]
    np.savez(tmp_path / "data.npz", x=x, y=np.asarray(network.run(x).outputs))
    shown = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) == 2
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        input="\n".join(shown),
        cwd=tmp_path,
        timeout=180,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
