"""The contract of a reader: one file in, `Table`s of named columns out. One format a file.

A reader recognises its format by content (`sniff`), and lends columns by SOURCE: the name of a header cell,
or ``@4`` for the fourth column. A file of several tables (sheets, runs, groups) gives one `Table` each. A
reader converts text to numbers and nothing else: units, names and kinds are given by the user and applied by
the caller, alike for every format.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError

_BY_NUMBER = re.compile(r"@(\d{1,6})(?:\.\.@(\d{1,6}))?")
MAX_NAMES = 40
_UNIT_IN_HEADER = re.compile(r"^(?P<name>.*?\S)\s*[(\[](?P<unit>[^()\[\]]+)[)\]]$")


class Column(NamedTuple):
    """Name and unit of one column, as far as the file states them.

    `group` is the header cell above the name where a file has two header rows
    (``SET_negative#1`` above ``VSET``).
    """

    name: str | None
    unit: str | None
    group: str | None = None

    @property
    def joined(self) -> str | None:
        """Name with its group in front: ``SET_negative#1.VSET``."""
        if self.name is None or self.group is None:
            return self.name or self.group
        return f"{self.group}.{self.name}"


@dataclass(frozen=True)
class Table:
    """What a reader found: one table of one file, before any number is parsed.

    Parameters
    ----------
    path : Path
    columns : sequence of Column
        In the order of the file.
    rows : array or sequence of int, shape (num_rows,)
        Place of each row in the file (1-based line or row number), for messages.
    numbers : callable
        From 0-based column indices to an array of shape (len(indices), num_rows); an empty cell is NaN,
        text is a `ReadError` naming the cell.
    texts : callable
        From a 0-based column index, and how many rows are wanted (None: all), to the column's first cells as a
        list of stripped strings.
    attrs : mapping
        ``metadata``: list of the file's lines outside the table (or ``name: value`` of its attributes), kept
        with the dataset. Other entries are strings or numbers (a nested one is one JSON string).
    dialect : mapping
        What was recognised, for `charz inspect`.
    name : str
        Of this table in its file (sheet, run, group); empty where the file is one table.
    remarks : sequence of str
        What a reader did that the user must know: numbers stored as text, cells ``#REF`` that became NaN.
    batches : callable, optional
        From column indices to blocks of rows, one after the other, each a sequence of columns; for files that are
        larger than memory. Only large tables have it, and asking them for `rows` may read the whole file.
    count : callable, optional
        Number of rows that `batches` gives in all, found without parsing them; None where ``len(rows)`` costs nothing.
    noun : str
        What messages call a row: ``line`` of a text, ``row`` of a sheet or an array.
    """

    path: Path
    columns: Sequence[Column]
    rows: NDArray[np.int64] | Sequence[int]
    numbers: Callable[[Sequence[int]], NDArray[np.float64]]
    texts: Callable[[int, int | None], list[str]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    remarks: Sequence[str] = ()
    batches: Callable[[Sequence[int]], Iterator[Sequence[NDArray[np.float64]]]] | None = None
    count: Callable[[], int] | None = None
    noun: str = "line"

    @property
    def place(self) -> str:
        """File, and table where it has several."""
        return f"{self.path}, {self.name}" if self.name else str(self.path)

    def has(self, source: str) -> bool:
        """Whether a header cell (without its unit) is spelled exactly like `source`."""
        return any(source in (column.name, column.joined) for column in self.columns)

    def label(self, index: int) -> str:
        """How messages call a column: its name, or ``@number`` where it has none."""
        return self.columns[index].joined or f"@{index + 1}"

    def index(self, source: str) -> int:
        """Find the column that SOURCE means.

        Raises
        ------
        ReadError
            When no column or more than one is meant.
        """
        found = self.indices(source)
        if len(found) > 1:
            numbers = ", ".join(f"@{position + 1}" for position in found)
            names = dict.fromkeys(self.label(position) for position in found)
            shown = f" ({', '.join(names)})" if len(names) > 1 else ""
            raise ReadError(
                f"{self.place}: column {source!r} is ambiguous, {len(found)} columns are called "
                f"so{shown}; choose one by its number: {numbers}"
            )
        return found[0]

    def indices(self, source: str) -> list[int]:
        """Find the columns that SOURCE means: one, or several for ``@1..@7`` and ``Input *``.

        Raises
        ------
        ReadError
            When no column is meant.
        """
        wanted = source.strip()
        if match := _BY_NUMBER.fullmatch(wanted):
            first, last = int(match.group(1)), int(match.group(2) or match.group(1))
            if not 1 <= first <= last <= len(self.columns):
                raise ReadError(
                    f"{self.place}: column {source} does not exist; the table has {len(self.columns)} columns, "
                    f"@1 to @{len(self.columns)} ({self._described()})"
                )
            return list(range(first - 1, last))
        names = [column.name for column in self.columns]
        joined = [column.joined for column in self.columns]
        if not any(joined):
            raise ReadError(
                f"{self.place}: column {source!r} cannot be found because the file has no header row; name the "
                f"column by its number, @1 to @{len(names)}, or give the names of all with --schema "
                f"({self._described()})"
            )
        full = [_full(column) for column in self.columns]
        for candidates in (full, joined, names):
            if found := [position for position, name in enumerate(candidates) if name == wanted]:
                return found
        for pattern in (names, joined):
            lowered = [(name or "").lower() for name in pattern]
            if found := [n for n, name in enumerate(lowered) if name == wanted.lower()]:
                return found
            if "*" in wanted and (
                found := [n for n, name in enumerate(lowered) if _glob(name, wanted.lower())]
            ):
                return found
        told = next((remark for remark in self.remarks if repr(wanted) in remark), None)
        if told is not None:
            raise ReadError(f"{self.place}: column {source!r} cannot be read: {told}")
        known = [name for name in joined if name]
        close = difflib.get_close_matches(wanted, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        shown = ", ".join(known[:MAX_NAMES]) + (", ..." if len(known) > MAX_NAMES else "")
        raise ReadError(
            f"{self.place}: there is no column {source!r}{hint} The header has: {shown} ({self._described()})"
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
        From the path and the first `charz.readers.text.SNIFFED_BYTES` bytes of the file to whether it is of
        this format. Never raises.
    open : callable
        From the path to the file's tables, at least one; raises `ReadError`.
    """

    name: str
    summary: str
    sniff: Callable[[Path, bytes], bool]
    open: Callable[[Path], list[Table]]


def split_unit(header: str) -> Column:
    """Split ``amplitude (mV)`` or ``V [mV]`` into name and unit; what is in brackets is not checked here."""
    match = _UNIT_IN_HEADER.match(header)
    # "Smu1.V[1]" is an index, not a unit.
    if match and not match.group("unit").strip().isdigit():
        return Column(match.group("name"), match.group("unit").strip())
    return Column(header or None, None)


def _full(column: Column) -> str | None:
    return column.joined if column.unit is None else f"{column.joined} ({column.unit})"


def _glob(name: str, pattern: str) -> bool:
    """Whether `pattern`, in which only ``*`` is special, matches the whole name."""
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), name, re.DOTALL) is not None
