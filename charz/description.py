"""The measurement description: what a laboratory file does not say about itself, as a small TOML file.

The same keys are keyword arguments of `charz.read` and flags of ``charz convert``; `KEYS` is their one table.
"""

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from charz.errors import ReadError
from charz.toml_files import read_toml

# A description of this name is used when it lies beside the data and no other is given.
BESIDE = "charz.toml"
MAX_BYTES = 1 << 20


class Key(NamedTuple):
    """One key: how its value is written, and what it says."""

    form: str
    meaning: str


KEYS: dict[str, Key] = {
    "experiment": Key("text", "experiment kind"),
    "reader": Key("text", "file format, where the content does not tell"),
    "files": Key("list", "which files of a folder, for example '*_proc.csv'; ** goes into folders"),
    "table": Key("list", "which tables of a file (sheets, runs, groups), for example 'Run*'"),
    "tables": Key("text", "what the tables of one file are: 'cycle' or 'device'"),
    "schema": Key(
        "list", "names of the columns of a file without header; '...' last leaves the rest unnamed"
    ),
    "path": Key("text", "pattern of the path, for example '{radius}um/{amplitude}V_*.csv'"),
    "device": Key("text", "name of the device, for example '{die}_{sample}', from fields of the path"),
    "cycle": Key("text", "number of the cycle, for example '{run}', from fields of the path"),
    "columns": Key("pairs", "which column is which variable"),
    "units": Key("pairs", "unit in which the file states a variable"),
    "constants": Key("pairs", "quantities that no column holds, for example '5 kohm'"),
    "mask": Key("pairs", "when a value counts as missing, for example 'abs(current) > 1' (file's own units)"),
    "derive": Key("pairs", "variables computed from others, in SI, for example 'current / voltage'"),
    "where": Key("text", "rows that are used (file's own units)"),
    "switched": Key("text", "when a trial counts as switched (file's own units)"),
    "expect": Key("list", "what must hold in every row, in SI; a file that breaks it is refused"),
    "few_values": Key("flag", "accept readings of a few exact values, as a stimulus programme has"),
    "notes": Key(
        "list", "text files beside the data that are kept as metadata, for example '{file}_info.txt'"
    ),
    "device_family": Key("text", "kept as an attribute"),
    "temperature": Key("number", "in kelvin, kept as an attribute"),
    "instrument": Key("text", "kept as an attribute"),
    "wide": Key("wide", "a table with a trace, or several quantities, across its columns"),
    "join": Key("join", "a second file beside each, joined row by row"),
    "extract": Key("rules", "quantities drawn out after reading (see `charz extract`)"),
}
_PARTS = {
    "wide": {"keep": "list", "values": "list", "position": "text", "label": "text", "line": "text"},
    "join": {"file": "text", "columns": "pairs"},
}


@dataclass(frozen=True)
class Wide:
    """How a wide table becomes a long one.

    Parameters
    ----------
    keep : tuple of str
        SOURCEs of the columns that stay, repeated for every row that a line becomes.
    values : tuple of str
        Names that the other columns have in turn: ``("r_hrs", "r_lrs")`` for HRS, LRS, HRS, LRS, ...
    position : str
        Name of the running number, from 0, of each group of `values`.
    label : str
        Name of the quantity that stands in the header above each column (``0.9 V``), empty where there is none.
    line : str
        Name of the number of the line, from 1, that a row comes from, where the line is the device and no column
        says so; empty where it is not wanted.
    """

    keep: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    position: str = "position"
    label: str = ""
    line: str = ""


@dataclass(frozen=True)
class Join:
    """A second file in the same folder, joined row by row: its name, and which of its columns are what."""

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What the user said about files; `KEYS` says what each field means."""

    experiment: str | None = None
    reader: str | None = None
    files: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    tables: str | None = None
    schema: tuple[str, ...] = ()
    path: str | None = None
    device: str | None = None
    cycle: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    mask: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    switched: str | None = None
    expect: tuple[str, ...] = ()
    few_values: bool = False
    notes: tuple[str, ...] = ()
    device_family: str | None = None
    temperature: float | None = None
    instrument: str | None = None
    wide: Wide | None = None
    join: Join | None = None
    extract: tuple[Mapping[str, Any], ...] = ()

    def settings(self) -> dict[str, Any]:
        """Fields that were said, as plain values for the provenance."""
        return {
            item.name: _plain(value)
            for item in fields(self)
            if (value := getattr(self, item.name)) not in (None, (), {}, False)
        }

    def updated(self, keys: Mapping[str, Any], place: str) -> "Description":
        """Copy with more keys; pairs are added to the pairs that are there, other keys replaced.

        Raises
        ------
        ReadError
            As `description_from`.
        """
        new: dict[str, Any] = _checked(keys, place)
        for name, value in new.items():
            if KEYS[name].form == "pairs":
                new[name] = {**getattr(self, name), **value}
        return replace(self, **new)


def description_from(keys: Mapping[str, Any], place: str) -> Description:
    """Build a description from plain values.

    Parameters
    ----------
    keys : mapping
        As in TOML: strings, numbers, lists and tables; None means not said.
    place : str
        Where they come from, for messages.

    Raises
    ------
    ReadError
        For an unknown key (with the nearest known one) or a value of the wrong form.
    """
    return Description(**_checked(keys, place))


def load_description(path: Path | str) -> Description:
    """Read a description from a TOML file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When it is not TOML, or a key or value in it is not valid.
    """
    path = Path(path)
    if path.is_dir():
        raise ReadError(f"{path}: a folder, not a measurement description (TOML file)")
    if path.stat().st_size > MAX_BYTES:
        raise ReadError(f"{path}: larger than 1 MiB; a measurement description is a small TOML file")
    return description_from(read_toml(path, ReadError), str(path))


def _checked(keys: Mapping[str, Any], place: str) -> dict[str, Any]:
    found = {}
    for name, value in keys.items():
        if name not in KEYS:
            raise ReadError(f"{place}: unknown key {name!r}{_nearest(name, KEYS)} valid: {', '.join(KEYS)}")
        if value is not None:
            found[name] = _value(name, KEYS[name].form, value, place)
    return found


def _value(name: str, form: str, value: Any, place: str) -> Any:
    wrong = ReadError(f"{place}: {name} = {value!r} is not valid; it must be {_FORMS.get(form, form)}")
    match form:
        case "text":
            if not isinstance(value, str) or not value.strip():
                raise wrong
            return value
        case "flag":
            if not isinstance(value, bool):
                raise wrong
            return value
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise wrong
            with contextlib.suppress(OverflowError):
                return float(value)
            raise wrong
        case "list":
            items = [value] if isinstance(value, str) else value
            if not isinstance(items, list | tuple) or not all(
                isinstance(item, str) and item for item in items
            ):
                raise wrong
            return tuple(items)
        case "pairs":
            if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
                raise wrong
            return {_word(name, key, place): item for key, item in value.items()}
        case "rules":
            items = [value] if isinstance(value, Mapping) else value
            if not isinstance(items, list | tuple) or not all(_is_rule(item) for item in items):
                raise wrong
            return tuple(dict(item) for item in items)
    if isinstance(value, Wide | Join):
        value = {part: item for part, item in _plain(value).items() if item}
    if not isinstance(value, Mapping):
        raise wrong
    parts = _PARTS[form]
    for part in value:
        if part not in parts:
            raise ReadError(
                f"{place}: unknown key {name}.{part}{_nearest(part, parts)} valid: {', '.join(parts)}"
            )
    values = {part: _value(f"{name}.{part}", parts[part], item, place) for part, item in value.items()}
    if form == "join" and "file" not in values:
        raise ReadError(f"{place}: join needs 'file', the name of the second file beside each")
    if form == "wide" and not values.get("values"):
        raise ReadError(f"{place}: wide needs 'values', the names of the quantities across the columns")
    return Wide(**values) if form == "wide" else Join(**values)


_FORMS = {
    "text": "a text",
    "flag": "true or false",
    "number": "a number",
    "list": "a text, or a list of texts",
    "pairs": "a table of NAME = text",
    "wide": "a table with keep, values, position, label, line",
    "join": "a table with file and columns",
    "rules": "a list of tables ([[extract]]), each with a rule and its options",
}


def _is_rule(item: object) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("rule"), str)


def _word(name: str, key: str, place: str) -> str:
    if not isinstance(key, str) or not key.isidentifier():
        raise ReadError(
            f"{place}: {name}.{key!r}: the name must be a word of letters, digits and _, so that expressions "
            "can use it"
        )
    return key


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ";"


def _plain(value: Any) -> Any:
    if isinstance(value, Wide | Join):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
