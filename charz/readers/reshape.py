"""Tables as laboratories lay them out, to tables with one quantity a column: schema, wide to long, join."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from charz.description import Wide
from charz.errors import ReadError
from charz.readers.contract import Column, Table, split_unit
from charz.units import split_quantity

REST = "..."
# A line that becomes more rows than this is a mistake in the description, not a table.
MAX_ROWS = 200_000_000


def with_schema(table: Table, schema: Sequence[str]) -> Table:
    """Name the columns of a table without header.

    Parameters
    ----------
    table : Table
    schema : sequence of str
        A name a column, with its unit if wanted (``width (ns)``); ``...`` last leaves the rest unnamed.

    Raises
    ------
    ReadError
        When the table has names of its own, or another number of columns than the schema.
    """
    if not schema:
        return table
    names = [name for name in schema if name != REST]
    rest = schema[-1] == REST
    if REST in schema[:-1]:
        raise ReadError(
            f"{table.place}: '...' stands inside the schema; it can only be last, for the columns left"
        )
    if any(column.name for column in table.columns):
        raise ReadError(
            f"{table.place}: the file names its columns itself ({table.label(0)}, ...); leave the schema out, and "
            "map its names with --column"
        )
    width = len(table.columns)
    if width < len(names) or (width > len(names) and not rest):
        raise ReadError(
            f"{table.place}: {width} columns, but the schema names {len(names)} ({', '.join(names)}); a log of "
            "another kind would be read wrong, so the numbers must agree; end the schema with '...' if the rest "
            "may stay unnamed"
        )
    columns = [split_unit(name) for name in names] + [Column(None, None)] * (width - len(names))
    return replace(table, columns=columns)


def unpivot(table: Table, wide: Wide | None) -> Table:
    """Turn a wide table (a trace a row, or a quantity a column) into one with a row a reading.

    Each line becomes as many rows as it has groups of `wide.values`; the columns in `wide.keep` are repeated.

    Raises
    ------
    ReadError
        When the other columns are no whole number of groups, or have no number in their header where one is
        wanted.
    """
    if wide is None:
        return table
    kept = list(dict.fromkeys(index for source in wide.keep for index in table.indices(source)))
    others = [index for index in range(len(table.columns)) if index not in set(kept)]
    width = len(wide.values)
    if not others or len(others) % width:
        raise ReadError(
            f"{table.place}: {len(others)} columns beside {len(kept)} kept ones are no whole number of groups of "
            f"{width} ({', '.join(wide.values)}); correct wide.keep or wide.values"
        )
    groups = len(others) // width
    if groups * len(table.rows) > MAX_ROWS:
        raise ReadError(
            f"{table.place}: {len(table.rows)} lines of {groups} groups are more rows than are read"
        )
    slots = [others[slot::width] for slot in range(width)]
    columns = [table.columns[index] for index in kept]
    for name, slot in zip(wide.values, slots, strict=True):
        columns.append(Column(name, _shared_unit(table, slot, name, labelled=bool(wide.label))))
    columns.append(Column(wide.position, "1"))
    labels: NDArray[np.float64] = np.empty(0)
    if wide.label:
        labels, unit = _labels(table, slots[0], wide.label)
        columns.append(Column(wide.label, unit))
    line = len(columns) if wide.line else -1
    if wide.line:
        columns.append(Column(wide.line, "1"))

    def column(index: int) -> NDArray[np.float64]:
        if index == line:
            return np.repeat(np.arange(1.0, len(table.rows) + 1), groups)
        if index < len(kept):
            return np.repeat(table.numbers([kept[index]])[0], groups)
        if index < len(kept) + width:
            return table.numbers(slots[index - len(kept)]).T.reshape(-1)
        values = np.arange(groups, dtype=np.float64) if index == len(kept) + width else labels
        return np.tile(values, len(table.rows))

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        return np.stack([column(index) for index in indices]) if indices else np.empty((0, len(rows)))

    def texts(index: int, stop: int | None = None) -> list[str]:
        lines = None if stop is None else -(-stop // groups)
        if index < len(kept):
            cells = [cell for cell in table.texts(kept[index], lines) for _ in range(groups)]
        elif index < len(kept) + width:
            parts = [table.texts(source, lines) for source in slots[index - len(kept)]]
            cells = [cell for line in zip(*parts, strict=True) for cell in line]
        else:
            cells = [f"{value:.12g}" for value in column(index)[:stop]]
        return cells[:stop]

    rows = np.repeat(np.asarray(table.rows), groups)
    return replace(table, columns=columns, rows=rows, numbers=numbers, texts=texts, batches=None)


def beside(table: Table, other: Table, columns: dict[str, str]) -> Table:
    """Add columns of a second table, row by row.

    Raises
    ------
    ReadError
        When the tables have different numbers of rows, or a column is not there.
    """
    if len(table.rows) != len(other.rows):
        raise ReadError(
            f"{other.place}: {len(other.rows)} rows, but {table.place} has {len(table.rows)}; files that are joined "
            "must have a row each for the same reading"
        )
    own = len(table.columns)
    sources = [other.index(source) for source in columns.values()]
    added = [Column(name, other.columns[source].unit) for name, source in zip(columns, sources, strict=True)]

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        parts = [
            table.numbers([index])[0] if index < own else other.numbers([sources[index - own]])[0]
            for index in indices
        ]
        return np.stack(parts) if parts else np.empty((0, len(table.rows)))

    def texts(index: int, stop: int | None = None) -> list[str]:
        return table.texts(index, stop) if index < own else other.texts(sources[index - own], stop)

    remarks = [*table.remarks, *other.remarks]
    return replace(
        table, columns=[*table.columns, *added], numbers=numbers, texts=texts, remarks=remarks, batches=None
    )


def _shared_unit(table: Table, slot: Sequence[int], name: str, *, labelled: bool) -> str | None:
    """Unit in the headers of one quantity; None where one of them states none.

    The unit in a header that is a label, as ``0.9 (V)``, is that of the label and not of the values below it.
    """
    units = {
        None if labelled and table.columns[index].group is None else table.columns[index].unit
        for index in slot
    }
    if len(units - {None}) > 1:
        raise ReadError(
            f"{table.place}: the headers of {name} are in different units ({', '.join(sorted(map(str, units)))}); one "
            "quantity needs one unit, make them one"
        )
    return units.pop() if len(units) == 1 else None


def _labels(table: Table, slot: Sequence[int], name: str) -> tuple[NDArray[np.float64], str | None]:
    """Numbers and unit in the header above each column: the upper of two header rows, or the only one."""
    found = [
        split_quantity(_header_text(table, index), f"{table.place}: {name} in the header") for index in slot
    ]
    units = {unit for _, unit in found}
    if len(units) > 1:
        raise ReadError(
            f"{table.place}: the headers of {name} are in different units ({', '.join(map(str, units))}); make them "
            "one"
        )
    return np.asarray([number for number, _ in found]), units.pop()


def _header_text(table: Table, index: int) -> str:
    column = table.columns[index]
    return column.group or (f"{column.name} {column.unit}" if column.unit else column.name or "")
