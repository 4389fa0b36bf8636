r"""Prior distributions of retention, scaled to the times of the samples and, for what has no setting, to the range.

With :math:`\delta` the shortest interval and :math:`T` the duration of the (median) record in s, :math:`m` the median
and :math:`a` the range of ln R over all devices, :math:`r` the median range of one device's ln R:

===================== ===================================== =================================================
typical device        prior                                 why
===================== ===================================== =================================================
log level             Normal(m, 2a)                         a record begins near what it shows
exponent              Normal(0, r/ln 2)                     either sign; r after one onset time
log onset             Normal((ln δ + ln T)/2, ln(T/δ)/4)    age from one interval to the whole record (95 %)
change                Normal(0, 2r)                         either sign, up to four times what is seen
log relaxation time   Normal((ln δ + ln 100T)/2,            from one interval to 100 records (95 %)
                      ln(100T/δ)/4)
stretch               Beta(2, 2)                            all of (0, 1), not its ends
log wander            Normal(ln(r/10), 1.5)                 from r/200 to 2r (95 %)
log correlation time  Normal((ln δ + ln 10T)/2,             from one interval to 10 records (95 %)
                      ln(10T/δ)/4)
log read noise        Normal(ln(r/30), 2)                   from r/1600 to 1.8r (95 %)
===================== ===================================== =================================================

The spread of a population on the linked scale has

===================== ===================================== =================================================
spread                prior                                 why
===================== ===================================== =================================================
log_level_sd          HalfNormal(a/2)                       levels lie within the range that is seen
exponent_sd           HalfNormal(r/(2 ln 2))                half of what a typical device may drift
change_sd             HalfNormal(r)                         the same
log_relaxation_..._sd HalfNormal(1)                         relaxation times differ by a factor of about three
log_wander_sd,        HalfNormal(0.7)                       noise differs by a factor of about two
log_read_noise_sd
===================== ===================================== =================================================

Onset, stretch and correlation time have one value for all devices of a hierarchy: they belong to the material and to
how it was programmed, and one record hardly tells them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charz.fitting.contract import FreeParameter, Observations
from charz.fitting.priors import Prior
from charz.fitting.retention.records import log_values

NOISE_SD_SCALE = 0.7
TIME_SD_SCALE = 1.0
STRETCH_BETA = (2.0, 2.0)


class Scales(NamedTuple):
    """What the priors are scaled to: times in s, the rest in units of ln R; the unit of R."""

    interval: float
    duration: float
    middle: float
    range_all: float
    range_one: float
    unit: str


def scales(observations: Observations) -> Scales:
    """Summaries of settings and values (definitions above)."""
    measured, time = observations.measured, observations.arrays["elapsed"]
    logs = log_values(observations)
    steps = np.where(measured[:, 1:] & (np.diff(time, axis=1) > 0), np.diff(time, axis=1), np.inf)
    shortest = steps.min(axis=1)
    lasted = np.where(measured, time, 0.0).max(axis=1)
    high, low = (np.where(measured, logs, fill) for fill in (-np.inf, np.inf))
    ranges = high.max(axis=1) - low.min(axis=1)
    range_all = float(logs[measured].max() - logs[measured].min())
    return Scales(
        interval=float(np.median(shortest[np.isfinite(shortest)])),
        duration=float(np.median(lasted[lasted > 0])),
        middle=float(np.median(logs[measured])),
        range_all=range_all,
        range_one=float(np.median(ranges)) or range_all,
        unit=observations.units["retained"],
    )


def record_priors(
    free: tuple[FreeParameter, ...], observations: Observations
) -> dict[str, tuple[Prior, Prior]]:
    """Priors of the typical value and of the spread of each parameter, by linked name (table above)."""
    found = scales(observations)
    return {p.linked_name: _PRIORS[p.name](found) for p in free}


def _level(s: Scales) -> tuple[Prior, Prior]:
    typical = Prior("normal", (s.middle, 2 * s.range_all), f"ln({s.unit})")
    return typical, Prior("half-normal", (s.range_all / 2,))


def _amount(factor: float) -> Callable[[Scales], tuple[Prior, Prior]]:
    def priors(s: Scales) -> tuple[Prior, Prior]:
        size = factor * s.range_one
        return Prior("normal", (0.0, size)), Prior("half-normal", (size / 2,))

    return priors


def _time(longest: float) -> Callable[[Scales], tuple[Prior, Prior]]:
    """From one interval to `longest` durations (95 %)."""

    def priors(s: Scales) -> tuple[Prior, Prior]:
        low, high = math.log(s.interval), math.log(longest * s.duration)
        typical = Prior("normal", ((low + high) / 2, max((high - low) / 4, 0.25)), "ln(s)")
        return typical, Prior("half-normal", (TIME_SD_SCALE,))

    return priors


def _noise(share: float, sd: float) -> Callable[[Scales], tuple[Prior, Prior]]:
    def priors(s: Scales) -> tuple[Prior, Prior]:
        return Prior("normal", (math.log(s.range_one / share), sd), "ln(1)"), Prior(
            "half-normal", (NOISE_SD_SCALE,)
        )

    return priors


def _stretch(s: Scales) -> tuple[Prior, Prior]:
    del s
    return Prior("logit-beta", STRETCH_BETA), Prior("half-normal", (0.5,))


_PRIORS: dict[str, Callable[[Scales], tuple[Prior, Prior]]] = {
    "level": _level,
    "exponent": _amount(1 / math.log(2)),
    "onset": _time(1.0),
    "change": _amount(2.0),
    "relaxation_time": _time(100.0),
    "stretch": _stretch,
    "wander": _noise(10.0, 1.5),
    "correlation_time": _time(10.0),
    "read_noise": _noise(30.0, 2.0),
}
