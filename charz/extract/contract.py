"""The contract of an extractor: a validated dataset in, a dataset of a (possibly other) kind out. One a file."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError

Option = float | int | bool | str
# A variable as xarray takes it: dims, values, attributes.
Labelled = tuple[tuple[str, ...], NDArray, dict[str, str]]


class Extractor(NamedTuple):
    """One rule by which a physical quantity is drawn out of a dataset.

    Parameters
    ----------
    name : str
        For ``charz extract NAME``.
    summary : str
    takes : tuple of str
        Experiment kinds that it reads.
    gives : str
        Kind of the result.
    options : mapping of str to str
        What each option means, for the command line. Values are numbers, booleans or strings; a quantity is a
        string with its unit such as ``"0.3 V"``.
    run : callable
        From the dataset (validated) and the options by keyword to the result, whose attributes are only
        ``experiment`` (its kind) and ``extract_rule`` (one sentence with the numbers used). Raises `CharzError`.
    required : tuple of str
        Options without which it does not run.
    may_give : tuple of str
        Other kinds that an option or the input can lead to.
    """

    name: str
    summary: str
    takes: tuple[str, ...]
    gives: str
    options: Mapping[str, str]
    run: Callable[..., xr.Dataset]
    required: tuple[str, ...] = ()
    may_give: tuple[str, ...] = ()


def labelled(
    dims: Sequence[str], values: NDArray, units: str, long_name: str, comment: str | None = None
) -> Labelled:
    """Join values with the labels that every stored variable has."""
    attrs = {"units": units, "long_name": long_name}
    return tuple(dims), values, attrs if comment is None else {**attrs, "comment": comment}


def new_kind(
    source: xr.Dataset, kind: str, rule: str, variables: Mapping[str, Labelled], dims: Sequence[str] = ()
) -> xr.Dataset:
    """Dataset of another kind that keeps the coordinates of `source` along `dims`."""
    coords = {
        name: coord for name, coord in source.coords.items() if set(coord.dims) <= set(dims) and coord.dims
    }
    return xr.Dataset(
        dict(variables), coords=coords, attrs={"experiment": kind, "extract_rule": rule}
    )  # fmt: skip


def same_kind(source: xr.Dataset, rule: str, variables: Mapping[str, Labelled]) -> xr.Dataset:
    """Dataset of the same kind with more variables; an earlier extraction's variables of these names go."""
    replaced = [name for name in variables if name in source]
    own_dims = {dim for name in variables for dim in variables[name][0]}
    # A table of another length from an earlier run would not fit beside the new one.
    stale = [
        str(name)
        for name, array in source.variables.items()
        if any(dim in own_dims and source.sizes[dim] != _size(variables, str(dim)) for dim in array.dims)
    ]
    result = source.drop_vars([*replaced, *(name for name in stale if name not in replaced)])
    result = result.assign(dict(variables))
    result.attrs = {"experiment": source.attrs["experiment"], "extract_rule": rule}
    return result


def device_name(dataset: xr.Dataset, position: int) -> str:
    """How messages call a device."""
    return str(dataset["device"].values[position])


def record_name(dataset: xr.Dataset, device: int, cycle: int) -> str:
    """How messages call one cycle of one device."""
    label = dataset["cycle"].values[cycle] if "cycle" in dataset.coords else cycle
    return f"device {device_name(dataset, device)}, cycle {label}"


def require_units(dataset: xr.Dataset, name: str, valid: Sequence[str], reason: str) -> str:
    """Return the unit of a variable.

    Raises
    ------
    SchemaError
        When it is none of the valid ones.
    """
    units = str(dataset[name].attrs.get("units"))
    if units not in valid:
        raise SchemaError(
            f"variable {name!r} has the unit {units!r}; valid is {' or '.join(valid)}: {reason}"
        )
    return units


def _size(variables: Mapping[str, Labelled], dim: str) -> int:
    return next(int(values.shape[dims.index(dim)]) for dims, values, _ in variables.values() if dim in dims)
