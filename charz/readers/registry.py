"""The table of readers, and how one is found for a file."""

import difflib
from pathlib import Path

from charz.errors import ReadError
from charz.readers import (
    delimited,
    easyexpert,
    excel,
    hdf5,
    keithley,
    labview,
    matlab,
    netcdf,
    numpy_files,
    oscilloscope,
    parquet,
    tdms,
)
from charz.readers.contract import Reader, Table
from charz.readers.text import SNIFFED_BYTES
from charz.store import require_file

# In the order in which they are asked; delimited text takes whatever is text, so it comes last.
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        parquet.READER,
        tdms.READER,
        matlab.READER,
        numpy_files.READER,
        netcdf.READER,
        hdf5.READER,
        keithley.READER,
        excel.READER,
        easyexpert.READER,
        oscilloscope.READER,
        labview.READER,
        delimited.READER,
    )
}


def find_reader(path: Path, name: str | None = None) -> Reader:
    """Reader that recognises a file, or the one named.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When no reader recognises the file, or no reader has that name.
    """
    require_file(path)
    if name is not None:
        if name not in READERS:
            close = difflib.get_close_matches(name, READERS, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ReadError(f"reader {name!r} does not exist{hint}; valid: {', '.join(READERS)}")
        return READERS[name]
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_BYTES)
    for candidate in READERS.values():
        if candidate.sniff(path, head):
            return candidate
    raise ReadError(f"{path}: no reader recognises this file; readers: {', '.join(READERS)}")


def open_tables(path: Path | str, reader: str | None = None) -> list[Table]:
    """Open one file with the reader that recognises it, or with the one named.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When no reader recognises the file, no reader has that name, or the file cannot be read.
    """
    path = Path(path)
    return find_reader(path, reader).open(path)


def open_table(path: Path | str, reader: str | None = None) -> Table:
    """Open a file that is one table.

    Raises
    ------
    FileNotFoundError, ReadError
        As `open_tables`; also when the file has several tables.
    """
    tables = open_tables(path, reader)
    if len(tables) > 1:
        raise ReadError(
            f"{path}: {len(tables)} tables ({', '.join(table.name for table in tables[:10])}, ...); open them with "
            "open_tables, or choose one with --table NAME"
        )
    return tables[0]
