"""What a model expects of a measurement before it is made: outcomes of a few draws from the prior."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from charz.fitting.contract import Model, Observations
from charz.fitting.keys import generator_from
from charz.fitting.population import population_names
from charz.fitting.predictive import prior_draws, replicates
from charz.fitting.priors import Prior
from charz.fitting.registry import family_of

NUM_DRAWS = 20
MAX_POINTS = 2000
TRIALS = "num_trials"


def expected_outcomes(
    key: PRNGKeyArray,
    model: Model,
    observations: Observations,
    priors: Mapping[str, Prior],
    pool: str,
    num_draws: int = NUM_DRAWS,
) -> xr.Dataset:
    """Outcomes that the prior expects at the settings of a measurement, beside what was measured.

    Parameters
    ----------
    key : PRNG key
    model : Model
    observations : Observations
    priors : mapping
        As `charz.fitting.prior_table.priors_for` gives them.
    pool : str
    num_draws : int

    Returns
    -------
    Dataset
        ``expected`` (draw, point) of the first device; ``measured`` (device, point); ``setting`` (device, point):
        the first setting that varies, or the number of the point. Counts are shares of the trials. Of a long
        record the first `MAX_POINTS` points; NaN at padding. Units and names in the attributes.
    """
    generator = generator_from(key)
    num_devices = len(observations.devices)
    name = observations.observed[0]
    own = family_of(model.name).prior_outcomes
    if own is not None:
        outcomes = own(generator, model, observations, priors, num_draws)
    else:
        drawn = prior_draws(generator, model, priors, pool, num_draws, num_devices)
        populations = population_names(model, pool)
        values = {name: value[None] for name, value in drawn.items() if name not in populations}
        outcomes = replicates(generator, model, values, observations)[name][0, :, 0].reshape(num_draws, -1)
    mask = observations.measured.reshape(num_devices, -1)
    measured = np.asarray(observations.arrays[name], float).reshape(num_devices, -1)
    long_name, unit = observations.long_names.get(name, name), observations.units[name]
    trials = observations.arrays.get(TRIALS)
    if name in observations.integers and trials is not None:
        count = np.maximum(np.asarray(trials, float).reshape(num_devices, -1), 1.0)
        outcomes, measured, long_name = outcomes / count[0], measured / count, f"share: {long_name}"
    setting, setting_attrs = _setting(observations)
    shown = slice(None, MAX_POINTS)
    kept = mask[:, shown]
    return xr.Dataset(
        {
            "expected": (
                ("draw", "point"),
                np.where(kept[0], outcomes[:, shown], np.nan),
                {"units": unit, "long_name": long_name},
            ),
            "measured": (
                ("device", "point"),
                np.where(kept, measured[:, shown], np.nan),
                {"units": unit, "long_name": long_name},
            ),
            "setting": (("device", "point"), np.where(kept, setting[:, shown], np.nan), setting_attrs),
        },
        coords={"device": list(observations.devices)},
    )


def _setting(observations: Observations) -> tuple[NDArray[np.float64], dict[str, str]]:
    """First setting with a unit of its own that varies within a device, else the number of the point.

    An array in the unit of the outcome may stem from it, as the conductance before a pulse does.
    """
    shape, own = observations.measured.shape, observations.units[observations.observed[0]]
    flat = (shape[0], int(np.prod(shape[1:])))
    for name, array in observations.arrays.items():
        if name in observations.observed or name in observations.integers or np.shape(array) != shape:
            continue
        values = np.asarray(array, float).reshape(flat)
        inside = np.where(observations.measured.reshape(flat), values, np.nan)
        varies = np.nanmax(inside) > np.nanmin(inside)
        if varies and observations.units.get(name, "1") not in ("1", own):
            return values, {
                "units": observations.units[name],
                "long_name": observations.long_names.get(name, name),
            }
    last = observations.dims[-1]
    numbers = np.broadcast_to(np.arange(flat[1], dtype=float), flat)
    return numbers, {"units": "1", "long_name": f"number of the {'sample' if last == 'time' else last}"}
