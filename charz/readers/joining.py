"""Rows of several tables, one after the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError, UnitError
from charz.readers.select import Selection
from charz.rows import Rows


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
        _refuse_different(part.rows, first)
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


def _refuse_different(rows: Rows, first: Rows) -> None:
    place = rows.files[0]
    if set(rows.values) != set(first.values) or set(rows.labels) != set(first.labels):
        raise ReadError(
            f"{place}: has the columns {', '.join([*rows.values, *rows.labels])} where {first.files[0]} has "
            f"{', '.join([*first.values, *first.labels])}; one dataset needs the same in every file"
        )
    for name, unit in rows.units.items():
        if unit != first.units[name]:
            raise UnitError(f"{place}: {name} is in {unit}, but in {first.units[name]} in the first file")
