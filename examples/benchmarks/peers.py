"""SpikingJelly's conversions of the same network, on the same samples, side by side with snnc.

    uv run --group peers python -m examples.benchmarks.peers cifar10 \
        --models examples/models/resnet20.onnx --count 2000

Each recipe converts the network once and runs it once for the largest T; the outputs averaged
over the first t steps are those of a run of t steps (which is checked on a few samples). A second
read-out leaves out the first steps, as many as SpikingJelly's ``estimate_delay_start`` says (Bu et
al., CVPR 2025). Weights, inputs and membranes are real numbers. Results are added to
``docs/results``; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.ann2snn import (
    Converter,
    LocalThresholdBalancingRecipe,
    RateCodingRecipe,
    estimate_delay_start,
)
from torch import Tensor, fx

from examples.benchmarks.peer_events import EventCounter
from examples.benchmarks.results import Result, append, key_of, path_of, read
from examples.benchmarks.task import CALIBRATION, Task, open_task
from examples.benchmarks.torch_network import check_equal, torch_network
from snnc.compiler.onnx_import import load as load_onnx

TIMESTEPS = (1, 2, 4, 8, 16, 32, 64)
CALIBRATION_BATCH = 128
BATCH = 16
"""Samples at once and steps at once: their activations stay in the cache."""
STEPS = 16

SETTLED = 0.01
"""Local threshold balancing ends when no population's mean threshold grew by more in a pass."""
MOST_PASSES = 200

READOUTS = ("mean", "delayed")


@dataclass(frozen=True)
class Peer:
    """One way to convert.

    Attributes:
        method: Name in tables.
        recipe: Class in SpikingJelly.
        options: Its options; the others are its defaults.
    """

    method: str
    recipe: Callable[..., Any]
    options: Mapping[str, Any]


PEERS = (
    Peer("max", RateCodingRecipe, {"mode": "max"}),
    Peer("99.9 %", RateCodingRecipe, {"mode": "99.9%"}),
    Peer(
        "99.9 % a channel, v(0) = 1/2",
        RateCodingRecipe,
        {"mode": "99.9%", "channel_wise": True, "pre_spike_maxpool": True, "half_threshold": True},
    ),
    Peer("local threshold balancing", LocalThresholdBalancingRecipe, {}),
)


def settings_of(peer: Peer, readout: str) -> dict[str, Any]:
    """Return what identifies a line of results."""
    settings = {"recipe": peer.recipe.__name__, **peer.options, "readout": readout}
    if peer.recipe is LocalThresholdBalancingRecipe:
        settings |= {"settled": SETTLED, "most_passes": MOST_PASSES}
    return settings


def convert(peer: Peer, ann: fx.GraphModule, batches: tuple[Tensor, ...]) -> tuple[Any, int]:
    """Return the spiking network, and the number of passes over the calibration samples."""
    recipe = peer.recipe(batches, **peer.options)
    passes = [1]
    if isinstance(recipe, LocalThresholdBalancingRecipe):
        one_pass = recipe.calibrate

        def calibrate(converter: Converter, network: fx.GraphModule) -> fx.GraphModule:
            """Repeat the pass of the recipe: each only takes a small step to the threshold."""
            before = torch.tensor(0.0)
            for passes[0] in range(1, MOST_PASSES + 1):
                network = one_pass(converter, network)
                means = [
                    values.mean() for name, values in network.named_buffers() if "ltb_hook" in name
                ]
                after = torch.stack(means)
                if bool((after <= before * (1 + SETTLED)).all()):
                    break
                before = after
            return network

        recipe.calibrate = calibrate
    with redirect_stderr(StringIO()):  # a progress bar for each pass
        snn = Converter(recipe).convert(ann)
    return snn.eval().to(memory_format=torch.channels_last), passes[0]


def outputs_over_time(
    snn: fx.GraphModule, x: Tensor, timesteps: int, counter: EventCounter | None = None
) -> Tensor:
    """Return the sum of the outputs of the first 1 to T steps, ``(T, samples, classes)``."""
    functional.reset_net(snn)
    functional.set_step_mode(snn, "m")
    x = x.contiguous(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for begin in range(0, timesteps, STEPS):
            if counter:
                counter.begin_at(begin)
            steps = min(STEPS, timesteps - begin)
            parts.append(snn(x.unsqueeze(0).expand(steps, *x.shape)))
    return torch.cat(parts).double().cumsum(dim=0)


def check_prefixes(snn: fx.GraphModule, x: Tensor) -> None:
    """Check on some samples that a prefix of a long run is a short run.

    Raises:
        AssertionError: It is not.
    """
    whole = outputs_over_time(snn, x, max(TIMESTEPS))
    for t in TIMESTEPS:
        alone = outputs_over_time(snn, x, t)[-1]
        if not torch.allclose(alone, whole[t - 1], rtol=1e-4, atol=1e-4):
            raise AssertionError(f"a run of {t} steps differs from the first {t} steps of a run")


def measure(
    peer: Peer, task: Task, ann: fx.GraphModule, steps: Sequence[int] = TIMESTEPS
) -> Iterator[Result]:
    """Convert, run all test samples for the largest T, and read every prefix out both ways."""
    started = time.perf_counter()
    batches = torch.split(torch.from_numpy(task.calibration), CALIBRATION_BATCH)
    snn, passes = convert(peer, ann, batches)
    seconds = time.perf_counter() - started
    print(f"{peer.method}: converted in {seconds:.0f} s, {passes} passes", flush=True)
    functional.set_step_mode(snn, "s")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that T is small: the rule is applied
        delays = {t: estimate_delay_start(snn, batches, "cpu", t) for t in steps}
    check_prefixes(snn, torch.from_numpy(task.x[:8]))
    sums, counts = _run(snn, task, max(steps))
    seconds = (time.perf_counter() - started) / (len(steps) * len(READOUTS))
    for t in steps:
        for readout in READOUTS:
            start = delays[t] if readout == "delayed" else 0
            scores = sums[t - 1] - (sums[start - 1] if start else 0)
            spikes, synops = (float(count) / len(task.y) for count in counts[t - 1])
            yield Result(
                data=task.data,
                network=task.model.stem,
                sha256=task.sha256,
                count=len(task.y),
                calibration=len(task.calibration),
                system=system(),
                method=peer.method + (", delayed" if readout == "delayed" else ""),
                settings=settings_of(peer, readout),
                timesteps=t,
                ann=task.ann,
                accuracy=float(np.mean(scores.argmax(dim=1).numpy() == task.y)),
                spikes=spikes,
                synops=synops,
                unit_synops=synops,
                seconds=round(seconds, 1),
                found={"passes": passes, "delay": start},
            )


def _run(snn: fx.GraphModule, task: Task, timesteps: int) -> tuple[Tensor, Tensor]:
    """Return summed outputs ``(T, samples, classes)``, spikes and operations ``(T, 2)``."""
    functional.set_step_mode(snn, "s")
    functional.reset_net(snn)
    counter = EventCounter(snn, task.x.shape[1:], timesteps)
    started, parts = time.perf_counter(), []
    for begin in range(0, len(task.x), BATCH):
        x = torch.from_numpy(task.x[begin : begin + BATCH])
        parts.append(outputs_over_time(snn, x, timesteps, counter))
        done = begin + len(x)
        if begin // BATCH in (0, 3) or done == len(task.x):
            each = (time.perf_counter() - started) / done
            left = each * (len(task.x) - done) / 60
            print(
                f"  {1000 * each / timesteps:.2f} ms an image-step, {left:.1f} min left", flush=True
            )
    return torch.cat(parts, dim=1), counter.counts.cumsum(dim=0)


def system() -> str:
    """Return the name and version that stand in results."""
    return f"SpikingJelly {version('spikingjelly')}"


def main() -> int:
    """Measure what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(CALIBRATION))
    parser.add_argument("--models", nargs="+", required=True, help="ONNX files")
    parser.add_argument("--count", type=int, default=2000, help="test samples")
    parser.add_argument("--timesteps", nargs="+", type=int, default=TIMESTEPS, help="T")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for model in arguments.models:
        task = open_task(arguments.data, model, arguments.count)
        path = path_of(task)
        ann = torch_network(load_onnx(model).graph)
        worst = check_equal(ann, task.model.read_bytes(), task.x[:256])
        print(f"{model}: ANN {task.ann:.2%}; torch and ONNX Runtime differ by {worst:.1e} at most")
        for peer in PEERS:
            there = read(path)
            keys = [
                key_of(task, system(), settings_of(peer, readout), t)
                for readout in READOUTS
                for t in arguments.timesteps
            ]
            if all(key in there for key in keys):
                print(f"{peer.method}: already in {path}")
                continue
            results = list(measure(peer, task, ann, arguments.timesteps))
            append(path, results)
            for result in results:
                print(
                    f"  {result.method}, T={result.timesteps}: {result.accuracy:.2%} "
                    f"({result.loss:+.2f} points), {result.synops:.3g} SynOps",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
