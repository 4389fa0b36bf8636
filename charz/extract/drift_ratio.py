"""Drift of each device: last values against first ones."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, device_name, labelled, require_units, same_kind
from charz.extract.options import choice, whole
from charz.kinds import RETAINED

_DEVICE = ("device",)
OF = RETAINED


def drift_ratio(dataset: xr.Dataset, last: Any = 50, first: Any = 1, of: str | None = None) -> xr.Dataset:
    """Compare the mean of the last values of each record with that of its first ones.

    ``drift_ratio`` = mean(last) / mean(first) and ``log_drift`` = mean(ln last) - mean(ln first), over the values
    that are not NaN.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``retention``, or ``telegraph`` with a signal in ohm or S.
    last, first : int
        How many values.
    of : {"resistance", "conductance", "error_rate"}, optional
        Where a retention dataset has both.

    Returns
    -------
    xarray.Dataset
        The dataset with ``drift_ratio`` and ``log_drift`` over (device,). ``log_drift`` is NaN where a value at or
        below zero has no logarithm.

    Raises
    ------
    SchemaError
        When a device has fewer values than are asked for, its first ones have the mean zero, or it is not said
        which variable is meant.
    """
    num_last, num_first = whole(last, "last"), whole(first, "first")
    name = _variable(dataset, of)
    values = dataset[name].values
    valid = np.isfinite(values)
    count = valid.sum(axis=1)
    short = count < num_first + num_last
    if short.any():
        device = int(np.argmax(short))
        raise SchemaError(
            f"drift_ratio: {name} of device {device_name(dataset, device)} has {count[device]} values, fewer than the "
            f"first {num_first} and last {num_last} together; values compared with themselves do not drift, choose "
            "smaller numbers"
        )
    rank = np.cumsum(valid, axis=1)
    parts = (valid & (rank > (count - num_last)[:, None]), valid & (rank <= num_first))
    ending, opening = (_mean(values, part) for part in parts)
    if (opening == 0).any():
        raise SchemaError(
            f"drift_ratio: the first {num_first} values of {name} of device "
            f"{device_name(dataset, int(np.argmax(opening == 0)))} have the mean 0; a ratio to zero is not defined"
        )
    undefined = ((values <= 0) & (parts[0] | parts[1])).any(axis=1)
    logs = np.log(np.where(values > 0, values, 1.0))
    log_drift = np.where(undefined, np.nan, _mean(logs, parts[0]) - _mean(logs, parts[1]))
    rule = (
        f"drift_ratio = mean of the last {num_last} values of {name} / mean of the first {num_first}; log_drift = "
        f"difference of their mean logarithms, not defined for {int(undefined.sum())} of {undefined.size} devices"
    )
    variables = {
        "drift_ratio": labelled(_DEVICE, ending / opening, "1", f"last {name} / first {name}"),
        "log_drift": labelled(_DEVICE, log_drift, "1", f"mean ln of the last {name} - of the first"),
    }
    return same_kind(dataset, rule, variables)


def _variable(dataset: xr.Dataset, of: str | None) -> str:
    if dataset.attrs["experiment"] == "telegraph":
        if of is not None:
            raise SchemaError("drift_ratio: the option 'of' belongs to retention; telegraph has one signal")
        require_units(dataset, "signal", ("ohm", "S"), "the drift of a state is that of its resistance")
        return "signal"
    present = [name for name in OF if name in dataset]
    if of is not None:
        return choice(of, "of", present)
    if len(present) > 1:
        raise SchemaError(
            "drift_ratio: the dataset has resistance and conductance, whose mean ratios are not each other's inverse; "
            "say which with of = 'resistance' or 'conductance'"
        )
    return present[0]


def _mean(values: NDArray[np.float64], part: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(part, values, 0.0).sum(axis=1) / part.sum(axis=1)


EXTRACTOR = Extractor(
    "drift_ratio",
    "last values of each record against its first ones",
    ("retention", "telegraph"),
    "retention",
    {
        "last": "how many of the last values (default 50)",
        "first": "how many of the first values (default 1)",
        "of": "resistance or conductance, where a dataset has both",
    },
    drift_ratio,
    may_give=("telegraph",),
)
