"""Rows of any experiment kind to its dataset: counts for pulses, samples for materials, padded traces else."""

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import ReadError, SchemaError
from charz.kinds import Kind
from charz.rows import Rows
from charz.samples import to_samples
from charz.traces import to_traces
from charz.trials import count_trials


def to_dataset(kind: Kind, rows: Rows, outcome: NDArray[np.bool_] | None) -> xr.Dataset:
    """Build the dataset of a kind, still without dataset attributes.

    Parameters
    ----------
    kind : Kind
    rows : Rows
    outcome : array of bool or None
        Whether each row's trial switched, by the user's rule.

    Raises
    ------
    ReadError
        When a column that the kind needs is not mapped.
    SchemaError
        When a row's value cannot be.
    """
    require_variables(kind, list(rows.values), rows.files[0])
    if kind.name == "pulse_switching":
        return _pulse_switching(rows, outcome)
    if outcome is not None:
        raise ReadError(f"--switched makes counts of pulse_switching; {kind.name} has none, leave it out")
    return to_samples(kind, rows) if kind.name == "transfer" else to_traces(kind, rows)


def require_variables(kind: Kind, names: list[str], place: str) -> None:
    """Raise unless every variable that the kind needs as a column is there.

    Raises
    ------
    ReadError
        Naming the variable, and how to map it.
    """
    have = {name.partition("[")[0] for name in names}
    missing = [v for v in kind.variables if v.required and v.values == "float" and v.name not in have]
    missing += [
        v for v in kind.variables if kind.one_of and v.name == kind.one_of[0] and not have & {*kind.one_of}
    ]
    for variable in missing:
        others = f" (or {', '.join(kind.one_of[1:])})" if variable.name in kind.one_of else ""
        raise ReadError(
            f"{place}: {kind.name} needs {variable.name!r} ({variable.long_name}){others}; say which column it is "
            f"with --column {variable.name}=SOURCE (a header name, or @4 for the fourth column), or compute it from "
            f"others with --derive '{variable.name}=...'"
        )


def _pulse_switching(rows: Rows, outcome: NDArray[np.bool_] | None) -> xr.Dataset:
    values = dict(rows.values)
    num_trials, num_switched = values.pop("num_trials", None), values.pop("num_switched", None)
    if outcome is None and "switched" in rows.labels and num_switched is None:
        outcome = _zero_or_one(rows, rows.labels["switched"])
    if outcome is not None:
        if num_switched is not None or num_trials is not None:
            raise ReadError(
                f"{rows.files[0]}: there are both counts (num_trials, num_switched) and a rule for single "
                "trials; a row is either a count or a trial, give one of them"
            )
        num_trials, num_switched = np.ones(outcome.size), outcome.astype(np.float64)
    if num_trials is None or num_switched is None:
        raise ReadError(
            f"{rows.files[0]}: pulse_switching needs the outcome of the pulses: map both num_trials and "
            "num_switched (counts), or a 0/1 column 'switched', or give a rule like --switched 'r_after < 20e3'"
        )
    units = {name: unit for name, unit in rows.units.items() if name in values}
    return count_trials(replace(rows, values=values, units=units), num_trials, num_switched)


def _zero_or_one(rows: Rows, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise SchemaError(
            f"{rows.place(first)}: switched = {values[first]:g}; it must be 0 or 1, or give a rule with --switched"
        )
    return values == 1
