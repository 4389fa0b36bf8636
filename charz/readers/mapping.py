"""From columns of files to named SI rows: which column is which variable, in which unit, which rows count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charz.errors import ExpressionError, ReadError, UnitError
from charz.expressions import Expression, parse, unknown_name
from charz.kinds import Kind
from charz.readers.contract import Table
from charz.trials import Rows
from charz.units import to_si, unit_for

# Columns that name a row; they have no unit.
LABELS = ("device", "cycle", "sample")
# The outcome of one trial, 0 or 1, where it stands in the file.
OUTCOME = "switched"


@dataclass(frozen=True)
class Request:
    """What the user said about the files.

    Parameters
    ----------
    kind : Kind
    columns : mapping of NAME to SOURCE
    units : mapping of NAME to unit
    where, switched : str or None
        Expressions over the NAMEs, in the file's own units.
    """

    kind: Kind
    columns: Mapping[str, str]
    units: Mapping[str, str]
    where: str | None = None
    switched: str | None = None


@dataclass(frozen=True)
class Selection:
    """Rows of one file that passed ``where``, in SI, with the outcome of each where it is known.

    `raw` holds the unitless columns (``switched``, ``cycle``) and `switched` the result of the rule.
    """

    rows: Rows
    raw: Mapping[str, NDArray[np.float64]]
    switched: NDArray[np.bool_] | None
    num_read: int
    unused: Sequence[str]


def select(table: Table, request: Request, device: str) -> Selection:
    """Take the mapped columns of one file, filter its rows, and convert them to SI.

    Parameters
    ----------
    table : Table
    request : Request
    device : str
        Name of the device where no column says it.

    Raises
    ------
    ReadError, UnitError, ExpressionError
        When a column, unit or expression is wrong, no row is left, or a mapped cell is empty.
    """
    where = parse(request.where) if request.where is not None else None
    switched = parse(request.switched) if request.switched is not None else None
    mapped = _mapped(table, request)
    sources = {name: table.index(source) for name, source in mapped.items()}
    for name in _names_in(where, switched):
        if name not in sources and not table.has(name):
            expression = where if where is not None and name in where.names else switched
            text = expression.text if expression is not None else ""
            known = dict.fromkeys((*mapped, *(column.name for column in table.columns if column.name)))
            raise ExpressionError(f"{table.path}: {unknown_name(text, name, known)}")
    only_in_rules = {name: table.index(name) for name in _names_in(where, switched) if name not in sources}
    stored = [name for name in sources if name not in (*LABELS, OUTCOME)]
    # Units first: a missing one is told before a large file is parsed.
    units = {name: _stated_unit(name, sources[name], table, request) for name in stored}

    numeric = [name for name in (*sources, *only_in_rules) if name != "device"]
    indices = {**sources, **only_in_rules}
    values = dict(zip(numeric, table.numbers([indices[name] for name in numeric]), strict=True))
    keep = _kept(table, where, values)
    values = {name: column[keep] for name, column in values.items()}
    outcome = None
    if switched is not None:
        _refuse_missing(table, keep, {name: values[name] for name in switched.names}, request)
        outcome = switched.mask(values, int(keep.sum()))
    _refuse_missing(table, keep, {name: values[name] for name in numeric if name in sources}, request)

    converted = {name: _convert(name, values[name], units[name], request.kind) for name in stored}
    names = np.full(keep.sum(), device)
    if "device" in sources:
        names = np.asarray(table.texts(sources["device"]))[keep]
        _refuse_nameless(table, names, keep)
    rows = Rows(
        names,
        {name: pair[0] for name, pair in converted.items()},
        {name: pair[1] for name, pair in converted.items()},
        (str(table.path),),
        np.zeros(int(keep.sum()), dtype=np.int64),
        table.rows[keep],
    )
    raw = {name: values[name] for name in numeric if name in (*LABELS, OUTCOME)}
    used = set(indices.values())
    unused = [table.label(index) for index in range(len(table.columns)) if index not in used]
    return Selection(rows, raw, outcome, keep.size, unused)


def _mapped(table: Table, request: Request) -> dict[str, str]:
    """Join the user's columns with those whose header is already the name of a variable of the kind."""
    own = (*request.units, *(variable.name for variable in request.kind.variables), *LABELS, OUTCOME)
    found = {name: name for name in own if name not in request.columns and table.has(name)}
    mapped = {**found, **request.columns}
    for name, unit in request.units.items():
        if name not in mapped:
            raise ReadError(
                f"{table.path}: --unit {name}={unit} belongs to no column; map one with --column {name}=SOURCE, "
                "or leave the unit out"
            )
    return mapped


def _names_in(*expressions: Expression | None) -> list[str]:
    return [name for expression in expressions if expression is not None for name in expression.names]


def _stated_unit(name: str, index: int, table: Table, request: Request) -> str | None:
    """Return the unit as the user or the header states it; checked here, so that nothing is guessed."""
    stated = request.units.get(name) or table.columns[index].unit
    variable = request.kind.variable(name)
    allowed = variable.units if variable else None
    if stated is None and allowed == ("1",):
        stated = "1"
    try:
        unit_for(name, stated, allowed, arbitrary=variable.arbitrary if variable else True)
    except UnitError as error:
        raise UnitError(f"{table.path}: {error}") from error
    return stated


def _convert(
    name: str, values: NDArray[np.float64], unit: str | None, kind: Kind
) -> tuple[NDArray[np.float64], str]:
    variable = kind.variable(name)
    allowed = variable.units if variable else None
    return to_si(values, unit, name, allowed, arbitrary=variable.arbitrary if variable else True)


def _kept(
    table: Table, where: Expression | None, values: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.bool_]:
    if where is None:
        return np.ones(table.rows.size, dtype=bool)
    keep = where.mask(values, table.rows.size)
    if not keep.any():
        raise ReadError(
            f"{table.path}: --where {where.text!r} keeps none of the {keep.size} rows; its values are in the "
            "file's own units"
        )
    return keep


def _refuse_missing(
    table: Table, keep: NDArray[np.bool_], values: Mapping[str, NDArray[np.float64]], request: Request
) -> None:
    """Raise for the first missing value; a comparison with NaN is false and would count as 'not switched'."""
    for name, column in values.items():
        missing = np.isnan(column)
        if missing.any():
            line = table.rows[keep][np.argmax(missing)]
            raise ReadError(
                f"{table.path}, line {line}, column {request.columns.get(name, name)} ({name}): the cell is "
                "empty or "
                f"NaN ({int(missing.sum())} such rows); leave such rows out with --where '{name} == {name}', "
                "or complete the file"
            )


def _refuse_nameless(table: Table, names: NDArray[np.str_], keep: NDArray[np.bool_]) -> None:
    if (names == "").any():
        line = table.rows[keep][np.argmax(names == "")]
        raise ReadError(f"{table.path}, line {line}: the cell that names the device is empty")


def device_names(paths: Sequence[Path]) -> list[str]:
    """Name a device after each file: its stem, with the folder in front where stems repeat.

    Raises
    ------
    ReadError
        When two files would give the same name.
    """
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):
        stems = [f"{path.resolve().parent.name}/{path.stem}" for path in paths]
    if len(set(stems)) < len(stems):
        raise ReadError(
            "two of the files have the same folder and name, so their devices cannot be told apart; "
            "give every file once, or map a device column with --column device=SOURCE"
        )
    return stems


def join(
    parts: Sequence[Selection],
) -> tuple[Rows, dict[str, NDArray[np.float64]], NDArray[np.bool_] | None]:
    """Put the rows of several files one after the other.

    Returns
    -------
    rows : Rows
    labels : mapping of str to array
        ``cycle``, ``sample`` and ``switched`` columns.
    outcome : array of bool or None
        Result of the switched rule.

    Raises
    ------
    ReadError
        When the files have different columns.
    UnitError
        When a variable has another dimension in one file than in the first.
    """
    first = parts[0]
    for part in parts[1:]:
        place = part.rows.files[0]
        if set(part.rows.values) != set(first.rows.values) or set(part.raw) != set(first.raw):
            raise ReadError(
                f"{place}: has the columns {', '.join([*part.rows.values, *part.raw])} where "
                f"{first.rows.files[0]} "
                f"has {', '.join([*first.rows.values, *first.raw])}; one dataset needs the same in every file"
            )
        for name, unit in part.rows.units.items():
            if unit != first.rows.units[name]:
                raise UnitError(
                    f"{place}: {name} is in {unit}, but in {first.rows.units[name]} in the first file"
                )
    rows = Rows(
        np.concatenate([part.rows.device for part in parts]),
        {name: np.concatenate([part.rows.values[name] for part in parts]) for name in first.rows.values},
        first.rows.units,
        tuple(part.rows.files[0] for part in parts),
        np.concatenate([part.rows.file + index for index, part in enumerate(parts)]),
        np.concatenate([part.rows.line for part in parts]),
    )
    labels = {name: np.concatenate([part.raw[name] for part in parts]) for name in first.raw}
    outcomes = [part.switched for part in parts if part.switched is not None]
    return rows, labels, np.concatenate(outcomes) if outcomes else None
