"""Datasets on disk: one netCDF-4 file each, whole or not at all, the same bytes for the same data."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr

from charz.atomic import replacing
from charz.errors import ReadError, SchemaError
from charz.kinds import KINDS
from charz.schema import validate

# netCDF gives a list of one string back as that string; the names of such attributes are kept here, so that
# what is read equals what was written.
_SHORT_LISTS = "charz_short_lists"
_COMPRESSION_LEVEL = 4
# Attributes of a variable from which netCDF and xarray take how its values are packed.
_PACKING = frozenset(
    {"_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "dtype", "calendar"}
)
_NAME = re.compile(r"[^\W][^/\x00-\x1f\x7f]*(?<! )")
# A variable in days is a number, not a date.
_AS_STORED: dict[str, Any] = {"decode_times": False, "decode_timedelta": False}
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
# Long records are mostly noise, which hardly compresses and takes seconds to try.
_COMPRESSED_VALUES = 2_000_000


def save(dataset: xr.Dataset, path: Path | str) -> None:
    """Write a validated dataset to a netCDF-4 file.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of any experiment kind. Attributes are strings, numbers, or lists of one of these.
    path : path
        Replaced only when the new file is complete.

    Raises
    ------
    SchemaError
        When the dataset breaks the contract of its kind or an attribute cannot be stored.
    FileNotFoundError
        When the folder does not exist.
    """
    prepared = prepared_for_netcdf(validate(dataset))
    with replacing(path) as temporary:
        write_netcdf(prepared, temporary)


def save_result(dataset: xr.Dataset, path: Path | str) -> None:
    """Write a result that is not a measurement (a training run, a prediction), whole or not at all.

    Parameters
    ----------
    dataset : xarray.Dataset
        Attributes are strings and numbers.
    path : path
        Replaced only when the new file is complete.
    """
    with replacing(path) as temporary:
        write_netcdf(dataset, temporary)


def load_result(path: Path | str) -> xr.Dataset:
    """Read a result that `save_result` wrote.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When the file is no netCDF file, or is cut short.
    """
    path = Path(path)
    require_file(path)
    try:
        return xr.load_dataset(path, engine="netcdf4", **_AS_STORED)
    except Exception as error:  # the netCDF, HDF5 and xarray layers each raise errors of their own
        raise ReadError(
            f"{path}: not a readable netCDF file (cut short, damaged, or of another format; `charz convert` makes a"
            f" dataset of a laboratory's file): {error}"
        ) from error


def write_netcdf(dataset: xr.Dataset, path: Path, mode: Literal["w", "a"] = "w") -> None:
    """Write the numbers compressed, or append them; neither time stamps nor host names enter the file."""
    encoding: dict[Any, dict[str, Any]] = {
        name: {"zlib": True, "complevel": _COMPRESSION_LEVEL}
        for name, array in dataset.variables.items()
        if array.dtype.kind in "iufb" and array.ndim and array.size <= _COMPRESSED_VALUES
    }
    dataset.to_netcdf(path, mode=mode, engine="netcdf4", format="NETCDF4", encoding=encoding)


def load(path: Path | str) -> xr.Dataset:
    """Read a dataset that `save` wrote, and validate it.

    Parameters
    ----------
    path : path

    Returns
    -------
    xarray.Dataset
        In memory; the file is closed.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ReadError
        When the file is no netCDF file, is cut short, or holds something else than a charz dataset.
    SchemaError
        When its content breaks the contract of its kind.
    """
    path = Path(path)
    dataset = load_result(path)
    if "experiment" not in dataset.attrs:
        raise ReadError(
            f"{path}: a netCDF file, but not a dataset of charz: the attribute 'experiment' is missing; "
            "make one with 'charz convert' (posteriors and runs are read by the commands that wrote their "
            "kind)"
        )
    restored = _restore(dataset)
    try:
        return validate(restored)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from error


@contextmanager
def opened(path: Path | str) -> Iterator[xr.Dataset]:
    """Give a dataset that `save` wrote, its values still on disk and read when asked for; closed at the end.

    Raises
    ------
    ReadError
        As `load`; the values themselves are not validated again.
    """
    path = Path(path)
    require_file(path)
    with ExitStack() as stack:
        try:
            dataset = stack.enter_context(xr.open_dataset(path, engine="netcdf4", **_AS_STORED))
        except Exception as error:  # the netCDF, HDF5 and xarray layers each raise errors of their own
            raise ReadError(f"{path}: not a readable netCDF file (cut short, damaged): {error}") from error
        yield _restore(dataset)


def holds_dataset(path: Path) -> bool:
    """Whether a file is netCDF-4 and says of itself that it is a dataset of charz. Never raises."""
    from charz.readers.hdf5 import survive

    try:
        with path.open("rb") as stream:
            if not stream.read(8).startswith(b"\x89HDF"):
                return False
        survive(path)
        with netCDF4.Dataset(path) as file:
            return bool(file.variables) and "experiment" in file.ncattrs() and file.experiment in KINDS
    except Exception:  # the netCDF and HDF5 layers each raise errors of their own
        return False


def require_file(path: Path) -> None:
    """Raise unless `path` is a regular file.

    Raises
    ------
    FileNotFoundError
        When nothing is there.
    ReadError
        When it is a folder.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ReadError(f"{path}: a folder or device, not a file")


def write_attributes(target: netCDF4.Dataset, attrs: Mapping[str, Any]) -> None:
    """Set attributes of an open file in the form in which `save` writes them."""
    for name, value in attrs.items():
        if isinstance(value, list | tuple) and isinstance(value[0], str):
            target.setncattr_string(name, list(value))
        else:
            target.setncattr(name, value)


def prepared_for_netcdf(dataset: xr.Dataset) -> xr.Dataset:
    """Copy with storable attributes and without the encodings of the file it came from."""
    prepared = dataset.copy().drop_encoding()
    short: dict[str, list[str]] = {}
    for owner, attrs in _attributes(prepared):
        for name, value in list(attrs.items()):
            called = f"{owner}:{name}" if owner else name
            _refuse_name(called, name, value, reserved=bool(owner))
            attrs[name] = _storable(called, value)
            if isinstance(value, list | tuple) and len(value) == 1:
                short.setdefault(owner, []).append(name)
    if short:
        prepared.attrs[_SHORT_LISTS] = json.dumps(short, sort_keys=True)
    return prepared


def _restore(dataset: xr.Dataset) -> xr.Dataset:
    """Undo what netCDF does to attributes and labels."""
    restored = dataset.drop_encoding()
    short = json.loads(restored.attrs.pop(_SHORT_LISTS, "{}"))
    for owner, attrs in _attributes(restored):
        for name, value in list(attrs.items()):
            plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
            attrs[name] = [plain] if name in short.get(owner, []) else plain
    return restored


def _attributes(dataset: xr.Dataset) -> list[tuple[str, dict[Any, Any]]]:
    """Attribute dictionaries of the dataset (owner "") and of each variable."""
    return [("", dataset.attrs), *((str(name), array.attrs) for name, array in dataset.variables.items())]


def _refuse_name(called: str, name: object, value: Any, *, reserved: bool) -> None:
    """Raise for names that netCDF cannot hold, or by which it says how values are packed.

    Raises
    ------
    SchemaError
        Naming the attribute: under such a name it would be lost, or change the values of its variable.
    """
    fine = isinstance(name, str) and _NAME.fullmatch(name) and _encodable(name)
    if not fine or name == _SHORT_LISTS or name == "coordinates" or (reserved and name in _PACKING):
        raise SchemaError(
            f"attribute {called!r} = {value!r} cannot be stored: netCDF keeps such a name for itself, or does not "
            "allow it; valid is a word without '/' and control characters, other than "
            f"coordinates, {', '.join(sorted(_PACKING))}; rename it"
        )


def _storable(name: str, value: Any) -> Any:
    """Return the value if netCDF can hold it."""
    items = value if isinstance(value, list | tuple) else [value]
    kinds = {str if isinstance(item, str) else float for item in items}
    numbers = int | float | np.integer | np.floating
    fine = items and len(kinds) == 1 and all(
        isinstance(item, str | numbers) and not isinstance(item, bool) for item in items
    )  # fmt: skip
    beyond = any(isinstance(item, int) and not _LOWEST <= item <= _HIGHEST for item in items)
    if (
        not fine
        or beyond
        or any(isinstance(item, str) and ("\0" in item or not _encodable(item)) for item in items)
    ):
        raise SchemaError(
            f"attribute {name!r} = {value!r} cannot be stored; netCDF attributes are strings, numbers (integers of 64 "
            "bits) or lists of one of these; write nested values as one JSON string"
        )
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
