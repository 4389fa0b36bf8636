"""Checks of a dataset before any fit: what a fit would otherwise believe.

Every check is a pure function from a valid dataset to findings, vectorised over devices and in blocks over
long traces. Thresholds follow from standard errors and stand in each check's docstring.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from charz.datachecks.censoring import check_left_censored, check_unflagged
from charz.datachecks.drift import check_drift, check_reversal
from charz.datachecks.duplicates import check_duplicates
from charz.datachecks.events import (
    check_cycles,
    check_decades,
    check_devices,
    check_pulse_events,
    check_switches,
)
from charz.datachecks.extremes import check_saturation
from charz.datachecks.finding import Check, Finding
from charz.datachecks.inputs import check_inputs
from charz.datachecks.levels import check_levels, check_stationarity
from charz.datachecks.loops import check_loops
from charz.datachecks.quantisation import check_quantisation, check_stimulus
from charz.datachecks.sampling import check_sampling, check_time_order
from charz.datachecks.sentinels import check_masked, check_sentinels
from charz.datachecks.serial import check_independent_samples, check_serial_correlation
from charz.kinds import KINDS, kind_named

__all__ = ["CHECKS", "Check", "Finding", "check_data"]

_EVERY = tuple(KINDS)
_TIMED = ("telegraph", "retention")
_CYCLED = ("ramp_switching", "pulse_train", "iv_sweep", "hysteresis")
_ANALOG = ("telegraph", "pulse_train", "iv_sweep", "retention", "transfer", "hysteresis")
_POPULATION = ("pulse_switching", "ramp_switching", "telegraph", "pulse_train")


def _check(
    name: str, summary: str, kinds: tuple[str, ...], run: Callable[[xr.Dataset], list[Finding]]
) -> tuple[str, Check]:
    return name, Check(name, summary, frozenset(kinds), run)


CHECKS: dict[str, Check] = dict(
    (
        _check("sentinels", "codes in place of readings", _EVERY, check_sentinels),
        _check("masked", "what a conversion masked", _EVERY, check_masked),
        _check("sampling", "gaps and uneven steps of time", _TIMED, check_sampling),
        _check("time_order", "time stamps that repeat", _TIMED, check_time_order),
        _check(
            "duplicates",
            "settings or inputs that occur twice",
            ("pulse_switching", "transfer"),
            check_duplicates,
        ),
        _check("stimulus_only", "responses of a few values", _ANALOG, check_stimulus),
        _check("saturation", "readings that pile up at an extreme", _ANALOG, check_saturation),
        _check(
            "quantisation",
            "resolution against noise",
            ("ramp_switching", "telegraph", "pulse_train", "retention", "transfer", "hysteresis"),
            check_quantisation,
        ),
        _check(
            "unflagged_limit", "thresholds at a limit, not censored", ("ramp_switching",), check_unflagged
        ),
        _check("left_censored", "a spread made by a few", ("ramp_switching",), check_left_censored),
        _check("pulse_events", "settings where the curve rises", ("pulse_switching",), check_pulse_events),
        _check("cycle_events", "uncensored thresholds", ("ramp_switching",), check_cycles),
        _check("switch_events", "switches of a trace", ("telegraph",), check_switches),
        _check("decades", "decades of time", ("retention",), check_decades),
        _check("devices", "devices for a population", _POPULATION, check_devices),
        _check(
            "serial_correlation", "memory between cycles", (*_CYCLED, "transfer"), check_serial_correlation
        ),
        _check("effective_samples", "independent samples of a trace", _TIMED, check_independent_samples),
        _check("drift", "trend over cycles", _CYCLED, check_drift),
        _check("reversal", "two trains in one record", ("pulse_train",), check_reversal),
        _check("levels", "two levels of a trace", ("telegraph",), check_levels),
        _check("stationarity", "halves of a trace", ("telegraph",), check_stationarity),
        _check("inputs", "collinear electrodes", ("transfer",), check_inputs),
        _check("loops", "polarity, closure and offset", ("iv_sweep", "hysteresis"), check_loops),
    )
)


def check_data(dataset: xr.Dataset) -> list[Finding]:
    """Look at a dataset before it is fitted.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `charz.schema.validate` accepts it.

    Returns
    -------
    list of Finding
        Warnings first, each group in the order of `CHECKS`.

    Raises
    ------
    SchemaError
        When the dataset is of no kind that charz knows.
    """
    kind = kind_named(dataset.attrs.get("experiment", ""))
    # Codes such as 9.9e37 overflow squares; NaN compares as False, which is what every check wants.
    with np.errstate(all="ignore"):
        found = [
            finding for check in CHECKS.values() if kind.name in check.kinds for finding in check.run(dataset)
        ]
    return sorted(found, key=lambda finding: finding.severity != "warning")
