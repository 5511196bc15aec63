"""The page: well-formed, self-contained, safe whatever the names are."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest

import snnc
from snnc.compiler.html_report.markup import Html, element
from tests.command_line import Command, write_model
from tests.compiler.html_report.browser import Page
from tests.compiler.html_report.markup_tree import Element, read_page

HOSTILE = (
    "<script>window.hacked = 1</script>",
    '" onmouseover="window.hacked = 1',
    "</title><img src=x onerror='window.hacked = 1'>",
    "a\u202eb\nc\x00\ud800&amp;]]>--><!--",
)


@pytest.fixture(scope="module")
def root(report_file: Path) -> Element:
    """The whole report as a tree."""
    return read_page(report_file.read_text(encoding="utf-8"))


def test_headings_are_in_order_and_links_lead_to_them(root: Element) -> None:
    levels = [int(e.tag[1]) for e in root if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [e.attributes["id"] for e in root if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for link in root.all("a"):
        assert (link.attributes["href"] or "")[1:] in ids


def test_every_figure_has_a_name_a_drawing_and_its_data(root: Element) -> None:
    figures = root.all("figure")
    assert len(figures) >= 10
    for figure in figures:
        assert figure.all("figcaption")[0].all("strong")[0].text
        drawings = [e for e in figure.all("svg") if e.attributes.get("role") == "img"]
        assert len(drawings) == 1
        assert drawings[0].attributes["aria-label"]
        tables = figure.all("details")[-1].all("table")
        assert tables
        assert all(table.all("tbody")[0].all("tr") for table in tables)


def test_every_section_is_there(root: Element) -> None:
    assert [e.attributes["id"] for e in root.all("section")] == [
        *("network", "accuracy", "errors", "spikes", "cost", "chip"),
        *("contract", "approximations", "provenance"),
    ]
    for words in ("lemaire-2022", "SHA-256 of the model", "comparison", ">=", "T = 4"):
        assert words in root.text


def test_all_that_is_needed_is_inside(root: Element) -> None:
    for e in root:
        for name, value in e.attributes.items():
            assert name not in ("src", "srcset", "style", "data", "action")
            assert not name.startswith("on")
            if name in ("href", "xlink:href"):
                assert (value or "").startswith("#")
            assert "url(" not in (value or "") or (value or "").startswith("url(#fill")
    assert not root.all("link")
    assert "@import" not in root.one("style").text
    assert "url(" not in root.one("style").text


def test_the_policy_names_the_style_and_the_script_by_their_hashes(root: Element) -> None:
    policy = root.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        digest = b64encode(sha256(root.one(tag).text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>", Html("<br>"), title='"&"') == (
        '<p title="&quot;&amp;&quot;">&lt;b&gt;<br></p>'
    )
    assert element("td", ["a\nb", None, 3]) == r"<td>a\nb3</td>"


@pytest.fixture
def hostile_report(command: Command, tmp_path: Path) -> Path:
    """A report of a network whose names are attacks."""
    path = write_model(
        tmp_path / "m.onnx",
        "h = Gemm (x, w) r = Relu (h) g = Gemm (r, w) s = Relu (g) y = Gemm (s, w)",
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4)},
    )
    model = onnx.load(path)
    names = dict(zip(("x", "h", "r", "y"), (*HOSTILE[:3], "y<b>"), strict=True))
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    file = tmp_path / "<img src=x onerror=alert(1)>.onnx"
    onnx.save(model, file)
    snnc.compile(file, timesteps=4).save("out")
    assert command("report", "out").status == 0
    return tmp_path / "out" / "report.html"


def test_hostile_names_are_shown_and_do_nothing(hostile_report: Path) -> None:
    root = read_page(hostile_report.read_text(encoding="utf-8"))
    assert len(root.all("script")) == 1
    assert not root.all("img")
    assert not root.all("b")
    assert not [e for e in root if any(name.startswith("on") for name in e.attributes)]
    for name in HOSTILE[:3]:
        assert name in root.text
    assert root.one("h1").text == "<img src=x onerror=alert(1)>.onnx"


def test_hostile_names_do_nothing_in_a_browser(hostile_report: Path, browser: Page) -> None:
    browser.complaints.clear()
    browser.open(hostile_report)
    assert browser.complaints == []
    assert browser.evaluate("window.hacked") is None


def test_control_characters_are_shown_as_escapes() -> None:
    shown = element("p", HOSTILE[3])
    assert r"a\u202eb\nc\x00\ud800" in shown
    assert read_page(shown).text.endswith("&amp;]]>--><!--")
    shown.encode("utf-8")
