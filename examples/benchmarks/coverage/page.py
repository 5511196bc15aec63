"""The page of coverage, made from the records without running anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from examples.benchmarks.throughput.report import table

Records = Sequence[Mapping[str, Any]]

STATUSES = ("match", "host", "refused", "mismatch", "crash", "hang")
_CODES = {"auto": "default", "exact": "`exact`"}
MOST = 15
"""Reasons that are listed, the most frequent first."""


def as_markdown(tests: Records, light: Records, packages: Records) -> str:
    """Return the page."""
    lines = [
        "# Coverage",
        "",
        "What snnc says to ONNX files that others made. Made by "
        "`python -m examples.benchmarks.coverage`; every record is in "
        "`docs/results/coverage_*.jsonl`.",
        "",
        *_tests(tests),
        *_light(light),
        *_packages(packages),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _tests(records: Records) -> list[str]:
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        by_kind[record["kind"]].append(record)
    rows = []
    for kind, found in by_kind.items():
        counts = Counter(record["status"] for record in found)
        imported = counts["match"] / len(found)
        answered = imported + counts["host"] / len(found)
        shares = (f"{imported:.1%}", f"{answered:.1%}")
        rows.append([kind, str(len(found)), *(str(counts[s]) for s in STATUSES), *shares])
    return [
        "## Tests of the onnx package",
        "",
        "`node` are the node tests of the operators in `cases.py`, `function` the bodies that "
        "define some of these, `pytorch-*` layers that torch exported once. Each is tried as it "
        "is, with every operand but one made constant, and with a batch axis of 1 in front where "
        "the package's own reference then gives the expected output with that axis. Files older "
        "than opset 7 are converted by `onnx.version_converter` first, as the error for them "
        "says. It matches when a form is imported and every form that is gives the expected "
        "output, within 1e-5 of its largest value (the imported graph in `ir/reference.py`). "
        "`host`: no form is imported, because no neuron computes the operator or its numbers are "
        "integers, but the part that a cut model (partition.md) leaves on the host gives the "
        "expected output. That part is ONNX Runtime: the column says that the cut hands the node "
        "over as it is, not that anything of it spikes; a model of that node alone is refused.",
        "",
        *table(["tests", "number", *STATUSES, "imported", "with host"], rows),
        *_by_operator(records),
        *_reasons(records),
        *_bad(records),
    ]


def _by_operator(records: Records) -> list[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if record["kind"] in ("node", "function"):
            counts[record["operator"]][record["status"]] += 1
    rows = [
        [operator, str(found.total()), *(str(found[status]) for status in STATUSES)]
        for operator, found in sorted(counts.items())
    ]
    return ["### By operator", "", *table(["operator", "tests", *STATUSES], rows)]


def _reasons(records: Records) -> list[str]:
    refused = [record for record in records if record["status"] in ("host", "refused")]
    counts = Counter(reason for record in refused for reason in dict.fromkeys(record["reasons"]))
    rows = [[str(count), _cell(reason)] for reason, count in counts.most_common(MOST)]
    return [
        "### Why tests are not imported",
        "",
        "The most frequent reasons; a test has as many as its forms have. Numbers are left out.",
        "",
        *table(["tests", "reason"], rows),
        "### Neither imported nor on the host",
        "",
        *table(
            ["test", "reason"],
            [
                [r["name"], _cell("; ".join(r["reasons"]))]
                for r in records
                if r["status"] == "refused"
            ],
        ),
    ]


def _bad(records: Records) -> list[str]:
    bad = [r for r in records if r["status"] in ("mismatch", "crash", "hang")]
    rows = [[r["name"], r["status"], _cell("; ".join(r["reasons"]))] for r in bad]
    return ["### What went wrong", "", *table(["test", "what", "how"], rows)] if bad else []


def _light(records: Records) -> list[str]:
    rows = [
        [
            record["name"].removeprefix("light_"),
            record["status"],
            _seconds(record.get("seconds")),
            _megabytes(record.get("peak_bytes")),
            _number(record.get("populations"), "d"),
            _number(record.get("host_nodes"), "d"),
            _number(record.get("spiking_share"), ".0%"),
            _cell("; ".join(record["reasons"])),
        ]
        for record in records
    ]
    columns = [
        *("network", "answer", "s", "peak, MB", "populations", "host nodes"),
        *("share that spikes", "reasons"),
    ]
    return [
        "## Well-known networks",
        "",
        "The graphs that the onnx package brings without weights, with random ones, compiled at "
        "T = 8 one at a time. Seconds and peak memory are of import and compile; seconds are those "
        "of a busy machine.",
        "",
        *table(columns, rows),
    ]


def _packages(records: Records) -> list[str]:
    compiled = [record for record in records if record["status"] == "compiled"]
    families = {record.get("family") for record in records}
    exact = [record for record in compiled if record["equals_reference"]]
    rows = [_package(record) for record in records]
    columns = [
        *("model", "family", "as it is", "sizes", "answer", "s", "peak, MB", "spikes", "code"),
        *("= reference", "error", "same answer"),
    ]
    return [
        "## Other people's models",
        "",
        f"{len(records)} files of {len(families)} families, out of packages of the registry "
        f"(`packages.py`). {len(compiled)} compile and run; of {len(exact)} every payload and "
        "output equals the reference (a dash: not asked, too large for it). *As it is* is what "
        "the importer says to the file itself; where sizes are given, these were put in, and "
        "everything else is of that. *Spikes* is the share of operations that does. *Code* is "
        "the default, but `exact`, with T as it needs, for what was trained with quantisers. "
        "Errors are the Euclidean distance to ONNX Runtime on the file, before a Softmax at the "
        "end, over the norm of what it gives, on 8 uniform random samples, thresholds from 32 "
        "others, 8-bit weights. *Same answer* is the share of these samples with the same largest "
        "output, where the file ends in a Softmax or ArgMax. Open sizes are fixed by "
        "`--input-shape`. Where less than all spikes, the rest runs on the host. Random "
        "samples are not what these networks were trained on: the "
        "errors say how a conversion behaves, not what accuracy it keeps. With an asterisk the "
        "imported graph stands for ONNX Runtime, which does not know the file's operators.",
        "",
        *table(columns, rows),
        "Host nodes, by operator and reason:",
        "",
        *(_host(r) for r in records if r["status"] == "compiled" and r.get("host_nodes")),
        "",
        "Why the others are refused:",
        "",
        *(_list(r) for r in records if r["status"] != "compiled"),
        "",
    ]


def _package(record: Mapping[str, Any]) -> list[str]:
    other = record.get("compared_with", "ONNX Runtime") != "ONNX Runtime"
    errors = record.get("errors", {})
    same = {True: "yes", False: "NO", None: "-"}[record.get("equals_reference")]
    sizes = ", ".join("x".join(map(str, s)) or "scalar" for s in record.get("sizes", {}).values())
    return [
        _cell(record["name"]),
        str(record.get("family", "")),
        "refused" if record.get("as_it_is") else "taken",
        sizes or "its own",
        record["status"],
        _seconds(record.get("seconds")),
        _megabytes(record.get("peak_bytes")),
        _number(record.get("spiking_share"), ".1%"),
        _CODES.get(record.get("code", ""), ""),
        same,
        ", ".join(f"{error:.3f} (T = {t})" for t, error in errors.items()) + "*" * other,
        ", ".join(f"{share:.0%} (T = {t})" for t, share in record.get("agreement", {}).items()),
    ]


def _host(record: Mapping[str, Any]) -> str:
    counts = Counter(record["reasons"])
    listed = [f"{reason} ({n} times)" if n > 1 else reason for reason, n in counts.most_common(5)]
    more = f"; and {len(counts) - 5} more reasons" if len(counts) > 5 else ""
    return f"- {record['name']}, {record['host_nodes']} nodes: {'; '.join(listed)}{more}"


def _list(record: Mapping[str, Any]) -> str:
    reasons: Iterable[str] = record["reasons"]
    return f"- {record['name']}: {'; '.join(reasons)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _seconds(value: float | None) -> str:
    return _number(value, ".1f")


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.0f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
