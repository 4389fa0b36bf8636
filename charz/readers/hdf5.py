"""Any HDF5 file: each group is a table, its arrays are the columns; no other file is ever opened through it."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers import hdf5_probe
from charz.readers.arrays import TEXT, Stored, tables_of_arrays
from charz.readers.containers import printable, refuse_larger
from charz.readers.contract import Reader, Table
from charz.readers.guard import MAX_REASON, foreign

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOUN = "an HDF5 file"
MAX_RATIO = 100
MAX_EXTRA = 400_000_000
MAX_SECONDS = 6.0
SECONDS_PER_BYTE = 2e-8
UNIT_NAMES = ("units", "unit", "Units", "Unit", "UNIT")
# Attributes by which HDF5 and netCDF keep their own books.
INTERNAL = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS")


@dataclass
class Group:
    """What one group of a file holds, as far as it can be columns; `metadata` are its attributes as lines."""

    arrays: dict[str, Stored] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def open_hdf5(path: Path) -> list[Table]:
    """Read every group of a file.

    Returns
    -------
    list of Table
        Named by the path of their group. Attributes are metadata, as ``path@name: value``; a table has those
        of its group, of the groups above, and of groups that have no table.

    Raises
    ------
    ReadError
        When the file is damaged, or no array in it can be a column.
    """
    with opened(path) as file:
        groups = _walk(path, file)
    return tables_of_groups(path, groups, "HDF5")


def tables_of_groups(path: Path, groups: Mapping[str, Group], form: str) -> list[Table]:
    """Make the tables of each group, with the metadata that concern it.

    Parameters
    ----------
    path : Path
    groups : mapping of str to Group
        By their path in the file without leading slash; the root is empty.
    form : str
        Name of the format, for `Table.dialect`.

    Raises
    ------
    ReadError
        When no group has an array that can be columns.
    """
    long = [
        name for name, group in groups.items() if any(math.prod(a.shape) > 1 for a in group.arrays.values())
    ]
    # Groups of single values only describe the others, unless there are no others.
    tabled = long or [name for name, group in groups.items() if group.arrays]
    aside = [name for name in groups if name not in tabled]
    tables, reasons = [], []
    for name in tabled:
        group = groups[name]
        above = [other for other in groups if other != name and (other in aside or _holds(other, name))]
        lines = [line for other in above for line in _lines(other, groups[other], other in aside)]
        attrs = {"metadata": [*lines, *group.metadata]} if lines or group.metadata else {}
        remarks = [*group.remarks, *(remark for other in aside for remark in groups[other].remarks)]
        try:
            tables += tables_of_arrays(
                path, group.arrays, group.units, attrs, name, remarks=remarks, dialect={"format": form}
            )
        except ReadError as error:
            reasons.append(str(error))
    if tables:
        return tables
    reasons += [f"{path}: {remark}" for group in groups.values() for remark in group.remarks]
    raise ReadError(reasons[0] if reasons else f"{path}: it holds no arrays; there is nothing to read")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open with h5py a file that a child process has survived; yields the `h5py.File`.

    Raises
    ------
    ReadError
        When h5py is not installed, or the file is damaged or makes libhdf5 hang or crash.
    """
    import h5py

    survive(path)
    with foreign(path, NOUN), h5py.File(path, "r") as file:
        yield file


def stored_dataset(path: Path, dataset: Any) -> Stored:
    """Make a `Stored` of an HDF5 array, which opens the file when its rows are wanted."""
    import h5py

    place = dataset.name
    string = h5py.check_string_dtype(dataset.dtype)
    dtype = TEXT if string is not None and string.length is None else dataset.dtype

    def read(start: int, stop: int) -> NDArray[Any]:
        with foreign(f"{path}, {place}", NOUN), h5py.File(path, "r") as file:
            found = file[place]
            # One value has no rows to take a slice of.
            return found[start:stop] if found.shape else np.asarray(found[()])

    return Stored(tuple(map(int, dataset.shape)), np.dtype(dtype), read)


def lines_of(owner: str, attributes: Any, skip: Callable[[str], bool] = lambda name: False) -> list[str]:
    """Attributes as lines ``owner@name: value``, without those by which the formats keep their books."""
    names = [
        name for name in attributes if name not in INTERNAL and not name.startswith("_") and not skip(name)
    ]
    return [f"{owner}@{printable(name)}: {printable(attributes[name])}" for name in names]


def unit_of(attributes: Any) -> str | None:
    """Unit that the attributes of an array state, or None."""
    for name in UNIT_NAMES:
        if name in attributes and (text := printable(attributes[name])):
            return text
    return None


def survive(path: Path) -> None:
    """Let a child process open the file first; once for a file that has not changed since.

    Raises
    ------
    ReadError
        When the child process reports damage, hangs or crashes.
    """
    stat = path.stat()
    if reason := _death(str(path.absolute()), stat.st_mtime_ns, stat.st_size, MAX_SECONDS):
        raise ReadError(f"{path}: not {NOUN} that can be read{reason}")


@lru_cache(maxsize=64)
def _death(path: str, changed: int, size: int, seconds: float) -> str:
    """Why a child process did not survive the file as it was at the time `changed`; empty when it did."""
    limit = seconds + SECONDS_PER_BYTE * size
    command = [sys.executable, "-P", hdf5_probe.__file__, path]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return (
            f": libhdf5 was still busy after {limit:.0f} s, as it is with damaged files; copy the file again from its "
            "source"
        )
    if done.returncode == 0:
        return ""
    said = done.stderr.decode(errors="replace").strip()
    reason = said[:MAX_REASON] if done.returncode == 3 else f"libhdf5 crashed (exit code {done.returncode})"
    return f" (cut short, damaged, or of another format): {reason}"


def _walk(path: Path, file: Any) -> dict[str, Group]:
    """Every group by its path, in the order of the file."""
    import h5py

    groups: dict[str, Group] = {}
    waiting, seen, size = [("", file)], set(), 0
    while waiting:
        name, item = waiting.pop(0)
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        group = groups[name] = Group(metadata=lines_of(f"/{name}", item.attrs), remarks=_other_links(item))
        for key in hdf5_probe.hard_links(item):
            member = item[key]
            if isinstance(member, h5py.Group):
                waiting.append((f"{name}/{key}".removeprefix("/"), member))
            elif isinstance(member, h5py.Dataset):
                size += _add(path, group, key, member)
    refuse_larger(path, size, MAX_RATIO, MAX_EXTRA, "its arrays")
    return groups


def _add(path: Path, group: Group, key: str, dataset: Any) -> int:
    """Put an array into its group, and return its size in bytes."""
    group.metadata += lines_of(dataset.name, dataset.attrs, skip=UNIT_NAMES.__contains__)
    if dataset.shape is None:
        group.remarks.append(f"array {dataset.name!r} is left out: it is empty")
        return 0
    if reason := hdf5_probe.elsewhere(dataset):
        group.remarks.append(f"array {dataset.name!r} is left out: {reason}")
        return 0
    group.arrays[key] = stored_dataset(path, dataset)
    if unit := unit_of(dataset.attrs):
        group.units[key] = unit
    return hdf5_probe.num_bytes(dataset)


def _other_links(group: Any) -> list[str]:
    """Remarks on the links that are not followed."""
    import h5py

    remarks = []
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            remarks.append(
                f"link {name!r} leads to another file and is never followed; read {link.filename!r} itself"
            )
        elif isinstance(link, h5py.SoftLink):
            remarks.append(
                f"link {name!r} is not followed; what it names is read at its own place, {link.path!r}"
            )
    return remarks


def _holds(outer: str, inner: str) -> bool:
    return not outer or inner.startswith(f"{outer}/")


def _lines(name: str, group: Group, aside: bool) -> list[str]:
    """Attributes of a group, and its single values where it has no table of its own."""
    if not aside:
        return group.metadata
    values = []
    for key, array in group.arrays.items():
        if math.prod(array.shape) == 1 and array.dtype.names is None:
            unit = f" {group.units[key]}" if key in group.units else ""
            cell = np.asarray(array.read(0, 1)).reshape(-1)[0]
            values.append(f"/{name}/{key}: {printable(cell)}{unit}".replace("//", "/"))
    return [*group.metadata, *values]


def _is_hdf5(path: Path, head: bytes) -> bool:
    # A user block of 512, 1024, ... bytes may stand in front.
    return any(head.startswith(SIGNATURE, place) for place in (0, *(512 << n for n in range(8))))


READER = Reader("hdf5", "HDF5 files: a group is a table, an array a column", _is_hdf5, open_hdf5)
