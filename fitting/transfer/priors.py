r"""Priors of the linear response and of the surrogate, in SI units, scaled to the ranges of the record.

With :math:`r_e` half the range of electrode e (of one that never changed, the mean of the others'), :math:`I_m` the
middle and :math:`R` half the range of the measured currents:

============== ============================ ====================================================================
site           prior                        why
============== ============================ ====================================================================
level          Normal(I_m, R)               current in the middle of all ranges: within about what was measured
slope[e]       Normal(0, R / r_e)           one electrode alone could sweep the whole output, of either sign
log_noise      Normal(ln(R / 20), 1.5)      noise between R/380 and R (95 %)
log_amplitude  Normal(ln R, 0.75)           nonlinear part: between 0.2 R and 4 R
log_relevance  Normal(ln(0.7 / r_e), 1)     [e]: from nearly linear to several bends within a range
============== ============================ ====================================================================

The last two belong to the surrogate alone. Its output weights are Normal(0, amplitude / sqrt(units)). No setting of
the instrument gives a scale of the current, so its range stands for one; nothing else of the outcomes enters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from charz.errors import FitError
from charz.fitting.priors import Prior
from charz.fitting.transfer.record import Record

LOG_NOISE = (1 / 20, 1.5)
LOG_AMPLITUDE = (1.0, 0.75)
LOG_RELEVANCE = (0.7, 1.0)
LINEAR, SURROGATE = "linear", "surrogate"


def default_priors(model_name: str, record: Record) -> dict[str, Prior]:
    """Table of the module, for one record."""
    reach = record.half_current
    priors = {"level": Prior("normal", (record.middle_current, reach), "A")}
    priors |= {
        f"slope[{e}]": Prior("normal", (0.0, float(reach / half)), "A/V")
        for e, half in enumerate(record.half_range)
    }
    priors["log_noise"] = Prior("normal", (math.log(LOG_NOISE[0] * reach), LOG_NOISE[1]), "ln(A)")
    if model_name == LINEAR:
        return priors
    priors["log_amplitude"] = Prior("normal", (math.log(LOG_AMPLITUDE[0] * reach), LOG_AMPLITUDE[1]), "ln(A)")
    return priors | {
        f"log_relevance[{e}]": Prior(
            "normal", (math.log(LOG_RELEVANCE[0] / half), LOG_RELEVANCE[1]), "ln(1/V)"
        )
        for e, half in enumerate(record.half_range)
    }


def chosen_priors(model_name: str, record: Record, given: Mapping[str, Prior] | None) -> dict[str, Prior]:
    """Replace some default priors by the user's.

    Raises
    ------
    FitError
        For a name that is none of the model's, or a family other than normal: the weights are integrated out in
        closed form, which only normal priors allow.
    """
    defaults = default_priors(model_name, record)
    unknown = set(given or {}) - set(defaults)
    if unknown:
        raise FitError(
            f"prior for {', '.join(sorted(unknown))}: no such parameter here; there are {', '.join(defaults)}"
        )
    chosen = {**defaults, **(given or {})}
    for name, prior in chosen.items():
        if prior.family != "normal":
            raise FitError(
                f"prior for {name} is {prior.family!r}; here it must be 'normal', since the weights are integrated out "
                "in closed form: give a mean and a standard deviation"
            )
    return chosen


@dataclass(frozen=True)
class ScaledPriors:
    """The priors as arrays in scaled units: voltages in shares of the ranges, currents in units of half the output's.

    Parameters
    ----------
    weight_mean, weight_sd : array (1 + electrode,)
        Of the level above the middle of the output, and of the slopes.
    hyper_mean, hyper_sd : array (1,) or (2 + electrode,)
        Of log noise and, for the surrogate, log amplitude and log relevances.
    """

    weight_mean: np.ndarray
    weight_sd: np.ndarray
    hyper_mean: np.ndarray
    hyper_sd: np.ndarray


def scaled_priors(priors: Mapping[str, Prior], record: Record) -> ScaledPriors:
    """Bring priors into the units in which the evidence is computed."""
    electrodes = range(record.voltage.shape[1])
    reach, half = record.half_current, record.half_range
    level, slopes = priors["level"].constants, np.array([priors[f"slope[{e}]"].constants for e in electrodes])
    names = [name for name in priors if name.startswith("log_")]
    hyper = np.array([priors[name].constants for name in names])
    shift = np.array([_log_unit(name, reach, half) for name in names])
    return ScaledPriors(
        weight_mean=np.concatenate(
            [[(level[0] - record.middle_current) / reach], slopes[:, 0] * half / reach]
        ),
        weight_sd=np.concatenate([[level[1] / reach], slopes[:, 1] * half / reach]),
        hyper_mean=hyper[:, 0] - shift,
        hyper_sd=hyper[:, 1],
    )


def _log_unit(name: str, reach: float, half: np.ndarray) -> float:
    """Logarithm of the scaled unit of a hyperparameter, in SI."""
    if name.startswith("log_relevance"):
        return -math.log(half[int(name.partition("[")[2][:-1])])
    return math.log(reach)
