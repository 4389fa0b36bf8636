"""First draft of a measurement description: what a file says of itself filled in, what it does not as questions."""

import json
from pathlib import Path

import numpy as np

from charz.arrange import require_variables
from charz.errors import CharzError, ReadError
from charz.kinds import KINDS, Kind, Variable, kind_named
from charz.readers.contract import Table
from charz.readers.programme import programme_reason
from charz.readers.registry import find_reader
from charz.units import ARBITRARY, is_unit

QUESTION = "#?"
_SHOWN_COLUMNS = 60
_SHOWN_TABLES = 12
_SHOWN_CELLS = 3
_MAX_CELL = 24
_SHOWN_LINES = 12
_MAX_LINE = 160
_REST = (
    "# More keys, if you need them: where = '...' above [columns] to choose rows; [mask] for sentinels, as in",
    "# current = 'abs(current) > 1'; [derive] as in conductance = 'current / voltage'; [constants] as in",
    "# series_resistance = '5 kohm'; device_family, temperature (kelvin) and instrument above [columns].",
)


def draft_description(path: Path | str, experiment: str | None = None, reader: str | None = None) -> str:
    """Write a draft of a description for a file.

    Parameters
    ----------
    path : path
    experiment : str, optional
        Kind of the experiment, where the user knows it already: its variables are then asked for one by one.
    reader : str, optional
        Name of the reader; by default the content decides.

    Returns
    -------
    str
        Valid TOML. Lines that begin with ``#?`` are questions: the answer is written over them.

    Raises
    ------
    ReadError
        When no reader opens the file.
    SchemaError
        When there is no such kind.
    """
    path = Path(path)
    kind = kind_named(experiment) if experiment is not None else None
    chosen = find_reader(path, reader)
    tables = chosen.open(path)
    table = tables[0]
    lines = [
        f"# Measurement description of {_one_line(path.name)}: a draft by 'charz describe'.",
        f"# Lines that begin with {QUESTION} are questions that the file does not answer; write the answer over them.",
        f"# Then: charz convert {_one_line(path.name)} -d THIS.toml -o OUT.nc",
        "",
        f"reader = {_quoted(chosen.name)}  # recognised: {chosen.summary}",
        *_experiment(kind),
        *_tables(tables, kind),
        *_schema(table),
        "",
        *_names(path, kind),
        *_said_by_file(table),
        *_programme(table, kind),
        *_rule(kind),
        "",
        *_columns(table, kind),
        *_units(table, kind),
        *_REST,
    ]
    return "\n".join(lines) + "\n"


def _said_by_file(table: Table) -> list[str]:
    """What stands beside the table, for the user to use in an answer."""
    stated = [f"{name}: {value}" for name, value in table.attrs.items() if name != "metadata"]
    lines = [
        f"# The file says: {line}" for line in [*stated, *table.attrs.get("metadata", [])][:_SHOWN_LINES]
    ]
    lines += [f"# The reader remarks: {remark}" for remark in table.remarks]
    return [_one_line(line)[:_MAX_LINE] for line in lines]


def _experiment(kind: Kind | None) -> list[str]:
    if kind is not None:
        return [f"experiment = {_quoted(kind.name)}  # {kind.summary}"]
    choices = "".join(f"\n#    {one.name}: {one.summary}" for one in KINDS.values())
    return [f'{QUESTION} experiment = "pulse_switching"  # what was measured? One of:{choices}']


def _tables(tables: list[Table], kind: Kind | None) -> list[str]:
    if len(tables) == 1:
        return []
    names = [table.name for table in tables]
    shown = ", ".join(map(repr, names[:_SHOWN_TABLES])) + (", ..." if len(names) > _SHOWN_TABLES else "")
    lines = [f"# The file holds {len(names)} tables: {_one_line(shown)}"]
    lines.append(
        f"{QUESTION} table = [{_quoted(names[0])}]  # which of them? All, if you leave this out; 'Run*' works"
    )
    if kind is None or "cycle" in kind.dims:
        lines.append(f'{QUESTION} tables = "cycle"  # is each table a cycle of one device, or a "device"?')
    return lines


def _schema(table: Table) -> list[str]:
    if any(column.name for column in table.columns):
        return []
    count = len(table.columns)
    names = ", ".join(f'"name_{index + 1}"' for index in range(min(count, 8))) + (
        ', "..."' if count > 8 else ""
    )
    return [
        f"# The file has no header row; it has {count} columns.",
        f"{QUESTION} schema = [{names}]  # their names?",
    ]


def _names(path: Path, kind: Kind | None) -> list[str]:
    if kind is not None and kind.dims[0] != "device":
        return []
    return [
        f"{QUESTION} device = {_quoted(path.stem)}  # name of the device? The file's name, if you leave this out",
        f"{QUESTION} path = {_quoted('{device_name}_*' + path.suffix)}  # does the path say something? {{name}} is a "
        "field of it",
    ]


def _programme(table: Table, kind: Kind | None) -> list[str]:
    analog = kind or KINDS["pulse_train"]
    reason = programme_reason(table, analog)
    return (
        []
        if reason is None
        else [f"# Not a measurement? {_one_line(reason)}.", f"{QUESTION} few_values = true"]
    )


def _columns(table: Table, kind: Kind | None) -> list[str]:
    lines = ['[columns]  # NAME = SOURCE: a header cell, or "@4" for the fourth column. The file\'s columns:']
    for index, column in enumerate(table.columns[:_SHOWN_COLUMNS]):
        unit = f" in {column.unit}" if column.unit else ", unit not stated"
        lines.append(
            _one_line(f"#  @{index + 1} {column.joined or '(no name)'}{unit}: {_look(table, index)}")
        )
    if len(table.columns) > _SHOWN_COLUMNS:
        lines.append(f"#  ... and {len(table.columns) - _SHOWN_COLUMNS} more")
    for variable in kind.variables if kind else ():
        if table.has(variable.name):
            lines.append(f"{variable.name} = {_quoted(variable.name)}")
        else:
            need = "needed" if _is_needed(kind, variable) else "if there is one"
            need = "or give a rule 'switched'" if variable.name.startswith("num_") else need
            lines.append(f'{QUESTION} {variable.name} = "@1"  # {variable.long_name} ({need}): which column?')
    return [*lines, ""]


def _is_needed(kind: Kind | None, variable: Variable) -> bool:
    if kind is None:
        return False
    have = [other.name for other in kind.variables if other.name != variable.name]
    try:
        require_variables(kind, have, "")
    except ReadError:
        return True
    return variable.required or variable.name in kind.one_of


def _look(table: Table, index: int) -> str:
    """First cells, and the range where all are numbers."""
    cells = [cell[:_MAX_CELL] for cell in table.texts(index, _SHOWN_CELLS)]
    shown = ", ".join(cell or "(empty)" for cell in cells) + ", ..."
    if len(table.rows) > 1_000_000:
        return shown
    try:
        values = table.numbers([index])[0]
    except CharzError:
        return f"{shown} (text)"
    finite = values[np.isfinite(values)]
    if not finite.size:
        return f"{shown} (no number)"
    missing = f", {values.size - finite.size} empty" if finite.size < values.size else ""
    return f"{shown} from {finite.min():.6g} to {finite.max():.6g}{missing}"


def _units(table: Table, kind: Kind | None) -> list[str]:
    lines = ["[units]  # in which unit the file states each; charz converts to SI and never guesses"]
    for variable in kind.variables if kind else ():
        if variable.units == ("1",):
            continue
        stated = table.columns[table.index(variable.name)].unit if table.has(variable.name) else None
        if stated is not None and is_unit(stated):
            lines.append(f"{variable.name} = {_quoted(stated)}  # as the header says")
        else:
            choices = " or ".join((*variable.units, ARBITRARY) if variable.arbitrary else variable.units)
            lines.append(
                f"{QUESTION} {variable.name} = {_quoted(variable.units[0])}  # {choices}, with any prefix"
            )
    if kind is None:
        lines.append(f'{QUESTION} amplitude = "V"  # one line for each column that you map')
    return [*lines, ""]


def _rule(kind: Kind | None) -> list[str]:
    if kind is None or kind.name != "pulse_switching":
        return []
    return [
        f"{QUESTION} switched = 'r_after < 20e3'  # one trial a row? When did it switch (in the file's units)?"
    ]


def _quoted(text: str) -> str:
    """Basic string of TOML; JSON's escapes are a subset of it. Names of files may hold bytes that are no letters."""
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    """Text that can stand in a comment: TOML allows no control characters there."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
