"""Where the network would lie on a chip: cores, what fills them, what travels between them."""

from __future__ import annotations

from ....ir.errors import Problem
from ...placement import Fit
from ...placement.fit import CAVEAT
from ..charts.core_map import Place, core_map
from ..charts.figure import figure
from ..findings import Findings
from ..markup import Content, Html, element
from ..quantities import data, percent
from ..tables import definitions, table
from ..topology import Topology
from .section import Section, missing, paragraph

DRAWN = 1024
"""Most cores that are drawn."""


def chip(findings: Findings) -> Section:
    """Return the answer of ``snnc fit``, with a map of the cores."""
    found = findings.fit
    if isinstance(found, Problem):
        return Section("chip", "On a chip", missing("No placement", found))
    title = f"On {found.chip.title}"
    verdict = "It fits, as far as can be checked." if found.fits else "It does not fit."
    body = [
        element(
            *("p", element("strong", f"{verdict} "), f"{CAVEAT[0].upper()}{CAVEAT[1:]}."),
            class_="good" if found.fits else "warning",
        ),
        _problems(found),
        definitions(_facts(found)),
        _map(found, findings.topology),
        _shares(found, findings.topology),
    ]
    return Section("chip", title, body)


def _problems(found: Fit) -> Content:
    rows = [(problem.message, problem.hint) for problem in found.problems]
    return table("What is in the way", ("violation", "way round"), rows) if rows else None


def _facts(found: Fit) -> list[tuple[str, str]]:
    return [
        ("cores", f"{len(found.cores):,}"),
        ("chips", f"{found.chips:,}"),
        ("events", found.basis),
        ("between cores", f"{found.traffic.between_cores:,.0f} events a step"),
        ("between chips", f"{found.placed.between_chips:,.0f} events a step"),
        (
            "placement",
            f"{found.placed.event_hops:,.0f} event hops a step, {percent(found.saved, 0)} less "
            "than with cores in order",
        ),
    ]


def _map(found: Fit, topology: Topology) -> Content:
    if len(found.cores) > DRAWN:
        return paragraph(f"{len(found.cores):,} cores are too many to draw one by one.")
    numbers = {layer.name: layer.number for layer in topology.layers}
    places, rows = [], []
    for index, core in enumerate(found.cores):
        layer, place = found.layers[core.layer].name, int(found.places[index])
        router = int(found.mesh.x[place]), int(found.mesh.y[place])
        on_chip = int(found.mesh.chip[place])
        words = f"{topology.label(layer)}: {core.need.neurons:,} neurons, {core.need.words:,} words"
        places.append(Place(router, on_chip, numbers.get(layer, 0), words))
        rows.append(
            (
                index,
                topology.label(layer),
                data(float(core.need.neurons), f"{core.need.neurons:,}"),
                data(float(core.need.words), f"{core.need.words:,}"),
                on_chip,
                "{}, {}".format(*router),
            )
        )
    heads = (">core", "layer", ">neurons", ">words of memory", ">chip", "router (x, y)")
    drawing = element(
        "div",
        core_map(f"Map of {len(places)} cores, chips: {found.chips}", places, _routers(found)),
        class_="scroll",
        tabindex="0",
        role="group",
        aria_label="Map of the cores, which scrolls",
    )
    return figure(
        "Map of the cores",
        drawing,
        table("Cores and where they lie", heads, rows),
        note="Each square is a core with the number of its layer, each frame a router; shaded "
        "frames tell neighbouring chips apart.",
        class_="wide",
    )


def _routers(found: Fit) -> dict[tuple[int, int], int]:
    """Return for each router the chip it is on."""
    mesh = found.mesh
    routers = zip(mesh.x.tolist(), mesh.y.tolist(), strict=True)
    return dict(zip(routers, mesh.chip.tolist(), strict=True))


def _shares(found: Fit, topology: Topology) -> Html:
    limits = list(found.utilisation())
    rows = [
        (
            element("span", topology.label(share.layer), title=share.layer),
            data(float(share.neurons), f"{share.neurons:,}"),
            data(float(share.synapses), f"{share.synapses:,}"),
            data(float(share.cores), f"{share.cores:,}"),
            *(data(share.fullest[limit], percent(share.fullest[limit], 0)) for limit in limits),
        )
        for share in found.shares()
    ]
    heads = ("layer", ">neurons", ">synapses", ">cores", *(f">{limit}" for limit in limits))
    return table("Layers, and how full the fullest core of each is", heads, rows)
