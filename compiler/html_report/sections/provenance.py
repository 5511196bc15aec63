"""Where all of this comes from: hashes, options, versions, and how to get it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...verify import Verification
from ..findings import Findings
from ..markup import Content, element
from ..quantities import NONE
from ..tables import definitions, table
from .section import Section, paragraph


def provenance(findings: Findings) -> Section:
    """Return what tells this network from every other."""
    manifest = findings.network.artifact.manifest
    report = findings.network.report
    model, checked = manifest["model"], findings.verification
    facts = [
        ("model", model.get("file", NONE)),
        ("SHA-256 of the model", element("code", model.get("sha256", NONE))),
        ("target", findings.network.target),
        (
            "calibration",
            f"{report.get('calibration')}, {report.get('calibration_samples')} samples",
        ),
        ("thresholds", report.get("thresholds") or NONE),
        ("correction", report.get("correction") or NONE),
        ("replay", _replay(checked)),
    ]
    body: list[Content] = [
        definitions(facts),
        element(
            "div",
            _options(manifest["options"]),
            _pairs("Versions, when it was compiled", manifest.get("versions", {})),
            class_="grid",
        ),
        table(
            "Files of the artifact",
            ("file", "SHA-256"),
            [(name, element("code", digest)) for name, digest in manifest["files"].items()],
        ),
        paragraph("The same artifact and the same data give this page again, byte for byte."),
    ]
    return Section("provenance", "Provenance", body)


def _options(options: Mapping[str, Any]) -> Content:
    """Return the options that were given or chosen, and the names of the others."""
    chosen = {name: value for name, value in options.items() if value not in (None, False)}
    others = ", ".join(name.replace("_", " ") for name in options if name not in chosen)
    left = paragraph(f"Not given, or off: {others}.") if others else None
    return element("div", _pairs("Options", chosen), left)


def _pairs(caption: str, held: Mapping[str, Any]) -> Content:
    rows = [(name.replace("_", " "), str(value)) for name, value in held.items()]
    return table(caption, ("name", "value"), rows)


def _replay(checked: Verification) -> str:
    answer = "equal to" if checked.equal else "NOT equal to"
    return (
        f"the simulator is {answer} the golden answers ({checked.samples} samples, "
        f"{checked.outputs_compared:,} outputs, {checked.spike_counts_compared:,} payloads)"
    )
