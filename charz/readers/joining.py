"""Rows of several tables, one after the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError, UnitError
from charz.kinds import Kind
from charz.readers.select import Selection
from charz.rows import Rows

# Kinds whose rows have no order among one another.
IN_PARTS = ("pulse_switching", "ramp_switching", "transfer")


def join(parts: Sequence[Selection]) -> tuple[Rows, NDArray[np.bool_] | None]:
    """Put the rows of several tables one after the other.

    Returns
    -------
    rows : Rows
    outcome : array of bool or None
        Result of the switched rule.

    Raises
    ------
    ReadError
        When the tables have different columns.
    UnitError
        When a variable has another dimension in one table than in the first.
    """
    first = parts[0].rows
    if len(parts) == 1:
        return first, parts[0].outcome
    for part in parts[1:]:
        refuse_different(part.rows, first)
    names = tuple(dict.fromkeys(name for part in parts for name in part.rows.names))
    position = {name: index for index, name in enumerate(names)}
    codes = [
        np.asarray([position[name] for name in part.rows.names], dtype=np.intp)[part.rows.device]
        for part in parts
    ]
    rows = Rows(
        names,
        np.concatenate(codes),
        {name: np.concatenate([part.rows.values[name] for part in parts]) for name in first.values},
        first.units,
        tuple(file for part in parts for file in part.rows.files),
        tuple(lines for part in parts for lines in part.rows.lines),
        {name: np.concatenate([part.rows.labels[name] for part in parts]) for name in first.labels},
        first.constant,
        first.noun,
    )
    outcomes = [part.outcome for part in parts if part.outcome is not None]
    return rows, np.concatenate(outcomes) if outcomes else None


def refuse_same_records(parts: Sequence[Selection], kind: Kind) -> None:
    """Raise where two tables hold the same device and cycle: one appended to the other would be a false trace.

    Counts of pulses, thresholds and samples of a material do not follow one another, and may come in parts.

    Raises
    ------
    ReadError
        Naming both tables.
    """
    if len(parts) < 2 or kind.name in IN_PARTS:
        return
    seen: dict[tuple[str, float | None], str] = {}
    for part in parts:
        place = part.rows.files[0]
        for record in _records(part.rows):
            if record in seen:
                device, cycle = record
                what = f"device {device!r}" + ("" if cycle is None else f", cycle {cycle:g}")
                raise ReadError(
                    f"{place}: {what} was already read from {seen[record]}; say what tells them apart with --device or "
                    "--cycle, by fields of --path or by a column"
                )
            seen[record] = place


def _records(rows: Rows) -> set[tuple[str, float | None]]:
    """Devices of a table, each with its cycles."""
    cycle = rows.labels.get("cycle")
    if cycle is None:
        return {(name, None) for name in rows.names}
    pairs = np.unique(np.stack([rows.device, cycle]), axis=1).T.tolist()
    return {(rows.names[int(device)], number) for device, number in pairs}


def refuse_different(rows: Rows, first: Rows) -> None:
    """Raise where a table has other columns, or another unit, than the first.

    Raises
    ------
    ReadError, UnitError
    """
    place = rows.files[0]
    if set(rows.values) != set(first.values) or set(rows.labels) != set(first.labels):
        raise ReadError(
            f"{place}: has the columns {', '.join([*rows.values, *rows.labels])} where {first.files[0]} has "
            f"{', '.join([*first.values, *first.labels])}; one dataset needs the same in every file"
        )
    for name, unit in rows.units.items():
        if unit != first.units[name]:
            raise UnitError(f"{place}: {name} is in {unit}, but in {first.units[name]} in the first file")
