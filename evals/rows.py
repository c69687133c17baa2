"""Data sets: JSON lines. A row that cannot be used is an error that names its file and line, never a row left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.errors import ConfigurationError, SupportError

T = TypeVar("T")


class BadRow(ConfigurationError):
    """A row of a data set cannot be read."""


class NoCriterion(SupportError):
    """The row says nothing by which an answer could be judged."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a data set and where it stands: `place` is FILE:LINE."""

    place: str
    fields: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.fields.get("id") or self.place.rsplit("/", 1)[-1])

    def text(self, *names: str) -> str:
        """The first of these fields that is there, as text; BadRow where none is."""
        for name in names:
            if isinstance(value := self.fields.get(name), str) and value.strip():
                return value
        raise BadRow(f"{self.place}: `{'` or `'.join(names)}` must be a text that says something")

    def find(self, name: str, kind: type[T]) -> T | None:
        """A field of this type, None where it is missing or null; BadRow for another type."""
        value = self.fields.get(name)
        if value is None:
            return None
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return kind(value)  # pyright: ignore[reportCallIssue]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BadRow(f"{self.place}: `{name}` must be {_NAMES.get(kind, kind.__name__)}, not {value!r:.60}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty where it is missing; BadRow for anything else."""
        value = self.find(name, list) or []
        if not all(isinstance(one, str) for one in value):
            raise BadRow(f"{self.place}: `{name}` must be a list of texts")
        return tuple(value)


_NAMES = {
    str: "a text",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """A file as it was read: the last parts of its path, its rows and its fingerprint."""

    name: str
    rows: tuple[Row, ...]
    sha256: str


def read_rows(path: Path) -> DataSet:
    """Every line as an object. Raises BadRow with file and line."""
    try:
        raw = path.read_bytes()
        lines = raw.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise BadRow(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadRow(f"{path} is not UTF-8 (byte {error.start})") from error
    rows = tuple(_read_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip())
    if not rows:
        raise BadRow(f"{path} holds no row")
    return DataSet("/".join(path.absolute().parts[1:][-3:]), rows, hashlib.sha256(raw).hexdigest())


def read_all(paths: Iterable[Path]) -> list[DataSet]:
    return [read_rows(path) for path in paths]


def _read_line(line: str, place: str) -> Row:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise BadRow(f"{place}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise BadRow(f"{place}: a row is one JSON object, not {line.strip()!r:.60}")
    return Row(place, fields)
