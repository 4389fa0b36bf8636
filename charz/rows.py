"""Rows of any experiment kind to its dataset: counts for pulses, padded traces for everything else."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import ReadError, SchemaError
from charz.kinds import Kind
from charz.traces import to_traces
from charz.trials import Rows, count_trials


def to_dataset(
    kind: Kind, rows: Rows, labels: Mapping[str, NDArray[np.float64]], outcome: NDArray[np.bool_] | None
) -> xr.Dataset:
    """Build the dataset of a kind, still without dataset attributes.

    Parameters
    ----------
    kind : Kind
    rows : Rows
    labels : mapping of str to array
        Columns without unit: ``cycle``, ``sample``, ``switched``.
    outcome : array of bool or None
        Whether each row's trial switched, by the user's rule.

    Raises
    ------
    ReadError
        When a column that the kind needs is not mapped.
    SchemaError
        When a row's value cannot be.
    """
    for variable in kind.variables:
        if variable.required and variable.values == "float" and variable.name not in rows.values:
            raise ReadError(
                f"{rows.files[0]}: {kind.name} needs {variable.name!r} ({variable.long_name}); say which "
                "column it is "
                f"with --column {variable.name}=SOURCE (a header name, or @4 for the fourth column)"
            )
    if kind.name != "pulse_switching":
        if outcome is not None:
            raise ReadError(f"--switched makes counts of pulse_switching; {kind.name} has none, leave it out")
        return to_traces(kind, rows, labels)
    return _pulse_switching(rows, labels, outcome)


def _pulse_switching(
    rows: Rows, labels: Mapping[str, NDArray[np.float64]], outcome: NDArray[np.bool_] | None
) -> xr.Dataset:
    values = dict(rows.values)
    num_trials, num_switched = values.pop("num_trials", None), values.pop("num_switched", None)
    if outcome is None and "switched" in labels and num_switched is None:
        outcome = _zero_or_one(rows, labels["switched"])
    if outcome is not None:
        if num_switched is not None or num_trials is not None:
            raise ReadError(
                f"{rows.files[0]}: there are both counts (num_trials, num_switched) and a rule for single "
                "trials; "
                "a row is either a count or a trial, give one of them"
            )
        num_trials, num_switched = np.ones(outcome.size), outcome.astype(np.float64)
    if num_trials is None or num_switched is None:
        raise ReadError(
            f"{rows.files[0]}: pulse_switching needs the outcome of the pulses: map both num_trials and "
            "num_switched "
            "(counts), or a 0/1 column 'switched', or give a rule like --switched 'r_after < 20e3'"
        )
    units = {name: unit for name, unit in rows.units.items() if name in values}
    return count_trials(rows._replace(values=values, units=units), num_trials, num_switched)


def _zero_or_one(rows: Rows, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise SchemaError(
            f"{rows.place(first)}: switched = {values[first]:g}; it must be 0 or 1, or give a rule with "
            "--switched"
        )
    return values == 1
