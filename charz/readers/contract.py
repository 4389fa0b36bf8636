"""The contract of a reader: one file in, a `Table` of named columns out. One format a file.

A reader recognises its format by content (`sniff`), and lends columns by SOURCE: the name of a header cell,
or ``@4`` for the fourth column. It converts text to numbers and nothing else: units, names and kinds
are given by the user and applied by the caller, alike for every format.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError

_BY_NUMBER = re.compile(r"@(\d{1,6})")
_UNIT_IN_HEADER = re.compile(r"^(?P<name>.*?\S)\s*[(\[](?P<unit>[^()\[\]]+)[)\]]$")


class Column(NamedTuple):
    """Name and unit of one column, as far as the file states them."""

    name: str | None
    unit: str | None


@dataclass(frozen=True)
class Table:
    """What a reader found in one file, before any number is parsed.

    Parameters
    ----------
    path : Path
    columns : sequence of Column
        In the order of the file.
    rows : array of int, shape (num_rows,)
        Place of each row in the file (1-based line number), for messages.
    numbers : callable
        From 0-based column indices to an array of shape (len(indices), num_rows); an empty cell is NaN,
        text is a `ReadError` naming the cell.
    texts : callable
        From a 0-based column index to the column's cells as a list of stripped strings.
    attrs : mapping
        Metadata lines of the file.
    dialect : mapping
        What was recognised, for `charz inspect`.
    """

    path: Path
    columns: Sequence[Column]
    rows: NDArray[np.int64]
    numbers: Callable[[Sequence[int]], NDArray[np.float64]]
    texts: Callable[[int], list[str]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)

    def has(self, source: str) -> bool:
        """Whether a header cell (without its unit) is spelled exactly like `source`."""
        return any(column.name == source for column in self.columns)

    def label(self, index: int) -> str:
        """How messages call a column: its name, or ``@number`` where it has none."""
        return self.columns[index].name or f"@{index + 1}"

    def index(self, source: str) -> int:
        """Find the column that SOURCE means.

        Raises
        ------
        ReadError
            When no column or more than one is meant.
        """
        if match := _BY_NUMBER.fullmatch(source.strip()):
            number = int(match.group(1))
            if not 1 <= number <= len(self.columns):
                raise ReadError(
                    f"{self.path}: column {source} does not exist; the table has {len(self.columns)} "
                    "columns, "
                    f"@1 to @{len(self.columns)} ({self._described()})"
                )
            return number - 1
        names = [column.name for column in self.columns]
        if not any(names):
            raise ReadError(
                f"{self.path}: column {source!r} cannot be found because the file has no header row; "
                f"name the column by its number, @1 to @{len(names)} ({self._described()})"
            )
        wanted = source.strip()
        full = [_full(column) for column in self.columns]
        for candidates in (full, names, [name and name.lower() for name in names]):
            key = wanted.lower() if candidates is not full and candidates is not names else wanted
            found = [position for position, name in enumerate(candidates) if name == key]
            if len(found) > 1:
                numbers = ", ".join(f"@{position + 1}" for position in found)
                raise ReadError(
                    f"{self.path}: column {source!r} is ambiguous, {len(found)} columns are called so; "
                    f"choose one by its number: {numbers}"
                )
            if found:
                return found[0]
        known = [name for name in names if name]
        close = difflib.get_close_matches(wanted, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ReadError(
            f"{self.path}: there is no column {source!r}{hint} The header has: {', '.join(known)} "
            f"({self._described()})"
        )

    def _described(self) -> str:
        delimiter = self.dialect.get("delimiter")
        return f"delimiter recognised: {delimiter}" if delimiter else "as recognised"


class Reader(NamedTuple):
    """One format.

    Parameters
    ----------
    name : str
        For ``--reader NAME``.
    summary : str
    sniff : callable
        From the path and the first bytes of the file to whether the file is of this format.
    open : callable
        From the path to a `Table`; raises `ReadError`.
    """

    name: str
    summary: str
    sniff: Callable[[Path, bytes], bool]
    open: Callable[[Path], Table]


def split_unit(header: str) -> Column:
    """Split ``amplitude (mV)`` or ``V [mV]`` into name and unit; what is in brackets is not checked here."""
    match = _UNIT_IN_HEADER.match(header)
    # "Smu1.V[1]" is an index, not a unit.
    if match and not match.group("unit").strip().isdigit():
        return Column(match.group("name"), match.group("unit").strip())
    return Column(header or None, None)


def _full(column: Column) -> str | None:
    return column.name if column.unit is None else f"{column.name} ({column.unit})"
