"""Runs the ANN and the spiking network side by side and says where and why they part."""

from __future__ import annotations

import numpy as np

from ...backends.artifact import is_trained, require_ann
from ...backends.base import Progress
from ...backends.numpy_sim import NumpyBackend
from ...backends.onnx_runtime import AnnSession
from ...ir import IF, Array, Graph, TrackingIF
from ...ir.errors import DataError, OptionError
from ..changed_ann import changed_by
from ..data import Inputs, Samples
from ..evaluate import class_scores, default_steps
from ..network import Network
from ..passes.compose_pool import compose_pool
from ..pipeline import SIMPLIFY, run_passes
from ..source_ann import source_ann
from .explanation import Explanation, Moment
from .hybrid import Hybrid
from .layers import InputLayer, OutputLayer, PopulationLayer, observe
from .pairing import layers
from .settings import Settings
from .split import PARTS
from .tally import LayerTally, OutputTally
from .verdict import judge

MOST = 256
"""Samples looked at unless told otherwise: they are taken evenly from those given."""

BLOCK_BYTES = 1 << 28
"""Memory for the payloads and the values of the samples that are looked at at once."""


def explain(
    network: Network,
    samples: Inputs,
    labels: Array | None = None,
    *,
    limit: int = MOST,
    progress: Progress | None = None,
) -> Explanation:
    """Explain where and why a network differs from its ANN.

    The network runs on the simulator, which every target equals (``snnc verify``).

    Args:
        network: The network.
        samples: For each input, ``(samples, *shape)``.
        labels: ``(samples,)``, the right answers; without them the ANN's answers count as right.
        limit: Most samples to look at.
        progress: Called with samples done and in all.

    Raises:
        ArtifactError: The artifact has no source model, or another one's.
        OptionError: The network's neurons weigh steps differently.
    """
    if is_trained(network.artifact):
        require_ann(network.artifact)  # says that there never was one
    if exact := network.graph.of_type(TrackingIF):
        raise OptionError(
            f"{exact[0].name}: an exact network equals the quantised ANN, so there is no error to "
            "split",
            hint="compile with another --code to explain that one",
        )
    if special := [n.name for n in network.graph.populations if not isinstance(n, IF)]:
        raise OptionError(
            f"{special[0]}: its steps do not count alike, so its error cannot be split",
            hint="compile with --code rate, ternary, augmented or multithreshold, without "
            "--differential and --two-phase",
        )
    if hard := [n.name for n in network.graph.of_type(IF) if n.reset == "zero"]:
        raise OptionError(
            f"{hard[0]}: its reset to zero loses current, so what it sent and what it holds do not "
            "add up to what it received, and its error cannot be split",
            hint="compile with --reset subtract to explain that network",
        )
    looked_at, labels = taken_evenly(samples, labels, limit)
    run = _Run(network, labels)
    total = len(next(iter(looked_at.values())))
    size = _block_size(network)
    for begin in range(0, total, size):
        run.add({name: x[begin : begin + size] for name, x in looked_at.items()})
        if progress:
            progress(min(begin + size, total), total)
    return run.result()


class _Run:
    """One explanation under way."""

    def __init__(self, network: Network, labels: Array) -> None:
        self.network, self.labels = network, labels
        self.ann = source_model(network)
        self.settings = Settings.of(network, self.ann)
        self.program = NumpyBackend().lower(network.graph, network.timesteps)
        self.steps = tuple(t for t in default_steps(network.timesteps) if t >= network.first_answer)
        found = layers(self.ann, network.graph, self.settings)
        self.tallies = [LayerTally(layer, self.steps) for layer in found]
        spiking = [layer.value for layer in found if isinstance(layer, PopulationLayer)]
        self.hybrid = Hybrid(self.ann, spiking)
        values = [layer.value for layer in found if not isinstance(layer, InputLayer)]
        self.session = AnnSession(self.ann, extra=dict.fromkeys(values))
        self.classes = _classes(network)
        self.over_time = [OutputTally() for _ in self.steps]
        self.source = OutputTally()
        self.done = 0

    def add(self, samples: Samples) -> None:
        """Look at a block of samples."""
        count = len(next(iter(samples.values())))
        labels = self.labels[self.done : self.done + count]
        self.done += count
        values = self.session.run(samples)
        wanted = {key: values[key] for key in self.ann.outputs}
        result = self.program.run(samples, record=True)
        for t, prefix in zip(self.steps, self.over_time, strict=True):
            decoded = {key: trace[:, t - 1] for key, trace in result.decoded.items()}
            prefix.add(wanted, decoded, self.classes, labels)
        self.source.add(wanted, wanted, self.classes, labels)
        graph, timesteps = self.network.graph, self.network.timesteps
        seen = observe(graph, samples, values, result, timesteps)
        late = observe(graph, samples, values, result, timesteps, self.network.first_answer)
        changes: dict[str, Array] = {}
        for tally in self.tallies:
            parts = tally.add(late if isinstance(tally.layer, OutputLayer) else seen)
            if isinstance(tally.layer, InputLayer):
                changes[tally.layer.value] = tally.layer.sent(seen, seen.timesteps)
            elif isinstance(tally.layer, PopulationLayer):
                own = [part for name, part in parts.items() if name != "inherited"]
                changes[tally.layer.value] = np.asarray(sum(own), np.float32)
        fronts, got = self.hybrid.answers(samples, changes), wanted
        for tally in self.tallies:  # the network spikes up to each layer in turn
            if isinstance(tally.layer, OutputLayer):
                got = {key: trace[:, -1] for key, trace in result.decoded.items()}
            elif tally.layer.value in changes:
                got = next(fronts)
            tally.output.add(wanted, got, self.classes, labels)

    def result(self) -> Explanation:
        """Return what was found."""
        labelled = bool(len(self.labels))
        over_time = tuple(
            Moment(
                timesteps=t,
                output_error=tally.error,
                agreement=tally.share(tally.agreed),
                accuracy=tally.share(tally.right) if labelled else None,
            )
            for t, tally in zip(self.steps, self.over_time, strict=True)
        )
        found = tuple(tally.result() for tally in self.tallies)
        accuracy = self.source.share(self.source.right) if labelled else None
        return Explanation(
            samples=self.done,
            timesteps=self.network.timesteps,
            ann_accuracy=accuracy,
            over_time=over_time,
            layers=found,
            verdict=judge(found, over_time, accuracy, self.settings, self.done),
            ann_changed_by=changed_by(self.network.artifact.manifest),
        )


def source_model(network: Network) -> Graph:
    """Return the source model of a network, as the conversion read it.

    Raises:
        ArtifactError: The artifact has none.
    """
    # Pools were composed already; composed anew, they would have a larger budget.
    passes = [pass_ for pass_ in SIMPLIFY if pass_ is not compose_pool]
    return run_passes(source_ann(network.artifact), passes)


def taken_evenly(samples: Inputs, labels: Array | None, limit: int) -> tuple[Samples, Array]:
    """Return at most ``limit`` samples, taken evenly: data are often sorted by class.

    Without labels there are none of them.
    """
    total = len(next(iter(samples.values())))
    places = np.unique(np.linspace(0, total - 1, min(limit, total)).round().astype(np.int64))
    chosen = {
        name: np.concatenate([x[place : place + 1] for place in places])
        for name, x in samples.items()
    }
    return chosen, np.zeros(0, np.int64) if labels is None else labels[places]


def _classes(network: Network) -> str | None:
    """Return the name of the output that scores classes, or None."""
    try:
        return class_scores(network.graph)[0]
    except DataError:
        return None


def _block_size(network: Network) -> int:
    """Return how many samples are looked at at once."""
    sizes = [type.size for type in network.graph.types.values()]
    # Payloads, the ANN's values and changes for each edge; all parts of one layer's error.
    each = sum(sizes) * (network.timesteps + 4 + 8 + 4) + max(sizes) * 8 * (2 * len(PARTS) + 8)
    return int(max(1, BLOCK_BYTES // each))
