"""Switching curves with their posterior bands, as plain arrays for tables and plots."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.devices import AbstractSwitchingLaw
from charz.fitting.posterior import Posterior

NUM_POINTS = 241
NUM_DRAWS = 1000
QUANTILES = (0.05, 0.5, 0.95)


def switching_curves(posterior: Posterior, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Curves of the measured devices and of the population over the measured sweep.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For the devices drawn from the population; a fixed one by default.

    Returns
    -------
    Dataset
        ``drive`` (point) in the unit of the data; ``device_probability`` (quantile, device, point); for a
        hierarchy ``population_probability`` (quantile, point), the curve of a device nobody has measured;
        ``num_trials``, ``num_switched``, ``amplitude`` (device, setting) as measured.
    """
    drive = np.linspace(*posterior.drive_range, NUM_POINTS)
    draws = {name: values.reshape(-1, *values.shape[2:]) for name, values in posterior.law_draws().items()}
    step = max(1, len(next(iter(draws.values()))) // NUM_DRAWS)
    num_devices = len(posterior.device_names)
    few = {
        name: jnp.broadcast_to(values[::step].reshape(-1, values[0].size), (len(values[::step]), num_devices))
        for name, values in draws.items()
    }
    quantiles = list(QUANTILES)
    variables: dict[str, Any] = {
        "device_probability": (
            ("quantile", "device", "point"),
            _quantiles(posterior.switching_model.law(few), drive),
            {"units": "1"},
        )
    }
    if posterior.pool == "hierarchical":
        new = posterior.new_devices(jax.random.key(0) if key is None else key, NUM_DRAWS, ())
        variables["population_probability"] = (("quantile", "point"), _quantiles(new, drive), {"units": "1"})
    constant = posterior.tree["constant_data"].to_dataset()
    return xr.Dataset(
        {
            **variables,
            "amplitude": constant["amplitude"],
            "num_trials": constant["num_trials"],
            "num_switched": posterior.tree["observed_data"].to_dataset()["num_switched"],
        },
        coords={"quantile": quantiles, "drive": ("point", drive, {"units": posterior.drive_unit})},
    )


def _quantiles(law: AbstractSwitchingLaw, drive: np.ndarray) -> np.ndarray:
    """Quantiles over the leading draw axis of a law's curve, (quantile, ..., point)."""
    probability = jax.tree.map(lambda leaf: leaf[..., None], law).probability(jnp.asarray(drive))
    return np.quantile(np.asarray(probability), QUANTILES, axis=0)
