"""Censoring of logs that hold only the last step of each ramp: which thresholds are bounds, not values."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, labelled, record_name, same_kind
from charz.extract.options import condition, quantity
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

_CYCLE = ("device", "cycle")


def censoring(
    dataset: xr.Dataset, left: str | None = None, right: str | None = None, step: Any = None
) -> xr.Dataset:
    """Flag thresholds as left-, right- or interval-censored.

    Where `left` holds, the threshold lies at or below the recorded value (the device conducted before the
    ramp); where `right` holds, above it (it never switched); elsewhere, with a grid of `step`, in
    (threshold - step, threshold].

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``ramp_switching``, without censoring.
    left, right : str, optional
        Expressions over the dataset's variables, in SI.
    step : quantity in the unit of the threshold, optional

    Returns
    -------
    xarray.Dataset
        The dataset with ``censored``, ``lower`` and ``upper``.

    Raises
    ------
    SchemaError
        When no option is given, a threshold is both left- and right-censored, or censoring is there already.
    """
    if left is None and right is None and step is None:
        raise SchemaError(
            "censoring: give at least one of the options left, right and step; none leaves all as it is"
        )
    if "censored" in dataset and dataset["censored"].values.any():
        raise SchemaError(
            "censoring: the dataset has censored thresholds already; flags that were measured are not overwritten"
        )
    threshold = dataset["threshold"].values
    units = str(dataset["threshold"].attrs["units"])
    measured = np.isfinite(threshold)
    below = _where(dataset, left, "left", measured)
    above = _where(dataset, right, "right", measured)
    if (below & above).any():
        device, cycle = np.argwhere(below & above)[0]
        raise SchemaError(
            f"censoring: threshold = {threshold[device, cycle]:g} {units} of {record_name(dataset, device, cycle)} is "
            f"left-censored by {left!r} and right-censored by {right!r}; it cannot lie below and above one value"
        )
    width = 0.0 if step is None else quantity(step, "step", units, positive=True)
    inner = measured & ~below & ~above & (width > 0)
    flag = np.select([below, above, inner], [FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL], FLAG_NONE).astype(
        np.int64
    )
    lower = np.select([above, inner], [threshold, threshold - width], np.nan)
    upper = np.where(below | inner, threshold, np.nan)
    rule = (
        f"left-censored: {left or 'none'} ({int(below.sum())}); right-censored: {right or 'none'} "
        f"({int(above.sum())}); {'exact' if step is None else f'within the step of {width:g} {units} before it'} "
        f"otherwise ({int(measured.sum() - below.sum() - above.sum())})"
    )
    variables = {
        "censored": labelled(_CYCLE, flag, "1", "censoring: 0 none, 1 left, 2 right, 3 interval"),
        "lower": labelled(_CYCLE, lower, units, "lower bound of the threshold"),
        "upper": labelled(_CYCLE, upper, units, "upper bound of the threshold"),
    }
    return same_kind(dataset, rule, variables)


def _where(
    dataset: xr.Dataset, text: str | None, option: str, measured: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    if text is None:
        return np.zeros_like(measured)
    return condition(dataset, text, option, _CYCLE, measured)


EXTRACTOR = Extractor(
    "censoring",
    "censoring flags of thresholds of which only the last step was logged",
    ("ramp_switching",),
    "ramp_switching",
    {
        "left": "expression for thresholds at or below the value, such as 'threshold <= 1.0'",
        "right": "expression for thresholds above the value, such as 'success == 0'",
        "step": "step of the ramp such as '0.05 V': all others lie within the step before the value",
    },
    censoring,
)
