"""Which column is which variable, in which unit: the user's words, the header's, and nothing guessed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charz.description import Description
from charz.errors import ExpressionError, ReadError, UnitError
from charz.expressions import Expression, parse, unknown_name
from charz.kinds import Kind
from charz.readers.contract import Table
from charz.readers.paths import field_number
from charz.units import parse_quantity, to_si, unit_for

# Columns that name a row; they have no unit.
LABELS = ("device", "cycle", "sample")
# The outcome of one trial, 0 or 1, where it stands in the file.
OUTCOME = "switched"
_ELECTRODE = "electrode"


@dataclass(frozen=True)
class Request:
    """What the user said about the files, with every expression parsed once.

    `where`, `switched` and `mask` see the file's own units; `derive` and `expect` see SI.
    """

    kind: Kind
    said: Description
    where: Expression | None
    switched: Expression | None
    mask: Mapping[str, Expression]
    derive: Mapping[str, Expression]
    expect: Sequence[Expression]

    def raw_names(self) -> list[str]:
        """Names that the rules in the file's own units use."""
        rules = [self.where, self.switched, *self.mask.values()]
        return _unique(name for rule in rules if rule is not None for name in rule.names)

    def si_names(self) -> list[str]:
        """Names that the rules in SI use and that are not computed themselves."""
        rules = [*self.derive.values(), *self.expect]
        return _unique(name for rule in rules for name in rule.names if name not in self.derive)


def request_from(kind: Kind, said: Description) -> Request:
    """Parse the expressions of a description.

    Raises
    ------
    ExpressionError
        When one is not in the language of `charz.expressions`.
    """
    return Request(
        kind,
        said,
        parse(said.where) if said.where is not None else None,
        parse(said.switched) if said.switched is not None else None,
        {name: parse(text) for name, text in said.mask.items()},
        {name: parse(text) for name, text in said.derive.items()},
        [parse(text) for text in said.expect],
    )


@dataclass(frozen=True)
class Mapped:
    """Columns of one table under the names of the request.

    Parameters
    ----------
    columns : mapping of str to int
        Every column that is read, by name; what may be several columns is numbered: ``voltage[0]``, ``device[0]``.
    units : mapping of str to str
        Stated unit of each column that is converted to SI.
    stored : list of str
        Names that enter the dataset.
    """

    columns: Mapping[str, int]
    units: Mapping[str, str | None]
    stored: list[str]


def map_columns(table: Table, request: Request, given: Iterable[str]) -> Mapped:
    """Find the columns that the request means, and their units.

    Parameters
    ----------
    table : Table
    request : Request
    given : iterable of str
        Names that the path or a constant gives.

    Raises
    ------
    ReadError, UnitError, ExpressionError
        When a column, unit or name in an expression is not there.
    """
    kind, given = request.kind, set(given)
    found = _sources(table, request, given)
    columns: dict[str, int] = {}
    for name, source in found.items():
        several = _has_electrodes(kind, name) or name == "device"
        indices = table.indices(source) if several else [table.index(source)]
        numbered = {f"{name}[{n}]": index for n, index in enumerate(indices)}
        columns |= numbered if several else {name: indices[0]}
    stored = [name for name in columns if name.partition("[")[0] not in (*LABELS, OUTCOME)]
    for name in request.raw_names():
        if name not in columns:
            _refuse_si(table, request, name, given)
            columns[name] = _ingredient(table, request, name, columns)
    for name in request.si_names():
        if name not in columns and name not in given and name not in request.derive:
            columns[name] = _ingredient(table, request, name, columns)
    si = [name for name in request.si_names() if name in columns and name not in LABELS]
    units = {name: _stated_unit(name, columns[name], table, request) for name in _unique([*stored, *si])}
    return Mapped(columns, units, stored)


def _sources(table: Table, request: Request, given: set[str]) -> dict[str, str]:
    """Join the user's columns with those whose header is already the name of a variable of the kind."""
    said = request.said
    own = (*said.units, *(variable.name for variable in request.kind.variables), *LABELS, OUTCOME)
    taken = {*said.columns, *said.derive, *given}
    # What a file's name or the folder says wins over a header of the same word only if the user asked for it.
    found = {name: name for name in own if name not in taken and table.has(name)}
    mapped = {**found, **said.columns}
    for name, unit in said.units.items():
        if name not in mapped and name not in given and name not in request.derive and not table.has(name):
            raise ReadError(
                f"{table.place}: --unit {name}={unit} belongs to no column; map one with --column {name}=SOURCE, "
                "or leave the unit out"
            )
    return mapped


def _refuse_si(table: Table, request: Request, name: str, given: Iterable[str]) -> None:
    """Raise where a rule in the file's own units uses what is known in SI only."""
    if table.has(name) or (name not in given and name not in request.derive):
        return
    rules = [request.where, request.switched, *request.mask.values()]
    text = next(rule.text for rule in rules if rule is not None and name in rule.names)
    raise ExpressionError(
        f"{table.place}: expression {text!r} uses {name!r}, which is no column but known in SI only (a constant, a "
        "field of the path, or derived); where, switched and mask are in the file's own units: write its number instead"
    )


def _ingredient(table: Table, request: Request, name: str, columns: Mapping[str, int]) -> int:
    """Column of a name that only an expression uses."""
    if table.has(name):
        return table.index(name)
    said = request.said
    rules = [
        request.where,
        request.switched,
        *request.mask.values(),
        *request.derive.values(),
        *request.expect,
    ]
    text = next(rule.text for rule in rules if rule is not None and name in rule.names)
    headers = (column.name for column in table.columns if column.name)
    known = dict.fromkeys((*columns, *said.constants, *said.derive, *headers))
    raise ExpressionError(f"{table.place}: {unknown_name(text, name, known)}")


def _has_electrodes(kind: Kind, name: str) -> bool:
    variable = kind.variable(name)
    return variable is not None and _ELECTRODE in variable.dims


def _stated_unit(name: str, index: int, table: Table, request: Request) -> str | None:
    """Return the unit as the user or the header states it; checked here, so that nothing is guessed."""
    base = name.partition("[")[0]
    stated = request.said.units.get(base) or table.columns[index].unit
    variable = request.kind.variable(base)
    allowed = variable.units if variable else None
    if stated is None and allowed == ("1",):
        stated = "1"
    try:
        unit_for(base, stated, allowed, arbitrary=variable.arbitrary if variable else True)
    except UnitError as error:
        raise UnitError(f"{table.place}: {error}") from error
    return stated


def convert(
    name: str, values: NDArray[np.float64], unit: str | None, kind: Kind
) -> tuple[NDArray[np.float64], str]:
    """Convert a column to SI as the kind stores it."""
    base = name.partition("[")[0]
    variable = kind.variable(base)
    allowed = variable.units if variable else None
    return to_si(values, unit, base, allowed, arbitrary=variable.arbitrary if variable else True)


def given_quantities(
    request: Request, path_fields: Mapping[str, str], place: Path | str
) -> dict[str, tuple[float, str]]:
    """Quantities that no column holds: constants, and the numbers in the path that are wanted.

    A field of the path is a quantity where it is a variable of the kind, has a unit, or is used in a rule; others
    are only names. Its unit must be stated like that of a column.

    Returns
    -------
    dict
        Value in SI and canonical unit of each name.

    Raises
    ------
    ReadError, UnitError
        When a field that is wanted is no number, or a unit is missing or wrong.
    """
    kind, said = request.kind, request.said
    found: dict[str, tuple[float, str]] = {}
    for name, text in said.constants.items():
        variable = kind.variable(name)
        allowed = variable.units if variable else None
        found[name] = parse_quantity(text, name, allowed, arbitrary=variable.arbitrary if variable else True)
    wanted = {*said.units, *(variable.name for variable in kind.variables), *request.si_names()}
    for name, text in path_fields.items():
        if name in found or name not in wanted or name in said.columns or name in LABELS:
            continue
        number = field_number(text)
        if number is None:
            raise ReadError(f"{place}: the path gives {name} = {text!r}, which is no number")
        variable = kind.variable(name)
        allowed = variable.units if variable else None
        stated = said.units.get(name) or ("1" if allowed == ("1",) else None)
        values, unit = to_si(
            [number], stated, name, allowed, arbitrary=variable.arbitrary if variable else True
        )
        found[name] = (float(values[0]), unit)
    return found


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
