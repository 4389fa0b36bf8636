"""Validation of datasets against the table of experiment kinds (`charz.kinds`).

A dataset that passed `validate` can be fitted without further questions.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.finite import all_finite
from charz.kinds import FLAG_INTERVAL, KINDS, Kind, Variable, kind_named
from charz.units import ARBITRARY

__all__ = ["KINDS", "validate"]


def validate(dataset: xr.Dataset) -> xr.Dataset:
    """Check a dataset against the contract of its experiment kind.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the attribute ``experiment``; variables in SI with the attributes ``units`` and ``long_name``.
        In ``pulse_switching`` every variable has dims (device, setting); devices with fewer settings are
        padded with ``amplitude`` NaN and ``num_trials`` 0.

    Returns
    -------
    xarray.Dataset
        The same dataset.

    Raises
    ------
    SchemaError
        Naming the kind, the variable, the first offending cell, its value, what is valid, and why.
    """
    if "experiment" not in dataset.attrs:
        raise SchemaError(
            "the dataset has no attribute 'experiment', so nobody can say what it holds; valid: "
            f"{', '.join(KINDS)}"
        )
    kind = kind_named(dataset.attrs["experiment"])
    _check_dims(dataset, kind)
    for variable in kind.variables:
        if variable.name in dataset:
            _check_variable(dataset, kind, variable)
        elif variable.required:
            raise SchemaError(
                f"{kind.name}: variable {variable.name!r} ({variable.long_name}) is missing; "
                f"it needs dims {variable.dims} and the unit {_choices(variable)}"
            )
    if kind.one_of and not any(name in dataset for name in kind.one_of):
        raise SchemaError(f"{kind.name}: one of the variables {' or '.join(kind.one_of)} must be there")
    _check_labels(dataset, kind)
    if kind.name == "pulse_switching":
        _check_counts(dataset)
    if kind.name == "ramp_switching" and "censored" in dataset:
        _check_censoring(dataset)
    return dataset


def _choices(variable: Variable) -> str:
    return " or ".join((*variable.units, ARBITRARY) if variable.arbitrary else variable.units)


def _check_dims(dataset: xr.Dataset, kind: Kind) -> None:
    for dim in kind.dims:
        if dim not in dataset.dims:
            raise SchemaError(
                f"{kind.name}: dimension {dim!r} is missing; the dims are {kind.dims}, here "
                f"{tuple(dataset.dims)}"
            )
        if dataset.sizes[dim] == 0:
            raise SchemaError(f"{kind.name}: dimension {dim!r} is empty; there is nothing to fit")


def _check_labels(dataset: xr.Dataset, kind: Kind) -> None:
    if kind.dims[0] != "device":
        return
    if "device" not in dataset.coords:
        raise SchemaError(f"{kind.name}: coordinate 'device' is missing; name every device by a string")
    names = dataset["device"].values
    if not all(isinstance(name, str) for name in names.tolist()):
        raise SchemaError(f"{kind.name}: coordinate 'device' must hold strings, not {names.dtype}")
    if len(set(names.tolist())) < names.size:
        raise SchemaError(f"{kind.name}: two devices have the same name; names must tell them apart")


def _check_variable(dataset: xr.Dataset, kind: Kind, variable: Variable) -> None:
    array = dataset[variable.name]
    what = f"{kind.name}: variable {variable.name!r}"
    if array.dims != variable.dims:
        raise SchemaError(f"{what} has dims {array.dims}; they must be {variable.dims}, in this order")
    wanted = "iu" if variable.values == "integer" else "f"
    if array.dtype.kind not in wanted:
        noun = "integers" if variable.values == "integer" else "floating-point numbers"
        raise SchemaError(f"{what} is of type {array.dtype}; it must hold {noun}")
    units = array.attrs.get("units")
    if units not in variable.units and not (variable.arbitrary and units == ARBITRARY):
        raise SchemaError(f"{what} has units {units!r}; it must be stored in {_choices(variable)}")
    if not array.attrs.get("long_name"):
        raise SchemaError(f"{what} has no attribute 'long_name'; axes and tables are labelled from it")
    values = array.values
    if not all_finite(values) and np.isinf(values).any():
        raise SchemaError(_cell(dataset, variable.name, kind, np.isinf(values), "a finite number or NaN"))
    if variable.positive and (values <= 0).any():
        raise SchemaError(_cell(dataset, variable.name, kind, values <= 0, "above zero"))
    if variable.increasing is not None:
        axis = variable.dims.index(variable.increasing)
        ahead, behind = (np.moveaxis(values, axis, -1)[..., cut] for cut in (slice(1, None), slice(-1)))
        if (ahead < behind).any():
            backward = np.insert(np.moveaxis(ahead < behind, -1, axis), 0, False, axis=axis)
            raise SchemaError(
                _cell(
                    dataset,
                    variable.name,
                    kind,
                    backward,
                    "not before the one ahead of it: time runs forward",
                )
            )


def _check_counts(dataset: xr.Dataset) -> None:
    kind = KINDS["pulse_switching"]
    trials = dataset["num_trials"].values
    switched = dataset["num_switched"].values
    checks = (
        ("num_trials", trials < 0, "zero or more, a count of pulses"),
        ("num_switched", switched < 0, "zero or more, a count of pulses"),
        (
            "num_switched",
            switched > trials,
            "at most num_trials: no more pulses can switch than were applied",
        ),
        (
            "amplitude",
            (trials > 0) & ~np.isfinite(dataset["amplitude"].values),
            "a number wherever num_trials is above zero: a trial without its drive cannot be fitted",
        ),
    )
    for name, wrong, valid in checks:
        if wrong.any():
            raise SchemaError(_cell(dataset, name, kind, wrong, valid))
    if "width" in dataset:
        wrong = (trials > 0) & np.isnan(dataset["width"].values)
        if wrong.any():
            raise SchemaError(
                _cell(dataset, "width", kind, wrong, "a number wherever num_trials is above zero")
            )
    if not trials.any():
        raise SchemaError("pulse_switching: num_trials is zero everywhere; there is nothing to fit")


def _check_censoring(dataset: xr.Dataset) -> None:
    flags = dataset["censored"].values
    wrong = (flags < 0) | (flags > FLAG_INTERVAL)
    if wrong.any():
        raise SchemaError(
            _cell(
                dataset, "censored", KINDS["ramp_switching"], wrong, "0 none, 1 left, 2 right or 3 interval"
            )
        )


def _cell(dataset: xr.Dataset, name: str, kind: Kind, wrong: NDArray[np.bool_], valid: str) -> str:
    """Sentence about the first cell where `wrong` holds."""
    array = dataset[name]
    index = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    place = []
    for dim, position in zip(array.dims, index, strict=True):
        label = array.coords[dim].values[position] if dim in array.coords else position
        place.append(f"{dim} {label!s}")
    count = int(wrong.sum())
    more = f" ({count} such cells)" if count > 1 else ""
    return f"{kind.name}: {name} = {array.values[index]!s} at {', '.join(place)}{more}; it must be {valid}"
