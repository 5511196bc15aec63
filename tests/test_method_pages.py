"""The pages on methods: every command shown is one that snnc takes, and none is left out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from snnc.compiler.codes import CODES
from snnc.compiler.commands import compile as command
from snnc.compiler.commands.conversion_arguments import conversion_options
from snnc.compiler.commands.parser import Parser
from snnc.compiler.options import CORRECTIONS, TWO_PHASE, Options
from snnc.compiler.thresholds import RULES

FOLDER = Path(__file__).parent.parent / "docs" / "methods"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="runs in a checkout only")


def commands(path: Path) -> list[str]:
    return re.findall(r"^\$ snnc (.*)$", path.read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_page_are_taken(path: Path) -> None:
    found = commands(path)
    assert found
    for words in found:
        parser = Parser("snnc compile", "", "")
        command.add_arguments(parser)
        options = Options(**conversion_options(parser.parse(shlex.split(words))))
        code = options.make_code(signed=True, graded=True)
        rule = options.threshold_rule(synthetic=False)
        assert (code.name in CODES, rule.name in RULES) == (True, True)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_answers_every_question(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert {"When to use it", "Use", "Measured", "Exactness", "Source"} <= {
        re.sub(r"When to use which", "When to use it", title) for title in titles
    }
    assert any("Cost" in title for title in titles)
    assert any("atency" in title for title in titles)
    assert f"({path.name})" in (FOLDER / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("choices", [CODES[1:], CORRECTIONS[1:], TWO_PHASE, RULES])
def test_every_choice_is_explained(choices: tuple[str, ...]) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    for choice in choices:
        assert re.search(rf"`(?:--[a-z-]+ )?{choice}`", text), choice
