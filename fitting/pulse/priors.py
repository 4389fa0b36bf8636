r"""Prior distributions of pulse switching, scaled to the sweep, the same for the typical device whatever the pooling.

With :math:`c` the middle, :math:`r` the range and :math:`m` the largest of the amplitudes that were measured (in the
unit of the drive), :math:`n` the median number of trials at a setting:

=================== ================================== ==================================================
typical device      prior                              why
=================== ================================== ==================================================
location            Normal(c, r)                       whoever chose the sweep meant to cover the curve
log width           Normal(ln(r/20), 1.5)              width between r/400 and r/1 (95 %)
floor               Beta(1, 20)                        small, mean 0.048 (Ellis 2023)
shortfall           Beta(1, 20)                        the same for what the ceiling lacks
log concentration   Normal(ln n, 2)                    scatter of counts from twice binomial, either way
log stability Δ     Normal(ln 40, 0.75)                9 to 174 kT (95 %): it switches, and keeps its state
log critical        Normal(ln m, 0.75)                 near the end of the sweep: thermal switching is below
log attempt time    Normal(ln 1 ns, 2)                 0.02 to 50 ns (95 %)
log relaxation time Normal(ln 1 ns, 1.5)               :math:`1/(\alpha\gamma\mu_0 H)`, α from 0.002 to 0.2
=================== ================================== ==================================================

Pooled completely, these are the priors of the one device; without pooling, of each device by itself;
hierarchically, of the population's centre (on the linked scale, so floor means the median floor). The spread of
the population on the linked scale has

====================== ================================== ==============================================
spread                 prior                              why
====================== ================================== ==============================================
location_sd            HalfNormal(r/4)                    devices of one sweep lie within it
log_width_sd           HalfNormal(0.5)                    widths differ by tens of per cent, not by decades
logit_floor_sd         HalfNormal(1)                      floors differ by a factor of about three
logit_shortfall_sd     HalfNormal(1)                      the same
log_concentration_sd   HalfNormal(1)                      the same
log_..._sd of physics  HalfNormal(0.3)                    volume and anisotropy differ by tens of per cent
====================== ================================== ==============================================

Attempt and relaxation time belong to the material: one value for all devices, without a spread. With a vanishing
spread the hierarchical model becomes the completely pooled one, prior included. Of two directions each has its own
parameters, with these priors scaled to the sweep of that direction.
"""

import math
from collections.abc import Callable

import numpy as np

from charz.fitting.contract import FreeParameter, Observations
from charz.fitting.priors import Prior
from charz.fitting.pulse.sweep import centre, span

WIDTHS_IN_SWEEP = 20.0
LOG_WIDTH_SD = 1.5
ASYMPTOTE_BETA = (1.0, 20.0)
LOG_CONCENTRATION_SD = 2.0
TYPICAL_STABILITY = 40.0
LOG_STABILITY_SD = 0.75
LOG_CRITICAL_SD = 0.75
TYPICAL_TIME = 1e-9
LOG_ATTEMPT_TIME_SD = 2.0
LOG_RELAXATION_TIME_SD = 1.5
LOCATION_SD_IN_SWEEPS = 0.25
LOG_SD_SCALE = 0.5
LOG_PHYSICAL_SD_SCALE = 0.3
LOGIT_SD_SCALE = 1.0

Priors = dict[str, tuple[Prior, Prior]]


def sweep_priors(free: tuple[FreeParameter, ...], observations: Observations) -> Priors:
    """Priors of the typical value and of the spread of each parameter, by linked name (formulas above).

    Parameters
    ----------
    free : tuple of FreeParameter
        With names of the table.
    observations : Observations
        Of pulse switching; only the settings matter.
    """
    return {p.linked_name: _PRIORS[p.name](observations) for p in free}


def _location(observations: Observations) -> tuple[Prior, Prior]:
    unit, sweep = observations.units["drive"], span(observations)
    return (
        Prior("normal", (centre(observations), sweep), unit),
        Prior("half-normal", (LOCATION_SD_IN_SWEEPS * sweep,), unit),
    )


def _width(observations: Observations) -> tuple[Prior, Prior]:
    typical = math.log(span(observations) / WIDTHS_IN_SWEEP)
    return _logarithmic(typical, LOG_WIDTH_SD, LOG_SD_SCALE, observations.units["drive"])


def _asymptote(observations: Observations) -> tuple[Prior, Prior]:
    del observations
    return Prior("logit-beta", ASYMPTOTE_BETA), Prior("half-normal", (LOGIT_SD_SCALE,))


def _concentration(observations: Observations) -> tuple[Prior, Prior]:
    trials = np.median(observations.arrays["num_trials"][observations.measured])
    return _logarithmic(math.log(trials), LOG_CONCENTRATION_SD, LOGIT_SD_SCALE, "1")


def _stability(observations: Observations) -> tuple[Prior, Prior]:
    del observations
    return _logarithmic(math.log(TYPICAL_STABILITY), LOG_STABILITY_SD, LOG_PHYSICAL_SD_SCALE, "1")


def _critical(observations: Observations) -> tuple[Prior, Prior]:
    largest = observations.arrays["amplitude"][observations.measured].max()
    unit = observations.units["drive"]
    return _logarithmic(math.log(largest), LOG_CRITICAL_SD, LOG_PHYSICAL_SD_SCALE, unit)


def _attempt_time(observations: Observations) -> tuple[Prior, Prior]:
    del observations
    return _logarithmic(math.log(TYPICAL_TIME), LOG_ATTEMPT_TIME_SD, LOG_PHYSICAL_SD_SCALE, "s")


def _relaxation_time(observations: Observations) -> tuple[Prior, Prior]:
    del observations
    return _logarithmic(math.log(TYPICAL_TIME), LOG_RELAXATION_TIME_SD, LOG_PHYSICAL_SD_SCALE, "s")


def _logarithmic(mean: float, sd: float, spread: float, unit: str) -> tuple[Prior, Prior]:
    return Prior("normal", (mean, sd), f"ln({unit})"), Prior("half-normal", (spread,))


_PRIORS: dict[str, Callable[[Observations], tuple[Prior, Prior]]] = {
    "location": _location,
    "width": _width,
    "floor": _asymptote,
    "shortfall": _asymptote,
    "concentration": _concentration,
    "thermal_stability": _stability,
    "critical": _critical,
    "attempt_time": _attempt_time,
    "relaxation_time": _relaxation_time,
}
