"""From a `pulse_switching` dataset to plain arrays for the likelihood, and whether they can answer at all."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from charz.errors import FitError

MIN_SETTINGS = 3
MIN_DEVICES_IN_POPULATION = 3
# A curve that falls by more than this many standard errors from the first to the last quarter is not rising.
FALLING_STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class SwitchingCounts:
    """Counts of one dataset in double precision; padded settings have 0 trials and a harmless amplitude.

    Parameters
    ----------
    amplitude : array (device, setting)
        Drive in `unit`; where a setting is padding, the centre of the sweep stands in, because a NaN under a
        zero weight would still poison the gradient.
    num_trials, num_switched : array (device, setting)
        Counts; 0 trials mark padding.
    devices : tuple of str
        Names of the devices.
    unit : str
        Unit of the amplitude as the dataset states it; ``arb`` where it is not known.
    """

    amplitude: np.ndarray
    num_trials: np.ndarray
    num_switched: np.ndarray
    devices: tuple[str, ...]
    unit: str

    @property
    def measured(self) -> np.ndarray:
        """Mask (device, setting) of the settings with trials."""
        return self.num_trials > 0

    @property
    def centre(self) -> float:
        """Middle of the sweep, in the unit of the drive."""
        amplitude = self.amplitude[self.measured]
        return float(amplitude.min() + amplitude.max()) / 2

    @property
    def span(self) -> float:
        """Range of the sweep, in the unit of the drive."""
        return float(np.ptp(self.amplitude[self.measured]))


def switching_counts(dataset: xr.Dataset) -> SwitchingCounts:
    """Take the counts out of a dataset.

    Raises
    ------
    FitError
        When the dataset is of another kind, holds no trial, or mixes pulse widths.
    """
    kind = dataset.attrs.get("experiment")
    if kind != "pulse_switching":
        raise FitError(f"the dataset is of kind {kind!r}; this model is fitted to 'pulse_switching'")
    dims = ("device", "setting")
    num_trials = dataset["num_trials"].transpose(*dims).to_numpy().astype(np.float64)
    num_switched = dataset["num_switched"].transpose(*dims).to_numpy().astype(np.float64)
    amplitude = dataset["amplitude"].broadcast_like(dataset["num_trials"]).transpose(*dims).to_numpy()
    measured = num_trials > 0
    if not measured.any():
        raise FitError("the dataset holds no trial: every setting has num_trials = 0")
    _require_one_pulse_width(dataset, measured)
    amplitude = amplitude.astype(np.float64)
    stand_in = (amplitude[measured].min() + amplitude[measured].max()) / 2
    return SwitchingCounts(
        amplitude=np.where(measured, amplitude, stand_in),
        num_trials=num_trials,
        num_switched=np.where(measured, num_switched, 0.0),
        devices=tuple(str(name) for name in dataset["device"].to_numpy()),
        unit=str(dataset["amplitude"].attrs.get("units", "arb")),
    )


def _require_one_pulse_width(dataset: xr.Dataset, measured: np.ndarray) -> None:
    if "width" not in dataset:
        return
    dims = ("device", "setting")
    width = dataset["width"].broadcast_like(dataset["num_trials"]).transpose(*dims).to_numpy()[measured]
    if np.nanmax(width) > np.nanmin(width) * (1 + 1e-6):
        raise FitError(
            f"pulse widths from {np.nanmin(width):g} to {np.nanmax(width):g} s are mixed; a logistic curve in the"
            " amplitude holds at one pulse width: select the settings of one width first"
        )


def require_information(counts: SwitchingCounts, pool: str) -> None:
    """Refuse data that cannot answer, with the reason.

    Raises
    ------
    FitError
        No device switched, all did at every setting, fewer than three amplitudes, a curve that falls, or too
        few devices for a population.
    """
    switched, trials = counts.num_switched, counts.num_trials
    if switched.sum() == 0:
        raise FitError(f"nothing switched in {int(trials.sum())} trials: no switching curve can be located")
    if switched.sum() == trials.sum():
        raise FitError(f"all {int(trials.sum())} trials switched: no switching curve can be located")
    if pool == "hierarchical" and len(counts.devices) < MIN_DEVICES_IN_POPULATION:
        raise FitError(
            f"a hierarchical fit needs at least {MIN_DEVICES_IN_POPULATION} devices to learn their spread, the"
            f" dataset has {len(counts.devices)}; use pool='complete' or pool='none'"
        )
    _require_settings(counts, pool)
    _require_rise(counts)


def _require_settings(counts: SwitchingCounts, pool: str) -> None:
    if pool == "none":
        for name, amplitude, measured in zip(counts.devices, counts.amplitude, counts.measured, strict=True):
            found = len(np.unique(amplitude[measured]))
            if found < MIN_SETTINGS:
                raise FitError(
                    f"device {name!r} has {found} different amplitudes; a curve of its own needs {MIN_SETTINGS}"
                )
        return
    found = len(np.unique(counts.amplitude[counts.measured]))
    if found < MIN_SETTINGS:
        raise FitError(f"only {found} different amplitudes; a switching curve needs at least {MIN_SETTINGS}")


def _require_rise(counts: SwitchingCounts) -> None:
    """Laws here rise with the drive; a clear fall is a sign convention to be mended, not a curve to be fitted."""
    measured = counts.measured
    quarter = counts.span / 4
    low = measured & (counts.amplitude <= counts.centre - quarter)
    high = measured & (counts.amplitude >= counts.centre + quarter)
    trials_low, trials_high = counts.num_trials[low].sum(), counts.num_trials[high].sum()
    switched_low, switched_high = counts.num_switched[low].sum(), counts.num_switched[high].sum()
    pooled = (switched_low + switched_high) / (trials_low + trials_high)
    error = np.sqrt(pooled * (1 - pooled) * (1 / trials_low + 1 / trials_high))
    fall = switched_low / trials_low - switched_high / trials_high
    if fall > FALLING_STANDARD_ERRORS * error and fall > 0:
        raise FitError(
            f"switching falls with the amplitude (from {switched_low / trials_low:.3g} in the lowest quarter of the"
            f" sweep to {switched_high / trials_high:.3g} in the highest); give the drive the sign with which it rises"
        )
