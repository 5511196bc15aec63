"""How fast the simulator is, beside its peers and the bounds of the machine.

    uv run --group peers --extra lava python -m examples.benchmarks.throughput --vgg vgg.onnx
    uv run --group peers python -m examples.benchmarks.throughput --report

Every match is paired: contestants take turns on the same network, T, batch and threads, one run
each in every round, and what counts are medians over the rounds. Results are added to
``docs/results/throughput.jsonl``; ``--report`` writes ``docs/benchmarks.md`` and its figures from
there and runs nothing. Matches that are in the file already are played again. Compiled networks
are kept in ``--keep``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from examples.benchmarks.throughput.match import play
from examples.benchmarks.throughput.matches import KINDS, Plan
from examples.benchmarks.throughput.networks import DATA
from examples.benchmarks.throughput.records import append, read
from examples.benchmarks.throughput.report import write

RESULTS = Path("docs/results/throughput.jsonl")
PAGE = Path("docs/benchmarks.md")


def main() -> int:
    """Play the matches that are asked for, or write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--report", action="store_true", help="only write the tables of what is there")
    add("--kinds", nargs="+", choices=KINDS, default=KINDS)
    add("--networks", nargs="+", choices=sorted(DATA), default=sorted(DATA))
    add("--timesteps", nargs="+", type=int, default=(4, 8, 32), help="T")
    add("--batch", type=int, default=100)
    add("--rounds", type=int, default=5)
    add("--samples", type=int, default=500, help="images for the time to accuracy")
    add("--calibration", type=int, default=512, help="training images, but for the accuracy")
    add("--lava-timesteps", type=int, default=32, help="T on Lava")
    add("--width", type=int, default=4096, help="neurons of a layer of the MLP")
    add("--vgg", type=Path, help="what examples/train/vgg.py made; without it there is none")
    add("--keep", type=Path, default=Path("build/throughput"), help="for compiled networks")
    add("--output", type=Path, default=RESULTS)
    add("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    if not options.report:
        plan = Plan(
            kinds=options.kinds,
            networks=options.networks,
            timesteps=options.timesteps,
            batch=options.batch,
            samples=options.samples,
            calibration=options.calibration,
            lava_timesteps=options.lava_timesteps,
            width=options.width,
            vgg=options.vgg,
            keep=options.keep,
        )
        for match in plan.matches():
            append(options.output, play(match, options.rounds))
    write(read(options.output), options.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
