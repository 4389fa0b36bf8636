"""Whether the counts can answer at all: every refusal says why, and what would mend it."""

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.pulse.sweep import DIRECTIONS, centre, in_direction, span

MIN_SETTINGS = 3
# A curve that falls by more than this many standard errors from the first to the last quarter is not rising.
FALLING_STANDARD_ERRORS = 4.0
# Widths that differ by rounding only are one width.
SAME_WIDTH = 1 + 1e-6


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse data that cannot answer, with the reason.

    Raises
    ------
    FitError
        No device switched, all did at every setting, fewer than three amplitudes, a curve that falls; pulse widths
        that the model cannot use, or lacks; one direction only.
    """
    names = {parameter.name for parameter in model.free}
    if any(name.endswith("_set") for name in names):
        _require_two_directions(observations, model)
        parts = {direction: in_direction(observations, direction) for direction in DIRECTIONS}
    else:
        parts = {"": observations}
    for direction, part in parts.items():
        _require_curve(part, pool, f" of the {direction} pulses" if direction else "")
        if any(name.startswith("thermal_stability") for name in names):
            _require_drive(part, model)
    if any(name.startswith("thermal_stability") for name in names):
        _require_widths(observations, model)
    else:
        _require_one_width(observations)


def _require_two_directions(observations: Observations, model: Model) -> None:
    if "direction" not in observations.arrays:
        raise FitError(
            f"model {model.name!r} has a curve for each of two initial states, and initial_state does not take"
            " exactly two values here; give the state before the pulse as 0 or 1, or fit one curve"
        )


def _require_curve(observations: Observations, pool: str, which: str) -> None:
    trials = int(observations.arrays["num_trials"].sum())
    switched = int(observations.arrays["num_switched"].sum())
    if switched == 0:
        raise FitError(f"nothing switched in {trials} trials{which}: no switching curve can be located")
    if switched == trials:
        raise FitError(f"all {trials} trials{which} switched: no switching curve can be located")
    _require_settings(observations, pool, which)
    _require_rise(observations, which)


def _require_settings(observations: Observations, pool: str, which: str) -> None:
    amplitude, measured = observations.arrays["amplitude"], observations.measured
    if pool == "none":
        for name, own, inside in zip(observations.devices, amplitude, measured, strict=True):
            found = len(np.unique(own[inside]))
            if found < MIN_SETTINGS:
                raise FitError(
                    f"device {name!r} has {found} different amplitudes{which}; a curve of its own needs"
                    f" {MIN_SETTINGS}"
                )
        return
    found = len(np.unique(amplitude[measured]))
    if found < MIN_SETTINGS:
        raise FitError(
            f"only {found} different amplitudes{which}; a switching curve needs at least {MIN_SETTINGS}"
        )


def _require_rise(observations: Observations, which: str) -> None:
    """Laws here rise with the drive; a clear fall is a sign convention to be mended, not a curve to be fitted."""
    arrays, measured = observations.arrays, observations.measured
    middle, quarter = centre(observations), span(observations) / 4
    low = measured & (arrays["amplitude"] <= middle - quarter)
    high = measured & (arrays["amplitude"] >= middle + quarter)
    trials_low, trials_high = arrays["num_trials"][low].sum(), arrays["num_trials"][high].sum()
    switched_low, switched_high = arrays["num_switched"][low].sum(), arrays["num_switched"][high].sum()
    pooled = (switched_low + switched_high) / (trials_low + trials_high)
    error = np.sqrt(pooled * (1 - pooled) * (1 / trials_low + 1 / trials_high))
    fall = switched_low / trials_low - switched_high / trials_high
    if fall > FALLING_STANDARD_ERRORS * error and fall > 0:
        raise FitError(
            f"switching{which} falls with the amplitude (from {switched_low / trials_low:.3g} in the lowest quarter"
            f" of the sweep to {switched_high / trials_high:.3g} in the highest); give the drive the sign with which"
            " it rises"
        )


def _require_drive(observations: Observations, model: Model) -> None:
    largest = observations.arrays["amplitude"][observations.measured].max()
    if largest <= 0:
        raise FitError(
            f"the largest amplitude is {largest:g}; model {model.name!r} has a positive critical drive, towards"
            " which pulses switch: flip the sign of the amplitude"
        )


def _require_widths(observations: Observations, model: Model) -> None:
    if "width" not in observations.arrays:
        raise FitError(
            f"model {model.name!r} needs the width of every pulse, in s, because its rates are per time; add the"
            " variable 'width' to the dataset, or fit a curve in the amplitude alone ('logistic')"
        )
    shared = [p.name for p in model.free if p.shared]
    low, high = _widths(observations)
    if shared and high <= low * SAME_WIDTH:
        raise FitError(
            f"all pulses are {low:g} s wide; {shared[0]} cannot be told from thermal_stability and critical at one"
            f" pulse width: measure at a second one, or fit 'thermal' with its attempt time of 1 ns"
        )


def _require_one_width(observations: Observations) -> None:
    if "width" not in observations.arrays:
        return
    low, high = _widths(observations)
    if high > low * SAME_WIDTH:
        raise FitError(
            f"pulse widths from {low:g} to {high:g} s are mixed; a curve in the amplitude holds at one pulse width:"
            " select the settings of one width first, or fit 'thermal', which uses the width of every setting"
        )


def _widths(observations: Observations) -> tuple[float, float]:
    width = observations.arrays["width"][observations.measured]
    return float(width.min()), float(width.max())
