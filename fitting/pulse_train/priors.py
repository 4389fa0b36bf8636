r"""Priors of the pulse-train models, from the settings and the coarse range of the conductances.

With :math:`l, r` the smallest conductance and the range of all reads of all devices, :math:`m_\pm` the median read
after pulses of a polarity, and :math:`N` the length of the longest run of one polarity (a setting; at least 10):

======================= ============================= ==================== =====================================
linked name             typical device                spread               why
======================= ============================= ==================== =====================================
log_conductance_min     Normal(ln l, 1)               HalfNormal(0.3)      the lower bound is not far below the
                                                                           lowest read
log_window              Normal(ln r, 0.7)             HalfNormal(0.3)      whoever chose the pulses crossed a good
                                                                           part of the window
log_step_...            Normal(ln(2 r/N), 1.5)        HalfNormal(0.4)      a run crosses the range
log_symmetric_step      Normal(ln(r/N), 1.5)          HalfNormal(0.4)      the same, in the middle
log_symmetric_cond...   Normal(ln(l + r/2), 0.7)      HalfNormal(0.3)      alternating runs turn inside the range
log_decay_...           Normal(ln(r/2), 1)            HalfNormal(0.4)      β between 0.3 and 14 (95 %)
log_cycle_noise         Normal(ln 0.3, 1)             HalfNormal(0.4)      4 to 210 % of a step
log_additive_noise      Normal(ln(0.2 r/N), 1.5)      HalfNormal(0.4)      1 to 400 % of a step
log_read_noise          Normal(ln 0.01, 1)            shared               0.14 to 7 % of the conductance
log_excess_degrees...   Normal(ln 4, 1)               shared               Student's t, ν - 2 from 0.6 to 28
logit_stuck_fraction    Beta(1, 20)                   shared               small, mean 0.048
log_tenth_...           Normal(ln m, 1.5)             HalfNormal(0.5)      within a factor 19 of the reads
slope_...               Normal(0, 1)                  HalfNormal(0.3)      either direction
log_noise...            Normal(ln 0.3, 1.2)           HalfNormal(0.4)      3 to 300 %
log_conductance_set     Normal(ln m_+, 1.5)           HalfNormal(1)        within a factor 19 of the reads
log_conductance_reset   Normal(ln m_-, 1.5)           HalfNormal(1)        the same
atanh_correlation_...   Normal(0, 0.5)                shared               -0.75 to 0.75
drift_...               Normal(0, 1)                  HalfNormal(0.5)      a factor e over the record
======================= ============================= ==================== =====================================

Shared parameters have one value for all devices; without pooling, every device has its own, with the same prior.
"""

import math
from collections.abc import Callable

import numpy as np

from charz.fitting.contract import FreeParameter, Observations
from charz.fitting.priors import Prior

Pair = tuple[Prior, Prior]
SHORTEST_RUN = 10.0


def priors_of(free: tuple[FreeParameter, ...]) -> Callable[[Observations], dict[str, Pair]]:
    """Priors of these parameters as a function of the observations: `Model.priors`."""

    def priors(observations: Observations) -> dict[str, Pair]:
        scales = _Scales(observations)
        return {p.linked_name: _pair(p, observations, *constants_of(p.name, scales)) for p in free}

    return priors


class _Scales:
    """The few coarse numbers that the priors are scaled to."""

    def __init__(self, observations: Observations) -> None:
        conductance, measured = observations.arrays["conductance"], observations.measured
        polarity = observations.arrays["polarity"]
        reads = np.concatenate(
            [conductance[measured], observations.arrays["start"][observations.arrays["restarts"] > 0]]
        )
        self.lowest = float(reads.min())
        # A constant record is refused before it is fitted; its priors must be shown all the same.
        self.range = max(float(np.ptp(reads)), 1e-3 * self.lowest)
        self.run = max(float(observations.arrays["number"][measured].max()), SHORTEST_RUN)
        self.median = {
            sign: float(np.median(conductance[polarity == sign])) if (polarity == sign).any() else self.lowest
            for sign in (1, -1)
        }


def _pair(
    parameter: FreeParameter, observations: Observations, centre: float, width: float, spread: float
) -> Pair:
    unit = observations.linked_unit(parameter)
    spread_unit = unit if not parameter.link.prefix else "1"
    if parameter.link.prefix == "logit_":
        return Prior("logit-beta", (centre, width)), Prior("half-normal", (spread,))
    return Prior("normal", (centre, width), unit), Prior("half-normal", (spread,), spread_unit)


def constants_of(name: str, scales: _Scales) -> tuple[float, float, float]:
    """Two constants of the typical device's prior, and the scale of the spread's (table above)."""
    log, step = math.log, scales.range / scales.run
    table = {
        "conductance_min": (log(scales.lowest), 1.0, 0.3),
        "window": (log(scales.range), 0.7, 0.3),
        "step_potentiation": (log(2 * step), 1.5, 0.4),
        "step_depression": (log(2 * step), 1.5, 0.4),
        "symmetric_step": (log(step), 1.5, 0.4),
        "symmetric_conductance": (log(scales.lowest + scales.range / 2), 0.7, 0.3),
        "decay_potentiation": (log(scales.range / 2), 1.0, 0.4),
        "decay_depression": (log(scales.range / 2), 1.0, 0.4),
        "cycle_noise": (log(0.3), 1.0, 0.4),
        "additive_noise": (log(0.2 * step), 1.5, 0.4),
        "read_noise": (log(0.01), 1.0, 0.4),
        "degrees_of_freedom": (log(4.0), 1.0, 0.4),
        "stuck_fraction": (1.0, 20.0, 1.0),
        "tenth_potentiation": (log(scales.median[1]), 1.5, 0.5),
        "tenth_depression": (log(scales.median[-1]), 1.5, 0.5),
        "tenth": (log(max(scales.median.values())), 1.5, 0.5),
        "slope_potentiation": (0.0, 1.0, 0.3),
        "slope_depression": (0.0, 1.0, 0.3),
        "slope": (0.0, 1.0, 0.3),
        "noise": (log(0.3), 1.2, 0.4),
        "noise_set": (log(0.3), 1.2, 0.4),
        "noise_reset": (log(0.3), 1.2, 0.4),
        "conductance_set": (log(scales.median[1]), 1.5, 1.0),
        "conductance_reset": (log(scales.median[-1]), 1.5, 1.0),
        "correlation_set": (0.0, 0.5, 0.3),
        "correlation_reset": (0.0, 0.5, 0.3),
        "drift_set": (0.0, 1.0, 0.5),
        "drift_reset": (0.0, 1.0, 0.5),
    }
    return table[name]
