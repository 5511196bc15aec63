"""``snnc inspect``: what of a model converts, what does not, why, and the way round."""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wording import counted, share_in_words
from .console import Console
from .conversion_arguments import add_conversion, conversion_options
from .partitioned import print_cut

if TYPE_CHECKING:
    from ...backends import Backend
    from ...ir.errors import SnncError
    from ..inspection import Inspection
    from ..onnx_import import Unsupported
    from ..options import Options

EXAMPLE = "snnc inspect model.onnx --target lava"

ALL = "all"

WAYS = (
    "ways round, for all of these: simplify the file (onnxsim), so that shapes and constants are "
    "folded; export it again with fixed sizes and plain operators; put Relu or Clip in the place "
    "of other activations and fine-tune (docs/partition.md)"
)


def add_arguments(parser: ArgumentParser) -> None:
    add_conversion(parser)
    parser.add_argument(
        "--readers",
        action="store_true",
        help="for --target nir: compile the network, and compute from its file what other "
        "programs make of it; each row says on what that rests",
    )
    parser.add_argument(
        "--calibration",
        metavar="XY.npz",
        help="training samples, and labels y: what --quantize and --approximate do is measured on "
        "them, --max-drop needs them, --readers calibrates and compares on them; that they fit the "
        "model is checked in any case (default: synthetic ones)",
    )
    parser.epilog = f"{parser.epilog}\n\n--target all compares the targets in one table"


def run(arguments: Namespace, console: Console) -> int:
    from ...backends import get_backend
    from ...ir.errors import OptionError
    from ..api import chosen_options
    from ..nir_import import is_nir

    if arguments.readers and arguments.target != "nir":
        raise OptionError(
            f"--readers has no meaning for target {arguments.target!r}", hint="use --target nir"
        )
    if arguments.target == ALL:
        return compare_targets(arguments, console)
    if is_nir(Path(arguments.model)):
        return of_nir(arguments, console)
    options = chosen_options(conversion_options(arguments))
    backend = get_backend(arguments.target, options.settings_for(arguments.target))
    found = inspected(arguments, backend, options)
    print_inspection(found, options, console)
    if arguments.calibration:
        console.lines(f"calibration  {arguments.calibration} fits the model")
    for message, hint in found.warnings:
        console.warning(message, hint)
    document = {"model": arguments.model, **found.to_json()}
    if arguments.readers and not found.convertible:
        console.warning(
            "--readers: there is no file to read, as the model does not spike as a whole",
            "mend what is listed, or leave --readers out",
        )
    elif arguments.readers:
        document["readers"] = print_readers(arguments, console, found)
    console.result(document)
    return 0


def inspected(arguments: Namespace, backend: Backend, options: Options) -> Inspection:
    """Inspect an ONNX file for one target."""
    from ..inspection import inspect
    from ..search.inspection import inspect_search

    path, calibration = Path(arguments.model), arguments.calibration
    if arguments.max_drop is not None:
        drop, most = arguments.max_drop, arguments.timesteps
        return inspect_search(path, backend, options, drop, calibration, most)
    whole = arguments.require_full or arguments.readers
    return inspect(path, backend, options, require_full=whole, calibration=calibration)


def of_nir(arguments: Namespace, console: Console) -> int:
    """Inspect a NIR file for one target."""
    from ...backends import get_backend
    from ..from_nir import inspect_nir
    from ..nir_import import NirOptions

    options = NirOptions.of(about_ann(arguments) | conversion_options(arguments))
    get_backend(arguments.target)  # an unknown target is said before the file is looked at
    found = inspect_nir(Path(arguments.model), arguments.target, options)
    console.lines(
        f"convertible  {_answer(found)}",
        f"for          target {found.target}, T = {options.timesteps}",
        *(f"input        {name} {shape}, at every step" for name, shape in found.inputs.items()),
        *(f"output       {name} {shape}" for name, shape in found.outputs.items()),
        "nodes        " + ", ".join(f"{name} x {n}" for name, n in found.operators.items()),
        *(f"read as      {text}" for text in found.approximations),
    )
    for message, hint in found.warnings:
        console.warning(message, hint)
    if found.unsupported:
        rows = [(entry.node, entry.reason, entry.hint) for entry in found.unsupported]
        console.table(("node", "reason", "way round"), rows)
    document = {"model": arguments.model, **found.to_json()}
    if arguments.readers and found.convertible:
        document["readers"] = print_readers(arguments, console, found)
    console.result(document)
    return 0


def about_ann(arguments: Namespace) -> dict[str, Any]:
    """Return what is no option of a conversion, and has no meaning for a NIR file.

    Readers are compared on samples, of a NIR file too.
    """
    from ..nir_import import is_nir

    compared = arguments.readers and is_nir(Path(arguments.model))
    calibration = None if compared else arguments.calibration
    return {"calibration": calibration, "max_drop": arguments.max_drop}


def print_readers(
    arguments: Namespace, console: Console, found: Inspection
) -> list[dict[str, Any]]:
    """Compile a network that was inspected, and write what readers of NIR make of it."""
    from ..api import compile
    from ..data import find_labels, open_samples, synthetic_samples
    from ..nir_readers import heads, read_by_others, rows

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # all are told below
        network = compile(
            arguments.model,
            target=arguments.target,
            **about_ann(arguments),
            require_full=True,
            **conversion_options(arguments),
        )
    source = arguments.calibration
    labels = None
    if source:
        samples = open_samples(source, network.graph)
        labels = find_labels(source, samples)
    else:
        steps = network.timesteps
        samples = synthetic_samples(network.graph, {}, arguments.seed, timesteps=steps)
    readings = read_by_others(network, samples, labels)
    told = [tuple(warning) for warning in found.warnings]
    for message, hint in network.report["warnings"]:
        if (message, hint) not in told:
            console.warning(message, hint)
    console.lines("")
    console.table(heads(readings), rows(readings))
    console.lines(
        "",
        *(f"{each.reader}: {each.correction}" for each in readings if each.correction),
    )
    return [each.to_json() for each in readings]


def compare_targets(arguments: Namespace, console: Console) -> int:
    """Inspect a model for every target; one that cannot take the options says so in its row."""
    from ...backends import get_backend
    from ...backends.registry import known_targets
    from ...ir.errors import DataError, ModelError, SnncError
    from ..api import chosen_options
    from ..from_nir import inspect_nir
    from ..nir_import import NirOptions, is_nir

    nir = is_nir(Path(arguments.model))
    given = conversion_options(arguments)
    options = NirOptions.of(about_ann(arguments) | given) if nir else chosen_options(given)

    def answer(name: str) -> Inspection | SnncError:
        try:
            if isinstance(options, NirOptions):
                return inspect_nir(Path(arguments.model), name, options)
            backend = get_backend(name, options.settings_for(name))
            return inspected(arguments, backend, options)
        except (DataError, ModelError):
            raise  # the files themselves: no target is any better
        except SnncError as refusal:
            return refusal

    found = {name: answer(name) for name in known_targets()}
    heads = ("target", "code", "convertible", ">spiking share", ">host nodes", "in the way")
    shown = (0, 1, 2, 5) if nir else range(len(heads))  # nothing of a NIR file runs on the host
    rows = [_row(name, each) for name, each in found.items()]
    console.table([heads[k] for k in shown], [[row[k] for k in shown] for row in rows])
    console.lines("", f"`snnc inspect {arguments.model} --target TARGET` lists all of it")
    console.result(
        {
            "model": arguments.model,
            "targets": {name: _document(each) for name, each in found.items()},
        }
    )
    return 0


def _row(name: str, found: Inspection | SnncError) -> tuple[object, ...]:
    from ..inspection import Inspection

    if not isinstance(found, Inspection):
        return (name, "", "no", "", "", found.problems[0].message)
    entries = (*found.unsupported, *found.host)
    reasons = [_reason(entry) for entry in entries if not entry.follows]
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    whole = "yes" if not found.host else "yes, in part"
    return (
        name,
        found.code,
        whole if found.convertible else "no",
        f"{share_in_words(found.spiking_share)}",
        len(found.host),
        f"{reasons[0]}{more}" if reasons else "",
    )


def _reason(entry: Unsupported) -> str:
    """Return what is in the way at a node, if it is one node."""
    operator = f" ({entry.operator})" if entry.operator else ""
    return f"{entry.node}{operator}: {entry.reason}" if entry.node else entry.reason


def _document(found: Inspection | SnncError) -> dict[str, Any]:
    from ..inspection import Inspection

    if isinstance(found, Inspection):
        return found.to_json()
    problems = [{"reason": p.message, "hint": p.hint} for p in found.problems]
    return {"convertible": False, "unsupported": problems, "host": [], "spiking_share": 0.0}


def print_inspection(found: Inspection, options: Options, console: Console) -> None:
    """Write an inspection for human eyes.

    Args:
        found: What was found.
        options: The options it was inspected with.
        console: Where to.
    """
    trained = found.is_trained  # a spiking network: nothing is rounded or approximated
    rounded = found.convertible and not trained
    console.lines(
        f"convertible  {_answer(found)}",
        f"for          target {found.target}, code {found.code}",
        f"opset        {found.opset}",
    )
    for title, shapes in (("input", found.inputs), ("output", found.outputs)):
        console.lines(*(f"{title:12} {name} {shape}" for name, shape in shapes.items()))
    if found.unbatched:
        console.lines("batch        the model has none that stays apart: a sample is a whole input")
    console.lines(
        "operators    " + ", ".join(f"{name} x {n}" for name, n in found.operators.items()),
        *(f"cut off      {c.operator} ({c.node}) before output {c.output!r}" for c in found.cut),
        *([f"rounded      {_rounding(found, options)}"] if rounded else []),
        *(f"{'read as' if trained else 'approximate':12} {text}" for text in found.approximations),
    )
    for setting, problems in found.settings.items():
        answer = "converts" if not problems else f"does not: {_reason(problems[0])}"
        console.lines(f"searched     {setting}: {answer}")
    if found.division is not None:
        print_cut(found.division, console)
    if found.unsupported:
        console.lines("")
        console.table(
            ("operator", "node", "reason", "way round"),
            [(entry.operator, entry.node, entry.reason, entry.hint) for entry in found.unsupported],
        )
    if found.unsupported or found.host:
        console.lines("", WAYS)


def _answer(found: Inspection) -> str:
    if not found.convertible:
        return f"no, {counted(len(found.unsupported), 'problem')}"
    if found.host:
        share = share_in_words(found.spiking_share)
        return f"yes, in part: {share} of the multiply-accumulates spike"
    return "yes"


def _rounding(found: Inspection, options: Options) -> str:
    """Return in words how finely numbers are rounded; by how much that is off, data have to say."""
    bits = options.weight_bits
    weights = (
        f"weights to {bits} bits, inputs to {options.used_input_bits}" if bits else "no weight"
    )
    if found.levels is None:
        return "as the code says: see docs/methods"
    return f"values between layers to 1/{found.levels} of their full scale, {weights}"
