"""``snnc fit``: will it fit the chip, on how many cores, and what travels between them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from .arguments import add_artifact
from .console import Console

if TYPE_CHECKING:
    from ..placement import Fit

EXAMPLE = "snnc fit out --chip loihi2 --data test.npz"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--chip", default="loihi2", metavar="NAME", help="loihi1 or loihi2 (default: %(default)s)"
    )
    parser.add_argument(
        "--chips",
        type=int,
        metavar="N",
        help="how many chips there are (default: those of the largest system ever built)",
    )
    parser.add_argument(
        "--neurons-per-core",
        type=int,
        metavar="N",
        help="instead of the chip's own limit, e.g. 8192, the published one of Loihi 2",
    )
    parser.add_argument(
        "--data",
        metavar="X.npz",
        help="samples to count events on, a few are enough (default: every neuron sends at every "
        "step, the static bound)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the placement (default: %(default)s)"
    )


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.chips import get_chip
    from ...ir.errors import OptionError
    from ..data import load_samples
    from ..network import load_whole
    from ..placement import fit

    for option, least in (("chips", 1), ("neurons_per_core", 4), ("seed", 0)):
        given = getattr(arguments, option)
        if given is not None and given < least:
            name = f"--{option.replace('_', '-')}"
            raise OptionError(f"{name} {given}: less than {least}", hint=f"give at least {least}")
    chip = get_chip(arguments.chip).with_neurons(arguments.neurons_per_core)
    network = load_whole(arguments.artifact, on="numpy")
    samples = load_samples(arguments.data, network.graph) if arguments.data else None
    with console.stage("count events") as advance:
        found = fit(
            network.graph,
            chip,
            timesteps=network.timesteps,
            samples=samples,
            chips=arguments.chips,
            seed=arguments.seed,
            progress=advance,
        )
    print_layers(found, console)
    print_traffic(found, console)
    print_verdict(found, console)
    console.result({"artifact": arguments.artifact, **found.to_json()})
    return 0


def print_layers(found: Fit, console: Console) -> None:
    """Write what each layer takes, and the mean over all cores."""
    limits = list(found.utilisation())
    console.lines(f"on {found.chip.title}, the fullest core of each layer", "")
    mean = [f"{share:.0%}" for share in found.utilisation().values()]
    console.table(
        ("layer", ">neurons", ">synapses", ">fan-in", ">cores", *(f">{name}" for name in limits)),
        [
            *(
                (
                    share.layer,
                    f"{share.neurons:,}",
                    f"{share.synapses:,}" if share.synapses else "",
                    f"{share.fan_in:,}" if share.synapses else "",
                    f"{share.cores:,}",
                    *(f"{share.fullest[name]:.0%}" for name in limits),
                )
                for share in found.shares()
            ),
            ("mean over all cores", "", "", "", f"{len(found.cores):,}", *mean),
        ],
    )


def print_traffic(found: Fit, console: Console) -> None:
    """Write what travels between cores in a step."""
    (x, y), (to_x, to_y) = found.placed.link
    chips = f"{found.chips:,} chip{'s' if found.chips > 1 else ''}"
    console.lines(
        "",
        f"cores        {len(found.cores):,} on {chips}",
        f"events       {found.basis}",
        f"traffic      {found.traffic.between_cores:,.0f} events a step between cores, "
        f"{found.placed.between_chips:,.0f} between chips",
        f"placement    {found.placed.event_hops:,.0f} event hops a step, "
        f"{found.saved:.0%} less than with cores in order",
        f"hottest link {found.placed.hottest:,.0f} events a step, "
        f"from router ({x}, {y}) to ({to_x}, {to_y})",
    )


def print_verdict(found: Fit, console: Console) -> None:
    """Write all that is in the way, what could not be checked, and the caveat."""
    from ..placement.fit import CAVEAT

    count = len(found.problems)
    violations = f"no, {count} violation{'s' if count > 1 else ''}"
    verdict = "yes, as far as can be checked" if found.fits else violations
    console.lines(f"fits         {verdict}")
    if found.problems:
        console.lines("")
        console.table(("violation", "way round"), [(p.message, p.hint) for p in found.problems])
    console.lines("", *(f"not checked  {text}" for text in found.unchecked), CAVEAT)
