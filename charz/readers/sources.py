"""From the paths a user names to the tables that are read, each with its device and cycle."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from charz.description import BESIDE, Description, Join, load_description
from charz.errors import ReadError
from charz.kinds import Kind
from charz.readers.contract import Table
from charz.readers.joining import IN_PARTS
from charz.readers.paths import expand, field_number, filled, path_fields, standard_fields
from charz.readers.registry import open_tables
from charz.readers.reshape import beside, unpivot, with_schema
from charz.readers.select import Source
from charz.store import holds_dataset

_LAST_NUMBER = re.compile(r"(\d+)\D*$")
TABLES_ARE = ("cycle", "device")


def description_beside(paths: Sequence[Path]) -> Path | None:
    """``charz.toml`` in the folder that is read, or in the one folder of all files; None where there is none."""
    folders = {path if path.is_dir() else path.parent for path in paths}
    if len(folders) != 1 or not (found := folders.pop() / BESIDE).is_file():
        return None
    # A dataset of charz that lies beside its sources needs no description any more.
    return None if all(path.is_file() and holds_dataset(path) for path in paths) else found


def described(description: Description | Path | str | None, paths: Sequence[Path]) -> Description:
    """Description that was given, or the one beside the data, or an empty one."""
    if isinstance(description, Description):
        return description
    found = description if description is not None else description_beside(paths)
    return load_description(found) if found is not None else Description()


def files_of(paths: Sequence[Path], said: Description) -> list[Path]:
    """Files to read: those named, and those in the folders named.

    Raises
    ------
    ReadError
        When no path was given, or a folder has no file.
    """
    if not paths:
        raise ReadError("no file was given; name at least one")
    second = [said.join.file] if said.join is not None else []
    files = expand(paths, said.files, [BESIDE, *second])
    places = [file.resolve() for file in files]
    if len(set(places)) < len(places):
        twice = next(file for file, place in zip(files, places, strict=True) if places.count(place) > 1)
        raise ReadError(
            f"{twice}: is named twice (as a file, or in a folder); its rows would count double, name it once"
        )
    return files


def tables_of(path: Path, said: Description) -> list[Table]:
    """Tables of one file as the description wants them: chosen by name, named by schema, made long, joined.

    Raises
    ------
    ReadError
        When no table has the name, or one does not fit its schema.
    """
    tables = open_tables(path, said.reader)
    if said.table:
        chosen = [table for table in tables if any(fnmatchcase(table.name, name) for name in said.table)]
        if not chosen:
            raise ReadError(
                f"{path}: no table is called {' or '.join(said.table)}; there are: "
                f"{', '.join(table.name or '(without name)' for table in tables)}"
            )
        tables = chosen
    tables = [with_schema(table, said.schema) for table in tables]
    if said.join is not None:
        tables = [_joined(table, said.join, said.reader) for table in tables]
    return [unpivot(table, said.wide) for table in tables]


def joined_files(files: Sequence[Path], said: Description) -> list[Path]:
    """Second files that are joined to those read."""
    return [] if said.join is None else [_beside(file, said.join) for file in files]


def _beside(path: Path, join: Join) -> Path:
    return path.with_name(filled(join.file, standard_fields(path), "join.file", str(path)))


def _joined(table: Table, join: Join, reader: str | None) -> Table:
    second = _beside(table.path, join)
    others = open_tables(second, reader)
    if len(others) > 1:
        raise ReadError(f"{second}: {len(others)} tables; a joined file must be one table")
    return beside(table, others[0], dict(join.columns))


def sources_of(files: Sequence[Path], said: Description, kind: Kind) -> Iterator[Source]:
    """Open the files one after the other and name the device and cycle of each table.

    Raises
    ------
    ReadError
        When two tables would be the same device and cycle, or a name cannot be made.
    """
    if said.tables is not None and said.tables not in TABLES_ARE:
        raise ReadError(
            f"tables = {said.tables!r} is not valid; the tables of a file are {' or '.join(TABLES_ARE)}"
        )
    named = said.device is not None or "device" in said.columns or kind.dims[0] != "device"
    names = [""] * len(files) if named else file_names(files)
    seen: dict[tuple[str, float | None], str] = {}
    for path, name in zip(files, names, strict=True):
        tables = tables_of(path, said)
        fields = path_fields(path, said.path) if said.path is not None else standard_fields(path)
        for number, table in enumerate(tables):
            source = _source(table, number, len(tables), fields, name, said, kind)
            if "device" not in said.columns and "cycle" not in (*said.columns, *said.derive):
                _refuse_same(source, seen, kind)
            yield source


def _source(
    table: Table, number: int, count: int, fields: dict[str, str], name: str, said: Description, kind: Kind
) -> Source:
    known = {**fields, "table": table.name}
    device, cycle = name, None
    if said.device is not None:
        device = filled(said.device, known, "device", table.place)
    if said.cycle is not None:
        text = filled(said.cycle, known, "cycle", table.place)
        match, number_in_text = _LAST_NUMBER.search(text), field_number(text)
        if match is None:
            raise ReadError(
                f"{table.place}: cycle = {said.cycle!r} gives {text!r}, in which there is no number"
            )
        # "1.5" is a number as a whole; of "run_3" only the end is one.
        cycle = float(match.group(1)) if number_in_text is None else number_in_text
    elif count > 1:
        means = said.tables or ("cycle" if "cycle" in kind.dims else None)
        if means is None:
            raise ReadError(
                f"{table.path}: {count} tables in one file, and {kind.name} has no cycles; choose one with --table "
                f"NAME (the first is {table.name!r}), or say that they are devices with --tables device"
            )
        if means == "device" and said.device is None:
            device = f"{name} {table.name}".strip()
        if means == "cycle":
            last = _LAST_NUMBER.search(table.name)
            cycle = float(last.group(1)) if last else float(number)
    return Source(table, device, cycle, fields)


def _refuse_same(source: Source, seen: dict[tuple[str, float | None], str], kind: Kind) -> None:
    """Raise for a second record of the same device and cycle: one appended to the other would be a false trace."""
    if kind.name in IN_PARTS:
        return
    key = (source.device, source.cycle)
    if key in seen:
        what = f"device {source.device!r}" + ("" if source.cycle is None else f", cycle {source.cycle:g}")
        raise ReadError(
            f"{source.table.place}: {what} was already read from {seen[key]}; say what tells them apart with "
            "--device or --cycle, by fields of --path"
        )
    seen[key] = source.table.place


def file_names(paths: Sequence[Path]) -> list[str]:
    """Name a device after each file: its stem, with the folder in front where stems repeat.

    Raises
    ------
    ReadError
        When two files would give the same name.
    """
    stems = [standard_fields(path)["file"] for path in paths]
    if len(set(stems)) < len(stems):
        stems = [f"{path.absolute().parent.name}/{stem}" for path, stem in zip(paths, stems, strict=True)]
    if len(set(stems)) < len(stems):
        raise ReadError(
            "two of the files have the same folder and name, so their devices cannot be told apart; give every file "
            "once, name devices by the path with --path and --device, or map a column with --column device=SOURCE"
        )
    return stems
