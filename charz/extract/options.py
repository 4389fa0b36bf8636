"""Options of extractors: words, whole numbers, quantities with units, and expressions over the dataset."""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import ExpressionError, SchemaError, UnitError
from charz.expressions import parse
from charz.extract.contract import Extractor
from charz.units import ARBITRARY, DIMENSIONLESS, parse_quantity


def nearest(name: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` where something known is spelled alike, otherwise nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_options(extractor: Extractor, options: Mapping[str, Any]) -> None:
    """Raise `SchemaError` for an option that is unknown, missing, or neither number, boolean nor string."""
    for name, value in options.items():
        if name not in extractor.options:
            valid = ", ".join(extractor.options) or "none"
            raise SchemaError(
                f"{extractor.name}: there is no option {name!r}{nearest(name, list(extractor.options))}; "
                f"valid: {valid}"
            )
        if not isinstance(value, bool | int | float | str):
            raise SchemaError(
                f"{extractor.name}: option {name} = {value!r} must be a number, true/false or a string"
            )
    for name in extractor.required:
        if name not in options:
            raise SchemaError(
                f"{extractor.name}: the option {name!r} must be given: {extractor.options[name]}"
            )


def choice(value: Any, name: str, valid: Sequence[str]) -> str:
    """Return a word out of `valid`.

    Raises
    ------
    SchemaError
        When it is none of them.
    """
    if value not in valid:
        raise SchemaError(
            f"option {name} = {value!r} is not valid{nearest(value, valid)}; valid: {', '.join(valid)}"
        )
    return str(value)


def truth(value: Any, name: str) -> bool:
    """Return true or false.

    Raises
    ------
    SchemaError
        When it is neither.
    """
    if not isinstance(value, bool):
        raise SchemaError(f"option {name} = {value!r} must be true or false")
    return value


def whole(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number that is at least `least`.

    Raises
    ------
    SchemaError
        When it is not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value != math.floor(value) or value < least:
        raise SchemaError(f"option {name} = {value!r} must be a whole number, {least} or more")
    return int(value)


def quantity(value: Any, name: str, units: str, *, positive: bool = False) -> float:
    """Value of a quantity option in the unit of the variable that it is compared with.

    Parameters
    ----------
    value : str, or number where `units` is ``arb`` or ``1``
        For example ``"0.3 V"``.
    name : str
        Of the option.
    units : str
        Canonical unit of the variable.
    positive : bool
        Whether zero and less is refused.

    Raises
    ------
    UnitError
        When the unit is missing or of another dimension.
    SchemaError
        When it must be above zero and is not.
    """
    bare = units in (ARBITRARY, DIMENSIONLESS)
    number = _bare_number(value)
    if number is not None and bare:
        found = number
    elif number is not None:
        raise UnitError(
            f"option {name} = {value!r} has no unit; write for example '{number:g} {units}', nothing is guessed"
        )
    else:
        found, _ = parse_quantity(str(value), f"option {name}", (units,), arbitrary=units == ARBITRARY)
    if positive and not found > 0:
        raise SchemaError(f"option {name} = {value!r} must be above zero")
    return found


def _bare_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def condition(
    dataset: xr.Dataset, text: Any, option: str, dims: Sequence[str], where: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Evaluate an expression over the dataset's variables, in SI, at every cell of `dims`.

    Parameters
    ----------
    dataset : xarray.Dataset
    text : str
        Names are those of variables, and of numeric coordinates, whose dims are among `dims`.
    option : str
        For messages.
    dims : sequence of str
    where : array of bool, shape of `dims`
        Cells that count; elsewhere the result is False.

    Raises
    ------
    ExpressionError
        When the expression is wrong or uses an unknown name.
    SchemaError
        When a value that it uses is missing where it counts.
    """
    expression = parse(str(text))
    known = {
        str(name): array
        for name, array in {**dataset.coords, **dataset.data_vars}.items()
        if set(array.dims) <= set(dims) and array.dtype.kind in "iuf"
    }
    columns = {}
    for name in expression.names:
        if name not in known:
            raise ExpressionError(
                f"option {option} = {expression.text!r} uses {name!r}, which is no variable of this dataset over "
                f"{', '.join(dims)}{nearest(name, list(known))}; known: {', '.join(known) or 'none'}"
            )
        columns[name] = _spread(dataset, known[name], dims)
        missing = where & np.isnan(columns[name])
        if missing.any():
            place = ", ".join(
                f"{dim} {dataset[dim].values[index[0]] if dim in dataset.coords else index[0]}"
                for dim, index in zip(dims, np.nonzero(missing), strict=True)
            )
            raise SchemaError(
                f"option {option} = {expression.text!r}: {name} is NaN at {place} ({int(missing.sum())} such "
                "cells); a comparison with a missing value would count as 'no', so complete or leave out such rows"
            )
    flat = {name: values.ravel() for name, values in columns.items()}
    return expression.mask(flat, where.size).reshape(where.shape) & where


def _spread(dataset: xr.Dataset, array: xr.DataArray, dims: Sequence[str]) -> NDArray[np.float64]:
    """Values of `array` as floats over all of `dims`, in that order."""
    ordered = array.transpose(*(dim for dim in dims if dim in array.dims)).values.astype(np.float64)
    shape = [dataset.sizes[dim] if dim in array.dims else 1 for dim in dims]
    return np.broadcast_to(ordered.reshape(shape), [dataset.sizes[dim] for dim in dims])
