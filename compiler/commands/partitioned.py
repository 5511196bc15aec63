"""What the commands do with a network of which parts run on the host."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wording import counted, share_in_words
from .arguments import offering_simulator, resources
from .console import Console, one_line
from .expected_time import foretelling

if TYPE_CHECKING:
    from ..partition import Division, PartitionedNetwork

NODES_SHOWN = 4
"""Nodes of a region that a table names; the JSON object has all."""


def print_cut(division: Division, console: Console) -> None:
    """Write the regions, and every host node with its reason."""
    console.lines(
        "",
        f"cut into {counted(len(division.regions), 'region')}, one after the other; "
        f"{share_in_words(division.spiking_share)} of the multiply-accumulates spike",
        "",
    )
    console.table(
        ("region", ">nodes", "", ">MACs", "reads", "gives"),
        [
            (
                region.name,
                len(region.nodes),
                _some(region.nodes),
                f"{region.macs:,}",
                ", ".join(region.inputs),
                ", ".join(region.outputs),
            )
            for region in division.regions
        ],
    )
    if division.uncounted:
        console.lines(f"not counted  {', '.join(division.uncounted)}: sizes are not known")
    console.lines("", "on the host")
    console.table(
        ("operator", "node", "reason", "way round"),
        [(e.operator, e.node, e.reason, e.hint) for e in division.host if not e.follows],
    )
    following: dict[tuple[str, str], list[str]] = {}
    for entry in division.host:
        if entry.follows:
            following.setdefault((entry.reason, entry.hint), []).append(entry.node)
    if following:
        rows = [(len(names), _some(names), *why) for why, names in following.items()]
        console.lines("", "and with them")
        console.table((">nodes", "", "why", "way round"), rows)


def _some(names: Sequence[str]) -> str:
    more = len(names) - NODES_SHOWN
    return ", ".join(names[:NODES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def compiled(network: PartitionedNetwork, out: Path, console: Console) -> dict[str, Any]:
    """Write the summary of a cut model that was compiled or loaded; return the JSON object."""
    from .compile import describe

    print_cut(network.division, console)
    for name, each in network.networks.items():
        console.lines("", name, *(f"  {one_line(line)}" for line in describe(each)))
    console.lines(
        "",
        f"latency      {counted(network.timesteps + network.depth_latency, 'step')}: the regions "
        "run one after the other, and the host computes between them",
    )
    return {"artifact": str(out), **to_json(network)}


def to_json(network: PartitionedNetwork) -> dict[str, Any]:
    """Return what the compiler did as one JSON object."""
    from .compile import to_json as whole

    manifest = network.manifest
    return {
        "model": manifest["model"],
        "target": network.target,
        "timesteps": network.timesteps,
        "depth_latency": network.depth_latency,
        "options": manifest["options"],
        "partition": network.division.to_json(),
        "report": network.report,
        "regions": {name: whole(each) for name, each in network.networks.items()},
        "versions": manifest["versions"],
    }


def show(network: PartitionedNetwork, arguments: Namespace, console: Console) -> int:
    """Write the cut, and the graph of each spiking region."""
    from ...ir.printer import to_text

    graphs = {name: to_text(each.graph) for name, each in network.networks.items()}
    for name, text in graphs.items():
        console.lines("", name, *(f"  {line}" for line in text.split("\n")))
    document = compiled(network, Path(arguments.artifact), console)
    console.result({**document, "graphs": graphs})
    return 0


def verify(network: PartitionedNetwork, arguments: Namespace, console: Console) -> int:
    """Check every region; return the exit status."""
    from ..data import open_samples
    from ..oracle import check_hash
    from ..partition.network import input_graph
    from ..partition.verify import TOLERANCE, verify_cut
    from .verify import describe

    limits = resources(arguments)
    if arguments.model:
        check_hash(network.manifest, arguments.model)
    graph = input_graph(network.division)
    samples = open_samples(arguments.data, graph, limits) if arguments.data else None
    with offering_simulator(), console.stage("verify") as advance:
        found = verify_cut(
            network,
            samples,
            executed_on=arguments.on or "",
            progress=advance,
            resources=limits,
        )
    for name, each in found.regions.items():
        console.lines(*(f"{name}: {line}" for line in describe(each)))
    for name, difference in found.host.items():
        equal = "yes" if difference <= TOLERANCE else "no"
        console.lines(
            f"{name}: as recorded: {equal} (outputs differ by {difference:.1e} of the largest)"
        )
    console.result(found.to_json())
    return 0 if found.equal else 1


def evaluate(network: PartitionedNetwork, arguments: Namespace, console: Console) -> int:
    """Measure accuracy; return the exit status."""
    from ...ir.errors import OptionError
    from ..data import load_labels, open_samples
    from ..partition.evaluate import evaluate_cut
    from ..partition.network import input_graph
    from .evaluate import print_evaluation

    if arguments.explain or arguments.figure:
        raise OptionError(
            "--explain looks at networks that spike as a whole, and parts of this one run on the "
            "host",
            hint="leave it out; samples for a single region are what `Network.run` gives it",
        )
    limits = resources(arguments)
    samples = open_samples(arguments.data, input_graph(network.division), limits)
    labels = load_labels(arguments.data, len(next(iter(samples.values()))))
    with offering_simulator(), console.stage("evaluate") as advance:
        found = evaluate_cut(
            network,
            samples,
            labels,
            arguments.timesteps,
            executed_on=arguments.on or "",
            progress=foretelling(advance, arguments.on or network.target, console),
            resources=limits,
        )
    print_evaluation(found, console)
    console.result({**found.to_json(), "spiking_share": network.division.spiking_share})
    return 0


def estimate(network: PartitionedNetwork, arguments: Namespace, console: Console) -> int:
    """Count and cost; return the exit status."""
    from ...ir.errors import OptionError
    from ..changed_ann import changed_by, remark
    from ..cost import get_hardware
    from ..data import open_samples
    from ..partition.estimate import HOST_BASIS, estimate_cut
    from ..partition.network import input_graph
    from ..source_ann import source_ann
    from .estimate_tables import count, joules

    if arguments.csv or arguments.neurobench:
        raise OptionError(
            "--csv and --neurobench take networks that spike as a whole",
            hint="give them a spiking region, an artifact of its own under OUT/regions",
        )
    hardware = get_hardware(arguments.hardware, arguments.access_bits)
    limits = resources(arguments)
    samples = open_samples(arguments.data, input_graph(network.division), limits)
    anns = {name: source_ann(each.artifact) for name, each in network.networks.items()}
    with console.stage("estimate") as advance:
        found = estimate_cut(network, anns, samples, hardware, advance, limits)
    document = found.to_json()
    console.lines(
        f"{counted(document['samples'], 'sample')}, mean of one; "
        f"{share_in_words(document['spiking_share'])} of the multiply-accumulates spike; "
        f"latency {counted(found.latency_steps, 'step')}, all regions one after the other",
        "",
        f"on {hardware.title} ({hardware.name})",
        "",
    )
    console.table(
        ("region", ">SynOps", ">MACs", ">additions", ">energy", ">twin", ">ANN, INT8"),
        [
            *(
                (
                    name,
                    *(count(each.total("snn", kind)) for kind in ("synops", "macs", "acs")),
                    *(joules(each.joules(rival)) for rival in ("snn", "twin", "ann_int8")),
                )
                for name, each in found.regions.items()
            ),
            (
                "spiking, all",
                *(count(found.total("snn", kind)) for kind in ("synops", "macs", "acs")),
                *(joules(found.joules(rival)) for rival in ("snn", "twin", "ann_int8")),
            ),
            ("host", "", count(network.division.host_macs), "", "not costed", "", ""),
        ],
    )
    console.lines(f"host: {HOST_BASIS}; {found.numbers:,} numbers go between regions")
    if changed := changed_by(network.manifest):
        console.lines(remark(changed))
    console.result(document)
    return 0


def run(network: PartitionedNetwork, arguments: Namespace, console: Console) -> int:
    """Run samples; return the exit status."""
    from ..data import open_samples
    from ..partition.network import input_graph
    from ..totals import Totals
    from .output_file import open_outputs

    limits = resources(arguments)
    samples = open_samples(arguments.input, input_graph(network.division), limits)
    destination = Path(arguments.output) if arguments.output else None
    totals = Totals()
    with (
        open_outputs(destination) as outputs,
        offering_simulator(),
        console.stage("run") as advance,
    ):
        advance = foretelling(advance, arguments.on or network.target, console)
        for result in network.stream(samples, progress=advance, resources=limits):
            outputs.add({name: trace[:, -1] for name, trace in result.decoded.items()})
            totals.add(result)
    activity = totals.mean()
    document = {
        "target": network.target,
        "executed_on": arguments.on or network.target,
        "samples": totals.samples,
        "timesteps": network.timesteps,
        "depth_latency": network.depth_latency,
        "spiking_share": network.division.spiking_share,
        "outputs": {name: [y.samples, *y.shape] for name, y in outputs.by_name.items()},
        "activity": {
            name: {
                field: getattr(done, field).item()
                for field in ("spikes", "units", "synops", "unit_synops")
            }
            for name, done in activity.items()
        },
    }
    console.lines(
        f"{counted(totals.samples, 'sample')} on {document['executed_on']} and the host, T = "
        f"{network.timesteps} for each spiking region, "
        f"{network.timesteps + network.depth_latency} steps in all"
    )
    console.table(
        ("output", "shape", ">least", ">mean", ">greatest"),
        [
            (name, (y.samples, *y.shape), *(f"{f:.4g}" for f in (y.least, y.mean, y.greatest)))
            for name, y in outputs.by_name.items()
        ],
    )
    if destination:
        console.lines(f"written to {destination}")
    console.result({**document, "output": arguments.output})
    return 0
