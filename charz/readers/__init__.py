"""Readers: one file format a module, found by content or by name; `read` makes datasets of their rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from charz.errors import ReadError, SchemaError
from charz.kinds import kind_named
from charz.provenance import provenance, sha256
from charz.readers import delimited
from charz.readers.contract import Reader, Table
from charz.readers.mapping import OUTCOME, Request, device_names, join, select
from charz.readers.text import SNIFFED_BYTES
from charz.rows import to_dataset
from charz.schema import validate
from charz.store import require_file

__all__ = ["READERS", "open_table", "read"]

# In the order in which they are asked; delimited text takes whatever is text, so it comes last.
READERS: dict[str, Reader] = {reader.name: reader for reader in (delimited.READER,)}


def open_table(path: Path | str, reader: str | None = None) -> Table:
    """Open one file with the reader that recognises it, or with the one named.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When no reader recognises the file, or no reader has that name.
    """
    path = Path(path)
    require_file(path)
    if reader is not None:
        if reader not in READERS:
            raise ReadError(f"reader {reader!r} does not exist; valid: {', '.join(READERS)}")
        return READERS[reader].open(path)
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_BYTES)
    for candidate in READERS.values():
        if candidate.sniff(path, head):
            return candidate.open(path)
    raise ReadError(f"{path}: no reader recognises this file; readers: {', '.join(READERS)}")


def read(
    path: Path | str | Sequence[Path | str],
    experiment: str,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    *,
    where: str | None = None,
    switched: str | None = None,
    reader: str | None = None,
    device_family: str | None = None,
    temperature: float | None = None,
    instrument: str | None = None,
) -> xr.Dataset:
    """Read laboratory files into one validated dataset.

    Parameters
    ----------
    path : path or sequence of paths
        Each file is one device, named after the file, unless a column is mapped to ``device``.
    experiment : str
        Experiment kind, for example ``"pulse_switching"``; all are in `charz.kinds.KINDS`.
    columns : mapping of NAME to SOURCE, optional
        SOURCE is the text of a header cell, or ``"@4"`` for the fourth column. A header cell that is spelled
        like a variable of the kind needs no entry. A NAME that is no variable of the kind is kept as its mean
        over the rows of each setting.
    units : mapping of NAME to unit, optional
        Unit in which the file states NAME (``"mV"``, ``"ns"``, ``"Oe"``, ``"1"``); wins over a unit in the
        header. ``"arb"`` says that the unit is not known. Nothing is guessed.
    where : str, optional
        Keep only rows for which this expression over the NAMEs holds; values are in the file's own units.
    switched : str, optional
        When a trial counts as switched, for example ``"r_after < 20e3"``, for files with one trial a row.
    reader : str, optional
        Name of the reader; by default the content decides.
    device_family, instrument : str, optional
        Kept as attributes.
    temperature : float, optional
        In kelvin; kept as an attribute.

    Returns
    -------
    xarray.Dataset
        In SI; attributes hold the rules, the names and SHA-256 of the sources, and the version of charz.

    Raises
    ------
    ReadError, UnitError, ExpressionError, SchemaError
        In one line: file, row, column, value, and what would be valid.

    Examples
    --------
    >>> dataset = read(  # doctest: +SKIP
    ...     "wires.csv", "pulse_switching", units={"amplitude": "mV"}
    ... )
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if not paths:
        raise ReadError("no file was given; name at least one")
    request = Request(kind_named(experiment), dict(columns or {}), dict(units or {}), where, switched)
    if temperature is not None and not temperature > 0:
        raise SchemaError(f"temperature = {temperature} K; it must be above zero, in kelvin")
    tables = [open_table(one, reader) for one in paths]
    names = device_names(paths) if "device" not in request.columns else ["" for _ in paths]
    parts = [select(table, request, name) for table, name in zip(tables, names, strict=True)]
    rows, labels, outcome = join(parts)
    dataset = to_dataset(request.kind, rows, labels, outcome)
    metadata = [line for table in tables for line in table.attrs.get("metadata", [])]
    settings = {
        "experiment": experiment,
        "columns": request.columns,
        "units": request.units,
        "where": where,
        "switched": switched,
        "reader": reader,
    }
    attrs = {
        "experiment": experiment,
        "device_family": device_family,
        "temperature": temperature,
        "instrument": instrument,
        "source_file": _one_or_list([one.name for one in paths]),
        "source_sha256": _one_or_list([sha256(one) for one in paths]),
        "where_rule": where,
        "switched_rule": switched if switched is not None else (OUTCOME if OUTCOME in labels else None),
        "num_rows_read": sum(part.num_read for part in parts),
        "num_rows_kept": len(rows.line),
        "unused_columns": sorted({name for part in parts for name in part.unused}),
        "source_metadata": metadata,
        **provenance(paths, settings=settings),
    }
    # netCDF has neither None nor empty lists.
    dataset.attrs = {name: value for name, value in attrs.items() if value is not None and value != []}
    return validate(dataset)


def _one_or_list(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
