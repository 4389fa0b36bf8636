"""Mean, spread and median of what was measured, in all and for each device, without a second copy of it."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.moments import moments, sample_rows, spans
from charz.datachecks.rows import Rows, device_rows, response_name

# Below this many values a sort of all of them is quick and small.
SORTED = 1 << 22


def main_rows(dataset: xr.Dataset) -> Rows:
    """What a measurement of this kind answers with, one row a device; fractions of ``pulse_switching``."""
    rows = device_rows(dataset, response_name(dataset))
    if dataset.attrs["experiment"] != "pulse_switching":
        return rows
    trials = dataset["num_trials"].values
    fraction = np.where(trials > 0, rows.values / np.maximum(trials, 1), np.nan)
    return rows._replace(variable="fraction switched", unit="1", values=fraction)


def statistics(dataset: xr.Dataset) -> dict[str, Any]:
    """Statistics of the main variable.

    Returns
    -------
    dict
        ``variable``, ``units``, ``all`` and, where the kind has devices, ``devices`` by name: each the number
        of values, their mean, standard deviation (n - 1), median, minimum and maximum; None where there are
        too few. Censored thresholds are taken as the values that they are.
    """
    rows = main_rows(dataset)
    result: dict[str, Any] = {
        "variable": rows.variable,
        "units": rows.unit,
        "all": _entries(rows.values.reshape(1, -1))[0],
    }
    if rows.devices.size:
        result["devices"] = dict(zip(map(str, rows.devices), _entries(rows.values), strict=True))
    return result


def medians(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Median of the finite values of each row; NaN where there are none.

    Long rows are not copied: their median is searched between two quantiles of every k-th value, which almost
    surely enclose it; if they do not, the row is sorted after all.
    """
    if values.size > SORTED:
        return np.array([_long_median(row) for row in values])
    if not values.size:
        return np.full(len(values), np.nan)
    ordered, number = np.sort(values, axis=1), np.isfinite(values).sum(axis=1)
    places = (np.maximum(number - 1, 0) // 2, np.minimum(number // 2, np.maximum(number - 1, 0)))
    low, high = (np.take_along_axis(ordered, place[:, None], axis=1)[:, 0] for place in places)
    return np.where(number > 0, low + (high - low) / 2, np.nan)


def _long_median(row: NDArray[np.floating]) -> float:
    sample = np.sort(sample_rows(row[None])[0])
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return float(medians(np.sort(row)[None, :SORTED])[0])
    low, high = sample[int(0.48 * sample.size)], sample[min(int(0.52 * sample.size), sample.size - 1)]
    number = below = at_low = at_high = 0
    inside = []
    for span in spans((1, row.size)):
        part = row[span]
        number += int(np.isfinite(part).sum())
        below += int((part < low).sum())
        at_low += int((part == low).sum())
        at_high += int((part == high).sum()) if high > low else 0
        inside.append(part[(part > low) & (part < high)])
    middle = np.sort(np.concatenate(inside))
    ranks = [(number - 1) // 2 - below, number // 2 - below]
    if ranks[0] < 0 or ranks[1] >= at_low + middle.size + at_high:
        return float(np.median(row[np.isfinite(row)]))
    found = [
        low if rank < at_low else middle[rank - at_low] if rank < at_low + middle.size else high
        for rank in ranks
    ]
    return float(found[0] + (found[1] - found[0]) / 2)


def _entries(values: NDArray[np.floating]) -> list[dict[str, Any]]:
    found, middle = moments(values), medians(values)
    columns = {
        "num": found.number,
        "mean": found.mean,
        "sd": found.sd,
        "median": middle,
        "min": found.low,
        "max": found.high,
    }
    lists = {name: column.tolist() for name, column in columns.items()}
    return [
        {name: None if column[row] != column[row] else column[row] for name, column in lists.items()}
        for row in range(len(values))
    ]
