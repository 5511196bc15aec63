"""Models of energy in TOML: the presets of snnc and a user's own pass the same checks.

A file holds names and constants, and no code. No constant enters without value, unit, source,
technology and status, no term with a unit that does not fit its counts, and no key that is unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from ...backends.chips import CHIPS
from ...ir.errors import OptionError
from .constants import ENERGY, ENERGY_PER_BIT, POWER, STATUSES, TIME, Constant, ConstantError
from .counts import BITS, BUFFERS, COUNTS
from .hardware import (
    NETWORKS,
    Arithmetic,
    Barrier,
    Bracket,
    Hardware,
    Static,
    StepTime,
    Term,
)
from .memory import RULES, Memory
from .section import Section

MOST_BYTES = 1 << 16
"""Of a file: the presets take a few thousand."""

ARITHMETIC = (
    Arithmetic("fp32_mac", "fp32_add"),
    Arithmetic("int8_mac", "int32_add"),
    Arithmetic("int32_mac", "int32_add"),
)
"""What networks compute in: what ``{mac}`` and ``{add}`` can stand for."""

KINDS = (
    *("Add", "Affine", "AveragePool", "Clip", "Conv", "Curve", "DifferentialIF", "Encoder", "IF"),
    *("Integrator", "Linear", "MaxPool", "Product", "RadixIF", "Staircase", "TrackingIF"),
    "TwoPhaseIF",
)
"""Classes of nodes that do something."""


def read_hardware(path: Path) -> Hardware:
    """Return the model of energy that a file holds.

    Raises:
        OptionError: The file cannot be read, is too large, or something in it is wrong.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise OptionError(f"{path}: is not a plain file", hint="give a TOML file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise OptionError(
            f"{path}: {error.strerror or error}", hint="check the path given to --hardware"
        ) from error
    if len(content) > MOST_BYTES:
        raise OptionError(
            f"{path}: is larger than {MOST_BYTES // 1024} KB",
            hint="give a TOML file with one model of energy; see docs/cost.md",
        )
    return parse_hardware(content, str(path))


def parse_hardware(content: bytes, file: str) -> Hardware:
    """Return the model of energy of a TOML document.

    Args:
        content: The document.
        file: Its name, for errors.

    Raises:
        OptionError: Something in it is wrong.
    """
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError: also a number without end
        raise OptionError(
            f"{file}: is no TOML: {error}", hint="see docs/cost.md for an example"
        ) from error
    return _hardware(Section(file, "", document))


def _hardware(top: Section) -> Hardware:
    constants = _constants(top)
    memory = _memory(top, constants)
    found = Hardware(
        name=top.text("name"),
        title=top.text("title"),
        basis=top.text("basis"),
        constants=constants,
        terms=_terms(top, "terms", constants, memory),
        runs=top.names("runs", NETWORKS, NETWORKS),
        memory=memory,
        static=_static(top, constants),
        step=_step(top, constants),
        chip=top.one_of("chip", top.text("chip", default=""), ("", *CHIPS)),
        bracket=_bracket(top),
    )
    top.done()
    if not found.terms and found.bracket is None:
        top.refuse("terms", "is missing", "add at least one term: [[terms]]")
    return found


def _constants(top: Section) -> dict[str, Constant]:
    section = top.section("constants")
    found = {}
    for name, table in section.named_sections() if section else ():
        fields: dict[str, Any] = {
            key: table.raw(key) for key in ("value", "unit", "source", "technology", "status")
        }
        try:
            found[name] = Constant(name=name, **fields)
        except ConstantError as error:
            hint = f"say what it is, who says so, and how it was found: {', '.join(STATUSES)}"
            table.refuse(error.field, error.message, hint)
        table.done()
    return found


def _terms(
    top: Section, key: str, constants: Mapping[str, Constant], memory: Memory | None
) -> tuple[Term, ...]:
    found: list[Term] = []
    for table in top.sections(key):
        term = Term(
            name=table.text("name"),
            counts=table.names("counts", COUNTS),
            constant=table.text("constant", default=""),
            memory=table.one_of("memory", table.text("memory", default=""), _BUFFER_NAMES),
            networks=table.names("networks", NETWORKS, NETWORKS),
            kinds=table.names("kinds", KINDS, ()),
        )
        table.done()
        if any(term.name == other.name for other in found):
            table.refuse("name", f"{term.name!r} is used twice", "give each term its own name")
        if bool(term.constant) == bool(term.memory):
            table.refuse("constant", "or memory is needed, and not both", "give one of them")
        if term.memory:
            _check_memory(table, term, memory)
        else:
            _check_units(table, term, constants, ENERGY, ENERGY_PER_BIT)
        found.append(term)
    return tuple(found)


_BUFFER_NAMES = ("", *dict.fromkeys(BUFFERS.values()))


def _check_memory(table: Section, term: Term, memory: Memory | None) -> None:
    if memory is None:
        table.refuse("memory", "is accessed, and the file has no [memory]", "add [memory]")
    for count in term.counts:
        if BUFFERS.get(count) != term.memory:
            table.refuse("counts", f"{count!r} is no access to {term.memory}", "name its accesses")


def _check_units(
    table: Section,
    term: Term,
    constants: Mapping[str, Constant],
    each: Mapping[str, float],
    each_bit: Mapping[str, float],
) -> None:
    """Check that the constants of a term exist and have the unit that its counts ask for."""
    bits = {count in BITS for count in term.counts}
    if len(bits) > 1:
        table.refuse("counts", "mixes bits with operations", "make it two terms")
    units = each_bit if bits == {True} else each
    names = {term.constant_in(arithmetic) for arithmetic in ARITHMETIC}
    if any("{" in name or "}" in name for name in names):
        table.refuse("constant", f"{term.constant!r} is no name", "write a name, {mac} or {add}")
    present = [constants[name] for name in sorted(names) if name in constants]
    if not present:
        table.one_of("constant", sorted(names)[0], constants)
    for constant in present:
        _expect_unit(table, "constant", constant, units)


def _expect_unit(
    table: Section, key: str, constant: Constant, units: Mapping[str, float]
) -> Constant:
    if constant.unit not in units:
        table.refuse(
            key,
            f"{constant.name!r} is in {constant.unit}, and here one of {', '.join(units)} is meant",
            "give the constant in such a unit",
        )
    return constant


def _named(
    table: Section, key: str, constants: Mapping[str, Constant], units: Mapping[str, float]
) -> Constant:
    name = table.one_of(key, table.text(key), constants)
    return _expect_unit(table, key, constants[name], units)


def _memory(top: Section, constants: Mapping[str, Constant]) -> Memory | None:
    table = top.section("memory")
    if table is None:
        return None
    rule = table.one_of("rule", table.text("rule"), RULES)
    if rule == "regression":
        slope = _named(table, "slope", constants, ENERGY_PER_BIT)
        found = Memory(rule, slope=slope, intercept=_named(table, "intercept", constants, ENERGY))
    else:
        bits = table.whole("access_bits", 1, 4096)
        if bits is None:
            table.refuse("access_bits", "is missing", "say how many bits an access brings")
        if rule == "packed":
            found = Memory(rule, bits, access=_named(table, "access", constants, ENERGY))
        else:
            found = Memory(rule, bits, points=_points(table, constants))
    table.done()
    return found


def _points(
    table: Section, constants: Mapping[str, Constant]
) -> tuple[tuple[Constant, Constant], ...]:
    points = []
    for size, price in table.pairs("points"):
        table.one_of("points", size, constants)
        table.one_of("points", price, constants)
        at = _expect_unit(table, "points", constants[size], {"bits": 1.0})
        points.append((at, _expect_unit(table, "points", constants[price], ENERGY)))
    sizes = [at.value for at, _ in points]
    if not sizes or sizes[0] <= 0 or any(b <= a for a, b in pairwise(sizes)):
        table.refuse("points", "are not sizes above 0 in ascending order", "sort them by size")
    return tuple(points)


def _static(top: Section, constants: Mapping[str, Constant]) -> Static | None:
    table = top.section("static")
    if table is None:
        return None
    power = _named(table, "power", constants, POWER).name
    neurons = ""
    if table.raw("neurons") is not None:
        neurons = _named(table, "neurons", constants, {"neurons": 1.0}).name
    table.done()
    return Static(power, neurons)


def _step(top: Section, constants: Mapping[str, Constant]) -> StepTime | None:
    table = top.section("step")
    if table is None:
        return None
    tick = ""
    if table.raw("tick") is not None:
        tick = _named(table, "tick", constants, TIME).name
    times = []
    for each in table.sections("times"):
        name, counts = each.text("name"), each.names("counts", COUNTS)
        constant = _named(each, "constant", constants, TIME).name
        times.append(Term(name, counts, constant, kinds=each.names("kinds", KINDS, ())))
        each.done()
    barriers = []
    for each in table.sections("barriers"):
        tiles = each.whole("tiles", 1, 1 << 20)
        barriers.append(Barrier(tiles or 1, _named(each, "constant", constants, TIME).name))
        each.done()
    table.done()
    if bool(tick) == bool(times):
        table.refuse("tick", "or times are needed, and not both", "give one of them")
    return StepTime(tick, tuple(times), tuple(sorted(barriers, key=lambda barrier: barrier.tiles)))


def _bracket(top: Section) -> Bracket | None:
    """Return the bracket; its constants are checked where they are looked up, in other files."""
    table = top.section("bracket")
    if table is None:
        return None
    ends = []
    for key in ("low", "high"):
        terms = []
        for each in table.sections(key):
            name, counts = each.text("name"), each.names("counts", COUNTS)
            kinds = each.names("kinds", KINDS, ())
            terms.append(Term(name, counts, each.text("constant"), networks=("snn",), kinds=kinds))
            each.done()
        ends.append(tuple(terms))
    found = Bracket(low=ends[0], high=ends[1], basis=table.text("basis"))
    table.done()
    return found
