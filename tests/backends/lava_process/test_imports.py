"""Compiling for Lava needs no Lava."""

import subprocess
import sys

import pytest

from snnc.backends.lava_process import LavaBackend

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
