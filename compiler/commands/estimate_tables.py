"""The tables of ``snnc estimate``: each figure with the model it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..changed_ann import remark
from ..wording import counted
from .console import Console

if TYPE_CHECKING:
    from ..cost import Estimate


INDENT = " " * 20
"""Under the labels of the lines below the tables."""


def print_estimate(found: Estimate, console: Console) -> None:
    """Write an estimate for human eyes."""
    document = found.to_json()
    print_layers(found, document, console)
    print_networks(found, document, console)
    print_terms(found, console)
    print_models(document, console)
    print_activity(found, document, console)
    print_latency(document, console)
    print_neurobench(document, console)
    console.lines("", f"verdict   {document['verdict']}")
    print_sources(found, document, console)


def print_layers(found: Estimate, document: dict[str, Any], console: Console) -> None:
    """Write what each node of the spiking network does."""
    console.lines(f"operations of the spiking network for one sample, mean of {found.samples}", "")
    console.table(
        (
            *("node", "", ">MACs", ">ACs", ">neuron updates", ">events in", ">events out"),
            *(">memory accesses", ">S-ACE", ">NS-ACE", ">energy"),
        ),
        [
            (
                layer["node"],
                layer["kind"],
                *(count(layer[name]) for name in ("macs", "acs", "neuron_updates")),
                *(count(layer[name]) for name in ("events_in", "events")),
                count(sum(layer[name] for name in ACCESSES)),
                *(count(layer.get(name, 0)) for name in ("s_ace", "ns_ace")),
                joules(layer["energy_joules"]),
            )
            for layer in document["layers"]
        ],
    )


ACCESSES = (
    *("input_reads", "weight_reads", "bias_reads"),
    *("state_reads", "state_writes", "output_writes"),
)


def print_networks(found: Estimate, document: dict[str, Any], console: Console) -> None:
    """Write the spiking network and its rivals side by side."""
    console.lines("", f"on {found.hardware.title} ({found.hardware.name})", "")
    console.table(
        (
            *("", ">MACs", ">additions", ">memory accesses", "arithmetic", ">energy"),
            *((">SNN takes",) if found.has_ann else ()),
        ),
        [
            (
                costed.title,
                count(found.total(name, "macs")),
                count(sum(found.total(name, each) for each in ADDITIONS)),
                count(sum(found.total(name, each) for each in ACCESSES)),
                f"{costed.arithmetic.mac} {costed.arithmetic.add}",
                joules(document[name]["energy_joules"])
                if costed.network in found.hardware.runs
                else "does not run",
                *((times(found.ratio(name)) if name != "snn" else "",) if found.has_ann else ()),
            )
            for name, costed in found.networks.items()
        ],
    )
    if document["no_ann"]:
        console.lines("", f"{document['no_ann']}, so neither an ANN nor a twin stands beside it")
    elif found.ann_changed_by:
        console.lines("", remark(found.ann_changed_by))
    bracket = document["snn"]["energy_joules_bracket"]
    if bracket:
        console.lines(
            "",
            f"bracket of the SNN: {joules(bracket['low'])} to {joules(bracket['high'])}",
            bracket["basis"],
        )


ADDITIONS = ("acs", "bias_additions", "comparisons", "resets")


def print_terms(found: Estimate, console: Console) -> None:
    """Write where the energy goes."""
    terms = {name: found.terms(name) for name in found.networks}
    names = dict.fromkeys(term for parts in terms.values() for term in parts)
    if not names:
        return
    console.lines("", "where the energy goes", "")
    titles = [f">{costed.title}" for costed in found.networks.values()]
    console.table(
        ("", *titles),
        [
            (name, *(joules(parts[name]) if name in parts else "" for parts in terms.values()))
            for name in names
        ],
    )


def print_models(document: dict[str, Any], console: Console) -> None:
    """Write the energies on all models: how much the answer depends on the model."""
    console.lines("", "on every model of energy", "")
    models, alone = document["sensitivity"]["models"], bool(document["no_ann"])
    rivals = () if alone else (">twin", ">ANN, INT8", ">ANN, FP32", ">SNN / twin")
    console.table(
        ("model", ">SNN", *rivals, ""),
        [
            (
                *(model["hardware"], joules(model["snn"])),
                *(() if alone else _rivals(model)),
                _remarks(model),
            )
            for model in models
        ],
    )


def _rivals(model: dict[str, Any]) -> tuple[str, ...]:
    """Return the energies of the ANNs on a model, and the ratio to that of the twin."""
    runs = "ann" in model["runs"]
    energies = (joules(model[name]) for name in ("twin", "ann_int8", "ann"))
    shown = (energy if runs else "does not run" for energy in energies)
    return (*shown, times(model["snn_to_twin"]))


def _remarks(model: dict[str, Any]) -> str:
    """Return what has to be said of an energy beside its value."""
    bracket = model["bracket"]
    remarks = ["placed"] * model["placed"] + ["with static power"] * model["static_power"]
    if bracket:
        ends = f"{joules(bracket['low'])} to {joules(bracket['high'])}"
        remarks.append(f"inherited from other hardware: {ends}; see --hardware {model['hardware']}")
    return ", ".join(remarks)


def print_activity(found: Estimate, document: dict[str, Any], console: Console) -> None:
    """Write how active the network is beside published break-evens, and its Bit Budget."""
    activity, budget = document["break_even"], document["budget"]
    console.lines(
        "",
        f"spikes per synapse  {activity['spikes_per_synapse']:.3g} a sample",
        f"spike rate          {activity['spike_rate']:.2%} a neuron and step",
    )
    for each in activity["ranges"]:
        ends = dict.fromkeys((each["low"], each["high"]))
        low = " to ".join(
            f"{end:.3g}" if each["measure"] == "spikes_per_synapse" else f"{end:.1%}"
            for end in ends
        )
        console.lines(
            f"  {each['network']} the break-even of {each['name']}: {low} "
            f"{each['measure'].replace('_', ' ')} ({each['conditions']}; {each['source']})"
        )
    console.lines(
        f"Bit Budget          {budget['bit_budget']:.4g} bit^2 steps, S-ACE {budget['s_ace']:.4g}, "
        f"NS-ACE {budget['ns_ace']:.4g} (Shen et al., CVPR 2024)",
        f"input               {_input(found, document['encoder'])}",
    )
    traffic = document["traffic"]
    console.lines(
        f"traffic             {traffic['messages']:,.0f} messages between cores, "
        f"{traffic['hops_x'] + traffic['hops_y']:,.0f} hops ({traffic['basis']})"
    )
    if traffic.get("violations"):
        console.lines(
            f"{INDENT}the network does not fit the chip: {len(traffic['violations'])} "
            f"violation(s), e.g. {traffic['violations'][0]}"
        )


def _input(found: Estimate, encoder: dict[str, float]) -> str:
    if found.stepwise:
        return f"{encoder['events']:,.0f} events, {encoder['macs']:,.0f} MACs"
    cached = f"{encoder['macs_if_cached']:,.0f} where a repeated input is multiplied once"
    return f"{encoder['macs']:,.0f} MACs; {cached}"


def print_latency(document: dict[str, Any], console: Console) -> None:
    """Write how long an answer takes."""
    latency = document["latency"]
    steps = f"{latency['latency_steps']} steps: T = {latency['timesteps']}, "
    steps += f"depth latency {latency['depth_latency']}"
    if latency["layer_synchronous"]:
        steps += f", layer-synchronous ({latency['layer_synchronous_factor']:.3g} times T)"
    console.lines(
        f"latency             {steps}; pipelined, a sample every "
        f"{latency['steps_between_samples']} steps"
    )
    if latency["seconds"]:
        lasts = f"{latency['step_seconds']:.3g} s a step, {latency['seconds']:.3g} s a sample"
        lasts += f" of {latency['hardware_steps']} steps with a synapse's step each"
        console.lines(f"{INDENT}{lasts}, {latency['samples_per_second']:,.0f} samples a second")
    correct = latency["correct"]
    if correct is None:
        return
    for head, what, share in (
        ("right answer        first", "first", f"{correct['ever']:.1%} ever"),
        (f"{INDENT}to stay", "settled", f"{correct['at_end']:.1%} at the end"),
    ):
        if correct[what] is not None:
            console.lines(
                f"{head} after {correct[what]:.2f} steps in the mean (median "
                f"{correct[f'{what}_median']:g}, 95 % by {correct[f'{what}_95']:g}; {share})"
            )


def print_neurobench(document: dict[str, Any], console: Console) -> None:
    """Write NeuroBench's metrics."""
    found = document["neurobench"]
    if found is None:
        return
    console.lines("", f"NeuroBench, {counted(found['samples'], 'sample')} as one batch", "")
    console.table(
        ("metric", ">value"),
        [(name.replace("_", " "), f"{value:,.4g}") for name, value in found.items()],
    )


def print_sources(found: Estimate, document: dict[str, Any], console: Console) -> None:
    """Write the model and the source of every constant."""
    console.lines("", f"{found.hardware.name}: {found.hardware.basis}")
    bracket = document["snn"]["energy_joules_bracket"]
    constants = document["constants"] or (bracket or {}).get("constants", [])
    console.table(
        ("constant", ">value", "", "status", "technology", "source"),
        [
            (
                each["name"],
                f"{each['value']:g}",
                *(each[key] for key in ("unit", "status", "technology", "source")),
            )
            for each in constants
        ],
    )
    console.lines("Loihi 2: no energy per operation is published, so none is given")
    bits = found.twin_bits
    if bits is None:
        return
    narrow = bits < 8 and document["twin"]["mac"] == "int8_mac"
    if narrow and any(each["name"] == "int8_mac" for each in constants):
        console.lines(
            f"no energy below 8 bits is published there: the {bits}-bit ANN is costed "
            "with 8-bit MACs"
        )


def joules(energy: float | None) -> str:
    """Return an energy in a readable unit.

    >>> joules(1.5e-7), joules(None)
    ('150 nJ', 'not published')
    """
    if energy is None:
        return "not published"
    for unit, factor in (("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if energy >= factor:
            return f"{energy / factor:.3g} {unit}"
    return f"{energy / 1e-12:.3g} pJ"


def times(ratio: float | None) -> str:
    """Return a ratio of energies."""
    return "" if ratio is None else f"{ratio:.3g} x"


def count(number: float) -> str:
    """Return a count, nothing for 0."""
    return f"{number:,.0f}" if number else ""
