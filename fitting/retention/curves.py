"""Records with the bands of their drift and of what such a device shows again, as plain arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.fitting.keys import generator_from
from charz.fitting.predictive import with_device_axis
from charz.fitting.retention.discrepancies import situation

NUM_DRAWS = 400
QUANTILES = (0.05, 0.5, 0.95)


def retention_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Bands of every measured device over its own times.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For the replicated records; a fixed one by default.

    Returns
    -------
    Dataset
        ``retained`` as measured (device, time), ``drift`` and ``record`` (quantile, device, time): bands of the
        drift alone and of a whole record with its noise, in the unit of the data; ``surprise`` (device, time):
        mean innovation in standard deviations; ``elapsed`` (device, time) in s. NaN at padding.
    """
    model, observations = posterior.fit_model, posterior.observations()
    name = observations.observed[0]
    values = with_device_axis(posterior.law_draws(), 2, len(observations.devices))
    total = len(next(iter(values.values())))
    picked = np.unique(np.linspace(0, total - 1, min(NUM_DRAWS, total)).astype(int))
    values = {name: draws[picked] for name, draws in values.items()}
    generator = generator_from(jax.random.key(0) if key is None else key)
    records = model.replicate(generator, values, observations)[name]
    with jax.enable_x64(True):
        law = model.law({name: jnp.asarray(draws)[..., None] for name, draws in values.items()})
        drift = np.asarray(law.drift.log_retained(jnp.asarray(observations.arrays["elapsed"])))
    measured = observations.measured
    seen = situation(model, {name: observations.arrays[name][None]}, values, observations)
    attrs = {"units": observations.units[name], "long_name": observations.long_names[name]}
    place = ("device", "time")
    band = ("quantile", *place)
    variables: dict[str, Any] = {
        "retained": (place, _shown(observations.arrays[name], measured), attrs),
        "drift": (band, _shown(np.exp(np.quantile(drift, QUANTILES, axis=0)), measured), attrs),
        "record": (band, _shown(np.quantile(records, QUANTILES, axis=0), measured), attrs),
        "surprise": (
            place,
            _shown(seen.surprise.mean(0), measured),
            {"units": "1", "long_name": "surprise in standard deviations"},
        ),
        "elapsed": (
            place,
            _shown(observations.arrays["elapsed"], measured),
            {"units": "s", "long_name": "time since the first sample"},
        ),
    }
    coords = {"device": list(observations.devices), "quantile": list(QUANTILES)}
    return xr.Dataset(variables, coords)


def _shown(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    return np.where(measured, values, np.nan)
