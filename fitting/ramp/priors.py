r"""Default priors of threshold laws, scaled to the range of drives in which thresholds lie.

With :math:`l, h` the smallest and the largest recorded drive (bounds of censored thresholds among them), c their
middle, r = h - l at least c/100, :math:`\bar y = \sqrt{l h}`, and :math:`s = \max(\ln(h/l)/2, 0.3)`; N cycles from
the first to the last of the record.

======================== ============================= =====================================================
typical device           prior                         why
======================== ============================= =====================================================
log scale, log median    Normal(ln ȳ, s)               typical thresholds lie among the recorded ones
log shape                Normal(ln 10, 1.2)            1 (as wide as an exponential law) to 100 (95 %)
location                 Normal(c, r)                  as for the scale
log width                Normal(ln(r/10), 1.2)         width between r/100 and r
log spread               Normal(ln 0.1, 1.2)           ln y varies by 0.01 to 1
log thermal_stability    Normal(ln 40, 0.8)            8 to 200 kT: below, nothing is stored; above, no drive helps
log critical             Normal(ln 2ȳ, s + 0.7)        thermal activation switches at about half of it
log separation           Normal(ln 0.3, 1)             components differ by a factor of 1.04 to 8
logit weight_low         logit Beta(1, 1)              nothing is known of it
drift per 1000 cycles    Normal(0, 500/N)              the thresholds change by less than e over the record
atanh correlation        Normal(0, 0.8)                between -0.92 and 0.92
atanh persistence        Normal(1.5, 0.8)              a wander that lasts for one to hundreds of cycles
logit chain_share        logit Beta(2, 2)              wander and fresh noise are both there
======================== ============================= =====================================================

The spread between devices is half-normal: 0.3 for the logarithm of a scale, a median or a critical drive and 0.5
for any other logarithm (tens of per cent), r/4 for a location, 1 for a logit, a quarter of the typical prior's sd for
the drift.
"""

import math
from dataclasses import dataclass

import numpy as np

from charz.fitting.contract import Observations
from charz.fitting.priors import Prior

Pair = tuple[Prior, Prior]


@dataclass(frozen=True)
class Reach:
    """Range of recorded drives, in the unit of the drive; cycles from the first to the last."""

    low: float
    high: float
    num_cycles: float
    unit: str

    @property
    def centre(self) -> float:
        """Middle of the range."""
        return (self.low + self.high) / 2

    @property
    def span(self) -> float:
        """Length of the range, never 0."""
        return max(self.high - self.low, abs(self.centre) / 100, 1e-12)

    @property
    def log_middle(self) -> float:
        """Middle of the range of logarithms; of the middle itself where drives are not all positive."""
        if self.low <= 0:
            return math.log(max(self.centre, self.span / 10))
        return (math.log(self.low) + math.log(self.high)) / 2

    @property
    def log_half(self) -> float:
        """Half the range of logarithms, at least 0.3."""
        return max(math.log(self.high / self.low) / 2, 0.3) if self.low > 0 else 1.0


def reach_of(observations: Observations) -> Reach:
    """Range of the recorded drives."""
    arrays, measured = observations.arrays, observations.measured
    drives = [arrays[name][measured] for name in ("threshold", "lower", "upper") if name in arrays]
    every, cycles = np.concatenate(drives), arrays["kilocycles"][measured]
    num_cycles = max(1000 * float(np.ptp(cycles)), 1.0)
    return Reach(float(every.min()), float(every.max()), num_cycles, observations.units["drive"])


def _scale(reach: Reach) -> Pair:
    return Prior("normal", (reach.log_middle, reach.log_half), f"ln({reach.unit})"), Prior(
        "half-normal", (0.3,)
    )


def _logarithm(centre: float, sd: float) -> Pair:
    return Prior("normal", (math.log(centre), sd), "ln(1)"), Prior("half-normal", (0.5,))


def _location(reach: Reach) -> Pair:
    return (
        Prior("normal", (reach.centre, reach.span), reach.unit),
        Prior("half-normal", (reach.span / 4,), reach.unit),
    )


def _width(reach: Reach) -> Pair:
    return (
        Prior("normal", (math.log(reach.span / 10), 1.2), f"ln({reach.unit})"),
        Prior("half-normal", (0.5,)),
    )


def _critical(reach: Reach) -> Pair:
    centre, sd = reach.log_middle + math.log(2), reach.log_half + 0.7
    return Prior("normal", (centre, sd), f"ln({reach.unit})"), Prior("half-normal", (0.3,))


def _drift(reach: Reach) -> Pair:
    sd = 500 / reach.num_cycles
    unit = "1/(1000 cycles)"
    return Prior("normal", (0.0, sd), unit), Prior("half-normal", (sd / 4,), unit)


def priors_of(observations: Observations) -> dict[str, Pair]:
    """Priors of every parameter that a threshold law may have, by linked name; a model takes those it knows."""
    reach = reach_of(observations)
    return {
        "log_scale": _scale(reach),
        "log_scale_low": _scale(reach),
        "log_median": _scale(reach),
        "log_shape": _logarithm(10.0, 1.2),
        "log_shape_low": _logarithm(10.0, 1.2),
        "log_shape_high": _logarithm(10.0, 1.2),
        "location": _location(reach),
        "log_width": _width(reach),
        "log_spread": _logarithm(0.1, 1.2),
        "log_thermal_stability": _logarithm(40.0, 0.8),
        "log_critical": _critical(reach),
        "log_separation": _logarithm(0.3, 1.0),
        "logit_weight_low": (Prior("logit-beta", (1.0, 1.0)), Prior("half-normal", (1.0,))),
        "drift": _drift(reach),
        "atanh_correlation": (Prior("normal", (0.0, 0.8)), Prior("half-normal", (0.3,))),
        "atanh_persistence": (Prior("normal", (1.5, 0.8)), Prior("half-normal", (0.3,))),
        "logit_chain_share": (Prior("logit-beta", (2.0, 2.0)), Prior("half-normal", (1.0,))),
    }
