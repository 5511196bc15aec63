"""The page: sections in one file that loads nothing.

A Content-Security-Policy allows the page's own style and script, by their hashes, and nothing
else: whatever a name might smuggle in would neither run nor load.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from .charts.figure import textures
from .findings import Findings
from .markup import Html, element
from .sections import SECTIONS, overview
from .sections.section import Section

DOCTYPE = "<!doctype html>"


def render(findings: Findings) -> str:
    """Return the report as the text of an HTML file."""
    sections = [made for section in SECTIONS if (made := section(findings)) is not None]
    style, script = (_own_file(name) for name in ("style.css", "script.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    model = findings.network.artifact.manifest["model"].get("file") or "a network"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="snnc"),
        element("title", f"{model}: snnc report"),
        element("style", style),
    )
    body = element(
        "body",
        textures(),
        element("a", "Skip to the content", href="#top", class_="skip"),
        _contents(sections),
        element("main", overview(findings), [section.html() for section in sections]),
        element("script", script),
    )
    return f"{DOCTYPE}\n{element('html', head, body, lang='en')}\n"


def _contents(sections: Sequence[Section]) -> Html:
    links = (
        element("li", element("a", section.title, href=f"#{section.id}")) for section in sections
    )
    return element("nav", element("ol", *links), aria_label="Contents")


def _own_file(name: str) -> Html:
    """Return a file that lies beside this one; it is part of the page as it is."""
    return Html((files(__package__) / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
