"""The report in a real browser: nothing complains, everybody can read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snnc.compiler import html_report
from snnc.compiler.html_report.charts.bars import Bar, stacked_bars
from tests.compiler.html_report.browser import Page

EVERYTHING = "for (const d of document.querySelectorAll('details')) d.open = true"


def test_the_console_is_silent_and_nothing_is_loaded(browser: Page, report_file: Path) -> None:
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(report_file)
    browser.evaluate(EVERYTHING)
    assert browser.complaints == []
    assert browser.requests == [report_file.absolute().as_uri()]


def test_the_policy_is_in_force(browser: Page, report_file: Path) -> None:
    """A script that is not the page's own would not run, and this test would see it refused."""
    browser.open(report_file)
    browser.complaints.clear()
    browser.evaluate(
        "{const s = document.createElement('script'); s.text = 'window.ran = 1';"
        "document.body.append(s)}"
    )
    assert browser.evaluate("window.ran") is None
    assert "Content Security Policy" in " ".join(browser.complaints)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_never_scrolls_sideways(browser: Page, report_file: Path, width: int) -> None:
    browser.open(report_file)
    browser.resize(width, 800)
    browser.evaluate(EVERYTHING)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_differ(browser: Page, report_file: Path) -> None:
    browser.open(report_file)
    colours = []
    for scheme in ("light", "dark"):
        browser.resize(800, 800, prefers_color_scheme=scheme)
        colours.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] == "rgb(255, 255, 255)"
    assert colours[1] != colours[0]


def test_a_press_on_a_head_sorts(browser: Page, report_file: Path) -> None:
    browser.open(report_file)
    column = (
        "[...document.querySelectorAll('#cost figure table')[0].tBodies[0].rows]"
        ".map(row => Number(row.cells[4].querySelector('data')?.value ?? 0))"
    )
    press = "document.querySelectorAll('#cost figure table thead button')[4].click()"
    before = browser.evaluate(column)
    browser.evaluate(press)
    assert browser.evaluate(column) == sorted(before)
    browser.evaluate(press)
    assert browser.evaluate(column) == sorted(before, reverse=True)
    assert before not in (sorted(before), sorted(before, reverse=True))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_barrier_for_anybody(
    browser: Page, report_file: Path, axe: str, width: int, scheme: str
) -> None:
    browser.open(report_file)
    browser.resize(width, 800, prefers_color_scheme=scheme)
    browser.evaluate(EVERYTHING)
    browser.evaluate(axe)
    found = browser.evaluate(
        "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes[0].html]))"
    )
    grave = [violation for violation in found if violation[0] in ("serious", "critical")]
    assert not grave, json.dumps(grave, indent=1)


def test_the_numbers_of_layers_are_not_cut_off(browser: Page, tmp_path: Path) -> None:
    """What stands beside a bar begins with the layer's number, however long its name is."""
    bars = [Bar(f"{n}", f"{n} /Mul_{n}/MMMM.m_output_{n}", {"a": 1.0}) for n in (7, 12, 108)]
    drawing, _ = stacked_bars("", bars, {"a": 0}, x="", write=str)
    style = (Path(html_report.__file__).parent / "style.css").read_text(encoding="utf-8")
    page = tmp_path / "bars.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><style>{style}</style>{drawing}", encoding="utf-8"
    )
    browser.open(page)
    starts = browser.evaluate("[...document.querySelectorAll('svg .end')].map(t => t.getBBox().x)")
    assert len(starts) == len(bars)
    assert min(starts) >= 0
