r"""Default priors of telegraph noise, scaled to the range of the records and to their sampling.

With the middle :math:`c` and the range :math:`R` of all signals, N samples a record at an interval :math:`\delta`, and
:math:`D` the range of the drives:

===================== ===================================== ===================================================
typical device        prior                                 why
===================== ===================================== ===================================================
low                   Normal(c, R)                          a level lies within the range
log separation        Normal(ln(R/2), 1)                    levels span most of the range, or a tenth of it
log noise             Normal(ln(R/10), 1.5)                 noise between R/200 and 2 R
log rate, every       Normal(-ln(δ √N), ln(N)/2)            between one dwell a record and one a sample
drift                 Normal(0, R)                          a drift beyond the range would be seen as such
growth                Normal(0, 5/D)                        rates change by less than e^5 over half the drives
stability             Normal(20, 20)                        a barrier of 0 to 60 kT
===================== ===================================== ===================================================

The spread of a population on the linked scale has

===================== ===================================== ===================================================
spread                prior                                 why
===================== ===================================== ===================================================
low_sd, drift_sd      HalfNormal(R/4)                       the records of all devices make up the range
log separation, noise HalfNormal(0.5)                       they differ by tens of per cent, not by decades
log rates             HalfNormal(1)                         rates differ by factors of about three
===================== ===================================== ===================================================
"""

import math
from collections.abc import Callable

import numpy as np

from charz.fitting.contract import FreeParameter, Observations
from charz.fitting.priors import Prior

LOG_SEPARATION_SD, LOG_NOISE_SD = 1.0, 1.5
LOG_SD_SCALE, LOG_RATE_SD_SCALE, LEVEL_SD_SCALE = 0.5, 1.0, 0.25
GROWTH_OVER_DRIVES = 5.0
STABILITY, STABILITY_SD = 20.0, 20.0
# Of a population of what one junction has but one of: never used, as those parameters are shared.
SHARED = Prior("half-normal", (1.0,))

Pairs = dict[str, tuple[Prior, Prior]]


def priors_for(free: tuple[FreeParameter, ...]) -> Callable[[Observations], Pairs]:
    """Priors of a model's parameters as a function of the observations."""

    def priors(observations: Observations) -> Pairs:
        return {p.linked_name: _pair(p, observations) for p in free}

    return priors


def _pair(parameter: FreeParameter, observations: Observations) -> tuple[Prior, Prior]:
    arrays, unit = observations.arrays, observations.linked_unit(parameter)
    lowest = float((arrays["centre"] - arrays["scale"] / 2).min())
    highest = float((arrays["centre"] + arrays["scale"] / 2).max())
    span = highest - lowest
    name = parameter.name
    if name.startswith("rate"):
        number = float(np.median(observations.measured.sum(1)))
        interval = float(np.median(arrays["interval"]))
        centre = -math.log(interval * math.sqrt(number))
        return (
            Prior("normal", (centre, max(1.0, math.log(number) / 2)), unit),
            Prior("half-normal", (LOG_RATE_SD_SCALE,)),
        )
    if name.endswith("separation"):
        typical = Prior("normal", (math.log(span / 2), LOG_SEPARATION_SD), unit)
        return typical, Prior("half-normal", (LOG_SD_SCALE,))
    if name == "noise":
        typical = Prior("normal", (math.log(span / 10), LOG_NOISE_SD), unit)
        return typical, Prior("half-normal", (LOG_SD_SCALE,))
    if name.startswith("growth"):
        reach = float(np.ptp(arrays["drive"])) if "drive" in arrays else 0.0
        return Prior("normal", (0.0, GROWTH_OVER_DRIVES / (reach or 1.0)), unit), SHARED
    if name.startswith("stability"):
        return Prior("normal", (STABILITY, STABILITY_SD), unit), SHARED
    middle = (lowest + highest) / 2 if name == "low" else 0.0
    return Prior("normal", (middle, span), unit), Prior("half-normal", (LEVEL_SD_SCALE * span,), unit)
