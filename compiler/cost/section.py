"""Tables of a TOML file, read key by key; whatever is wrong is said with file and key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ...ir.errors import OptionError, suggestion


@dataclass
class Section:
    """A table, and which of its keys were asked for.

    Attributes:
        file: Name of the file.
        key: Of the table within it, empty for the whole document.
        table: What it holds.
    """

    file: str
    key: str
    table: Mapping[str, Any]
    _asked: set[str] = field(default_factory=set)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._value(key, default)
        if not isinstance(value, str) or (not value.strip() and value != default):
            self.refuse(key, f"is {value!r} and no text", f"give {key} as a text in quotes")
        return value

    def whole(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number within bounds, or None where there is none."""
        value = self._value(key, None, optional=True)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.refuse(
                key,
                f"is {value!r} and no whole number from {least} to {most}",
                f"give a number from {least} to {most}",
            )
        return value

    def names(
        self, key: str, known: Collection[str] | None, default: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Return a list of names, each of them one that is known, if they must be."""
        value = self._value(key, default)
        if value == default and default is not None:
            return default
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(key, f"is {value!r} and no list of names", 'give a list, e.g. ["macs"]')
        for name in value:
            self.one_of(key, name, known)
        if len(set(value)) < len(value) or not value:
            self.refuse(key, "names nothing or something twice", "name each once")
        return tuple(value)

    def one_of(self, key: str, name: str, known: Collection[str] | None) -> str:
        """Return a name, if it is one that is known."""
        if known is not None and name not in known:
            hint = f"{suggestion(name, known)}choose of: {', '.join(known)}"
            self.refuse(key, f"{name!r} is unknown", hint)
        return name

    def section(self, key: str) -> Section | None:
        """Return a table within this one, or None where there is none."""
        value = self._value(key, None, optional=True)
        return None if value is None else self._within(key, value)

    def sections(self, key: str) -> tuple[Section, ...]:
        """Return a list of tables."""
        value = self._value(key, [], optional=True)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse(key, "is no list of tables", f"write [[{self._path(key)}]]")
        return tuple(self._within(f"{key}[{i}]", table) for i, table in enumerate(value))

    def named_sections(self) -> Iterator[tuple[str, Section]]:
        """Yield every table within this one, by name."""
        for key, value in self.table.items():
            self._asked.add(key)
            yield key, self._within(key, value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return a list of pairs of names."""
        value = self._value(key, [], optional=True) or []
        good = isinstance(value, list) and all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
            for pair in value
        )
        if not good:
            self.refuse(key, "is no list of pairs of names", 'write [["size", "price"]]')
        return tuple((pair[0], pair[1]) for pair in value)

    def raw(self, key: str) -> Any:
        """Return whatever stands under a key, None where nothing does."""
        return self._value(key, None, optional=True)

    def done(self) -> None:
        """Raise ``OptionError`` if the table has a key that nobody asked for."""
        unknown = [key for key in self.table if key not in self._asked]
        if unknown:
            hint = f"{suggestion(unknown[0], self._asked)}remove it"
            self.refuse(unknown[0], "is unknown", hint)

    def refuse(self, key: str, what: str, hint: str) -> NoReturn:
        """Raise ``OptionError`` about a key."""
        raise OptionError(f"{self.file}: {self._path(key)} {what}", hint=hint)

    def _within(self, key: str, value: Any) -> Section:
        if not isinstance(value, dict):
            self.refuse(key, f"is {value!r} and no table", f"write [{self._path(key)}]")
        return Section(self.file, self._path(key), value)

    def _value(self, key: str, default: Any, *, optional: bool = False) -> Any:
        self._asked.add(key)
        if key not in self.table and default is None and not optional:
            self.refuse(key, "is missing", f"add {key} to the table [{self.key or 'top'}]")
        return self.table.get(key, default)

    def _path(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key
