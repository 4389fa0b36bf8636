"""From one table to SI rows: masks, filters, computed variables, and what must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError, UnitError
from charz.expressions import Expression
from charz.finite import all_finite
from charz.kinds import Kind
from charz.readers.contract import Table
from charz.readers.mapping import LABELS, OUTCOME, Mapped, Request, convert, given_quantities, map_columns
from charz.readers.numbers import is_number
from charz.rows import Rows
from charz.units import canonical_unit

# Columns that name the device are ``device[0]``, ``device[1]``, ...
DEVICE = "device["
Values = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Source:
    """One table of one file, with what its place says: device, cycle, and fields of the path."""

    table: Table
    device: str = ""
    cycle: float | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Rows of one table in SI, with the outcome of each where it is known.

    `num_read` counts the rows before ``where``, `unused` names columns that were not read, `masked` counts the
    values that a mask made missing, `called` names file and table, `remarks` are the reader's, `attrs` what the file
    says beside its table.
    """

    rows: Rows
    outcome: NDArray[np.bool_] | None
    num_read: int
    unused: Sequence[str]
    masked: Mapping[str, int]
    called: str
    remarks: Sequence[str] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)


def select(source: Source, request: Request) -> Selection:
    """Take the mapped columns of one table, apply the rules, and convert to SI.

    Raises
    ------
    ReadError, UnitError, ExpressionError
        When a column, unit or expression is wrong, no row is left, a mapped cell is empty, or a row breaks what
        was to be expected.
    """
    table = source.table
    given = given_quantities(request, source.fields, table.place)
    # Units first: a missing one is told before a large file is parsed.
    mapped = map_columns(table, request, given)
    numeric = [name for name in mapped.columns if not name.startswith(DEVICE)]
    raw: Values = dict(zip(numeric, table.numbers([mapped.columns[name] for name in numeric]), strict=True))
    size = len(table.rows)
    where = None if request.where is None else request.where.mask(raw, size)
    if where is not None and not where.any():
        raise ReadError(
            f"{table.place}: --where {request.said.where!r} keeps none of the {size} rows; its values are in the "
            "file's own units"
        )
    keep = slice(None) if where is None else where
    raw = {name: values[keep] for name, values in raw.items()}
    lines = table.rows if where is None else np.asarray(table.rows)[where]
    place = _Place(table, lines, request.said.columns)
    num_rows = len(lines)

    masks = {name: rule.mask(raw, num_rows) for name, rule in request.mask.items()}
    _refuse_masks_of_nothing(table, masks, mapped)
    place.refuse_missing(
        {name: raw[name] for name in numeric if name in (*mapped.stored, *LABELS, OUTCOME)}, masks
    )
    outcome = None
    if request.switched is not None:
        place.refuse_missing({name: raw[name] for name in request.switched.names}, {})
        outcome = request.switched.mask(raw, num_rows)
    for name, mask in masks.items():
        raw[name] = np.where(mask, np.nan, raw[name])

    values, units = _to_si(raw, mapped, request.kind)
    for name, (value, unit) in given.items():
        values[name], units[name] = np.broadcast_to(np.float64(value), num_rows), unit
    labels = {name: raw[name] for name in numeric if name in (*LABELS, OUTCOME)}
    computed = _derive(request, {**values, **labels}, num_rows)
    _refuse_unexpected(request.expect, {**values, **labels, **computed}, place)
    if "cycle" in computed:
        labels["cycle"] = computed["cycle"]
    elif source.cycle is not None and "cycle" not in labels:
        labels["cycle"] = np.broadcast_to(np.float64(source.cycle), num_rows)
    stored = {name: values[name] for name in (*mapped.stored, *_stored_given(given, request))}
    stored_units = {name: units[name] for name in stored}
    for name, unit in _derived_units(request, table).items():
        stored[name], stored_units[name] = computed[name], unit
    prefix = f"{source.device} " if request.said.device is not None else ""
    names, device = _devices(source, mapped, keep, place, prefix)
    rows = Rows(
        names, device, stored, stored_units, (table.place,), (lines,), labels, frozenset(given), table.noun
    )
    used = set(mapped.columns.values())
    unused = [table.label(index) for index in range(len(table.columns)) if index not in used]
    counts = {name: int(mask.sum()) for name, mask in masks.items()}
    # Without folders, so that a dataset does not depend on where its file lay.
    called = f"{table.path.name}, {table.name}" if table.name else table.path.name
    return Selection(rows, outcome, size, unused, counts, called, table.remarks, table.attrs)


def _to_si(raw: Values, mapped: Mapped, kind: Kind) -> tuple[Values, dict[str, str]]:
    values: Values = {}
    units: dict[str, str] = {}
    for name, unit in mapped.units.items():
        values[name], units[name] = convert(name, raw[name], unit, kind)
    return values, units


def _stored_given(given: Mapping[str, tuple[float, str]], request: Request) -> list[str]:
    """Quantities of path and constants that enter the dataset: those that the user gave a unit for."""
    said = request.said
    own = [variable.name for variable in request.kind.variables]
    return [name for name in given if name in (*said.constants, *said.units, *own)]


def _derive(request: Request, known: Values, size: int) -> Values:
    """Compute the derived variables, each from what is known before it."""
    computed: Values = {}
    for name, rule in request.derive.items():
        computed[name] = rule.numbers({**known, **computed}, size)
    return computed


def _derived_units(request: Request, table: Table) -> dict[str, str]:
    """SI unit of each derived variable that is stored; others are only steps of a computation."""
    found = {}
    for name in request.derive:
        variable, stated = request.kind.variable(name), request.said.units.get(name)
        if name in LABELS or (variable is None and stated is None):
            continue
        allowed = variable.units if variable else (canonical_unit(stated or "1"),)
        unit = stated if stated is not None else (allowed[0] if len(allowed) == 1 else None)
        if unit is None or (unit not in allowed and unit != "arb"):
            raise UnitError(
                f"{table.place}: the derived {name!r} is computed in SI, so its unit must be one of "
                f"{', '.join(allowed)}; state it with --unit {name}={allowed[0]}, not {unit!r}"
            )
        found[name] = unit
    return found


def _refuse_masks_of_nothing(table: Table, masks: Mapping[str, object], mapped: Mapped) -> None:
    for name in masks:
        if name not in mapped.columns:
            raise ReadError(
                f"{table.place}: mask of {name!r}, which is no column that is read; map it with --column "
                f"{name}=SOURCE"
            )


def _devices(
    source: Source, mapped: Mapped, keep: slice | NDArray[np.bool_], place: "_Place", prefix: str
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of the devices, and which of them each row is of."""
    labels = [index for name, index in mapped.columns.items() if name.startswith(DEVICE)]
    if not labels:
        return (source.device,), np.broadcast_to(np.intp(0), len(place.lines))
    parts = [np.asarray(source.table.texts(index, None), dtype=str)[keep] for index in labels]
    for part in parts:
        place.refuse_nameless(part)
    cells = parts[0]
    for part in parts[1:]:
        cells = np.char.add(np.char.add(cells, " "), part)
    found, first, code = np.unique(cells, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    # Testers print every number alike: cell 588 is written 588.000.
    names = [_tidy(str(found[index])) for index in order]
    unique = dict.fromkeys(names)
    position = {name: number for number, name in enumerate(unique)}
    codes = np.asarray([position[name] for name in names], dtype=np.intp)
    return tuple(prefix + name for name in unique), codes[rank[code.reshape(-1)]]


def _tidy(name: str) -> str:
    if " " in name:
        return " ".join(map(_tidy, name.split(" ")))
    if is_number(name) and "." in name and float(name).is_integer() and abs(float(name)) < 1e15:
        return str(int(float(name)))
    return name


def _refuse_unexpected(rules: Sequence[Expression], values: Values, place: "_Place") -> None:
    for rule in rules:
        # A value that a mask made missing says nothing for or against.
        missing = np.zeros(len(place.lines), dtype=bool)
        for name in rule.names:
            missing |= np.isnan(values[name]) if name in values else False
        holds = rule.mask(values, len(place.lines)) | missing
        if not holds.all():
            row = int(np.argmin(holds))
            shown = ", ".join(f"{name} = {values[name][row]:.6g}" for name in dict.fromkeys(rule.names))
            raise ReadError(
                f"{place.of(row)}: {rule.text!r} does not hold ({shown}, in SI; {int((~holds).sum())} of "
                f"{holds.size} rows); a unit or a constant may be wrong"
            )


@dataclass(frozen=True)
class _Place:
    """Where the kept rows stand, for messages."""

    table: Table
    lines: Sequence[int] | NDArray[np.int64]
    sources: Mapping[str, str]

    def of(self, row: int) -> str:
        return f"{self.table.place}, {self.table.noun} {self.lines[row]}"

    def refuse_missing(self, values: Values, masks: Mapping[str, NDArray[np.bool_]]) -> None:
        """Raise for the first missing value; a comparison with NaN is false and would count as 'not switched'."""
        for name, column in values.items():
            if all_finite(column):
                continue
            missing = np.isnan(column)
            if name in masks:
                missing &= ~masks[name]
            if missing.any():
                source = self.sources.get(name, name)
                raise ReadError(
                    f"{self.of(int(np.argmax(missing)))}, column {source} ({name}): the cell is empty or NaN "
                    f"({int(missing.sum())} such rows); leave such rows out with --where '{name} == {name}', keep "
                    f"them as missing with --mask '{name}={name} != {name}', or complete the file"
                )

    def refuse_nameless(self, names: NDArray[np.str_]) -> None:
        if (names == "").any():
            raise ReadError(
                f"{self.of(int(np.argmax(names == '')))}: the cell that names the device is empty"
            )
