"""The parser of one command: its errors are snnc's, and it knows which option was meant."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn


class Parser(ArgumentParser):
    """A parser that raises ``OptionError`` and knows which option was meant.

    Args:
        prog: The words before the arguments, for the usage line.
        description: What the command does.
        epilog: Shown behind the options.
    """

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, words: Sequence[str]) -> Namespace:
        """Return the arguments; raise ``OptionError`` with every unknown option at once."""
        from ...ir.errors import OptionError, Problem

        known = list(self._option_string_actions)
        before = words[: words.index("--")] if "--" in words else words
        names = dict.fromkeys(word.split("=")[0] for word in before if word.startswith("--"))
        problems = [
            Problem(f"{self.prog}: unknown option {name!r}", self._hint(self._meant(name)))
            for name in names
            if name not in known
        ]
        if problems:
            message = "\n".join(problem.message for problem in problems)
            raise OptionError(message, problems=problems)
        return self.parse_args(words)

    def error(self, message: str) -> NoReturn:
        """Raise ``OptionError`` with what argparse found."""
        from ...ir.errors import OptionError

        raise OptionError(f"{self.prog}: {message.removeprefix('argument ')}", hint=self._hint(""))

    def _meant(self, unknown: str) -> str:
        """Return which option was meant, or which argument, that has no option's name."""
        named = unknown.removeprefix("--")
        for action in self._actions:
            if not action.option_strings and action.dest == named:
                return f"give {action.metavar} without {unknown}; "
        # Compared without the dashes, which are alike in all.
        known = [o.removeprefix("--") for o in self._option_string_actions if o.startswith("--")]
        close = get_close_matches(named, known, n=1)
        return f"did you mean '--{close[0]}'? " if close else ""

    def _hint(self, text: str) -> str:
        return f"{text}see: {self.prog} --help"
