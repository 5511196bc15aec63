"""The options of a conversion, which ``compile`` and ``inspect`` share."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from typing import Any

from .argument_types import fixed_input, fraction, input_shape, weight_bits, whole_or_auto


def add_conversion(parser: ArgumentParser) -> None:
    """Add the options of a conversion, which ``compile`` and ``inspect`` share."""
    parser.add_argument(
        "model", metavar="MODEL.onnx", help="the trained model: an ONNX or a NIR file"
    )
    parser.add_argument(
        "--target", default="numpy", help="where the network shall run (default: %(default)s)"
    )
    parser.add_argument(
        "--require-full",
        action="store_true",
        help="refuse a model that does not spike as a whole; without it what cannot spike runs on "
        "the host, and a warning lists it",
    )
    group = parser.add_argument_group("target nir")
    group.add_argument(
        "--nir-version",
        metavar="current|1.0.4",
        help="whose readers the file is for: those of the current package nir, or those that need "
        "nir <= 1.0.4, such as sinabs and rockpool (default: current)",
    )
    group.add_argument(
        "--nir-flavour",
        metavar="subtractive|strict",
        help="subtractive: spikes reset by subtraction, which the current NIR cannot say and the "
        "metadata of the file do; strict: refuse what NIR does not mean (default: subtractive)",
    )
    group = parser.add_argument_group("spike code")
    group.add_argument(
        "--code",
        help="rate: binary spikes; ternary: signed spikes; augmented: signed spikes with a "
        "coefficient; multithreshold: with a power of two; radix: digits, layer after layer; "
        "exact: a quantised model, computed without any error; "
        "auto: augmented where the target takes it, else ternary, else rate (default: auto)",
    )
    group.add_argument(
        "--timesteps",
        type=int,
        metavar="T",
        help="steps a sample (default: 8; for exact as many as it can need)",
    )
    group.add_argument(
        "--max-payload",
        type=whole_or_auto,
        metavar="K|auto",
        help="largest coefficient of an augmented spike (default: 4), of a multithreshold "
        "one (default: 8), or of an exact one (default: 15); auto: one for each population, so "
        "that an augmented network takes less energy and its outputs are no further off than with "
        "the default",
    )
    group.add_argument(
        "--deadband",
        type=int,
        metavar="0|1",
        help="negative spikes answer any negative membrane (0) or one of minus a whole "
        "threshold (1) (default: 0)",
    )
    group.add_argument(
        "--guard",
        action=BooleanOptionalAction,
        help="whether a neuron behind a ReLU takes back only what it has sent (default: --guard)",
    )
    group.add_argument(
        "--v-init",
        type=float,
        metavar="V",
        help="membrane at the start, in thresholds (default: 0.5; 0 for multithreshold)",
    )
    group.add_argument(
        "--reset",
        metavar="subtract|zero",
        help="what a spike does to the membrane, for code rate: take one threshold off, or set it "
        "to 0, which loses what was above the threshold; for comparison and for targets that have "
        "nothing else (default: subtract, where the target can); of a NIR file also auto: as the "
        "version in the file means it (the default there)",
    )
    group.add_argument(
        "--select",
        metavar="nearest|greedy",
        help="which power of two a multithreshold neuron sends (default: nearest)",
    )
    group.add_argument(
        "--radix",
        type=int,
        metavar="R",
        help="base of radix-encoded spikes (default: 2); with --code exact: send digits",
    )
    group.add_argument(
        "--differential",
        action="store_true",
        help="an event at step t corrects the value by 1/t; codes ternary and multithreshold, "
        "with --weight-bits float",
    )
    group.add_argument(
        "--shift",
        metavar="initial|step",
        help="whether a neuron gets --v-init at the start or spread over the steps (default: step "
        "for binary spikes and --correction reconstruct, else initial)",
    )
    group.add_argument(
        "--readout-delay",
        type=whole_or_auto,
        default=0,
        metavar="N|auto",
        help="steps at the start that the outputs leave out (default: %(default)s)",
    )
    group.add_argument(
        "--two-phase",
        metavar="offset|residual",
        help="neurons rehearse each sample and correct themselves; code rate",
    )
    group.add_argument(
        "--rehearsal",
        type=int,
        default=4,
        metavar="N",
        help="steps of a rehearsal (default: %(default)s)",
    )
    group = parser.add_argument_group("thresholds and numbers")
    group.add_argument(
        "--thresholds",
        metavar="RULE",
        help="max, percentile, mmse, local, iteration, spike-norm, or bound: that of a clip, else "
        "max (default: mmse; max without --calibration)",
    )
    group.add_argument(
        "--percentile",
        type=float,
        metavar="P",
        help="for --thresholds percentile (default: 99.9)",
    )
    group.add_argument(
        "--per-channel",
        action=BooleanOptionalAction,
        help="one threshold a channel, or one a population (default: --per-channel; without "
        "--calibration --no-per-channel)",
    )
    group.add_argument(
        "--correction",
        metavar="none|light|advanced|reconstruct",
        help="what is fitted layer by layer to the ANN on the calibration data: biases (light), "
        "initial membranes (advanced), weights and all (reconstruct) (default: reconstruct; none "
        "without --calibration)",
    )
    group.add_argument(
        "--weight-bits",
        type=weight_bits,
        default=8,
        metavar="2..8|float",
        help="width of integer weights, or float for real ones (default: %(default)s)",
    )
    group.add_argument(
        "--input-bits",
        type=int,
        metavar="2..8",
        help="width of the quantised input (default: 8)",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the synthetic calibration data (default: %(default)s)",
    )
    group.add_argument(
        "--input-shape",
        dest="input_shapes",
        action="append",
        type=input_shape,
        metavar="NAME=1,3,48,320",
        help="sizes of an input that the model leaves open, the batch axis first; once an input",
    )
    group.add_argument(
        "--fix-input",
        dest="fixed_inputs",
        action="append",
        type=fixed_input,
        metavar="NAME=16000",
        help="the number that an input always has, or all its numbers, separated by commas: it "
        "becomes a constant; once an input",
    )
    group.add_argument(
        "--max-elements",
        type=int,
        metavar="N",
        help="numbers that one value of one sample may have; a model with larger ones is refused "
        "(default: 2**27)",
    )
    add_first(parser)
    add_nir(parser)


def add_first(parser: ArgumentParser) -> None:
    """Add the options for what happens to the model before it is converted."""
    group = parser.add_argument_group("before the conversion")
    group.add_argument(
        "--quantize",
        type=int,
        metavar="4|8",
        help="first quantise the float model to so many bits, weights and activations (static, "
        "by ONNX Runtime on the --calibration samples)",
    )
    group.add_argument(
        "--approximate",
        action="store_true",
        help="compute smooth activations (Sigmoid, Gelu, x * Sigmoid(x) ...) from clipped pieces, "
        "and with --code exact round what the model leaves unquantised to 8 bits, on the "
        "--calibration samples; every place is listed; without it smooth activations run on the "
        "host, and --code exact refuses a model that is not quantised",
    )
    group.add_argument(
        "--max-drop",
        type=fraction,
        metavar="DROP",
        help="search for the cheapest code, T and cap that lose at most this much accuracy, e.g. "
        "0.5%% or 0.005; a quarter of the --calibration samples is held back to judge, by labels "
        "y if there are any, else by agreement with the model; a --code or --max-payload given "
        "is kept, a --timesteps given is the largest T tried",
    )


def add_nir(parser: ArgumentParser) -> None:
    """Add the options for NIR files."""
    group = parser.add_argument_group(
        "NIR files", "beside these: --timesteps (default: 100), --reset, --seed, --max-elements"
    )
    group.add_argument(
        "--dt", type=float, metavar="SECONDS", help="of a step (default: of the file, or 1e-4)"
    )
    group.add_argument(
        "--discretisation",
        metavar="exact|euler",
        help="how equations become steps: a decay of exp(-dt/tau), or of 1 - dt/tau (default: "
        "of the file, or exact)",
    )
    group.add_argument(
        "--if-gain",
        metavar="auto|step|second",
        help="whether r of a neuron without leak is what one unit of input adds in a step, or in a "
        "second, r * dt; auto: in a step where r is 1 (default: auto)",
    )


def conversion_options(arguments: Namespace) -> dict[str, Any]:
    """Return the fields of ``compiler.options.Options`` that arguments hold.

    ``timesteps`` is left out where it was not given: to a search, T given is a limit. Those of a
    NIR file are among them where they were given.
    """
    names = (
        *("code", "timesteps", "thresholds", "percentile", "per_channel"),
        *("correction", "weight_bits", "quantize", "approximate"),
        *("input_bits", "max_payload", "deadband", "guard", "v_init", "seed", "max_elements"),
        *("reset", "select", "radix", "differential"),
        *("shift", "readout_delay", "two_phase", "rehearsal", "nir_version", "nir_flavour"),
    )
    given = {name: getattr(arguments, name) for name in names}
    if arguments.input_shapes:
        given["input_shapes"] = dict(arguments.input_shapes)
    if arguments.fixed_inputs:
        given["fixed_inputs"] = dict(arguments.fixed_inputs)
    defaulted = ("timesteps", "max_elements")
    found = {n: value for n, value in given.items() if n not in defaulted or value is not None}
    nir = {name: getattr(arguments, name) for name in ("dt", "discretisation", "if_gain")}
    return found | {name: value for name, value in nir.items() if value is not None}
