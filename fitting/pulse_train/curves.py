"""Pulse trains with their posterior bands, as plain arrays for tables and plots."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.fitting.contract import Observations
from charz.fitting.pulse_train.models import POWER_LAWS, STEP_MODELS
from charz.fitting.pulse_train.observations import conductance_before
from charz.fitting.pulse_train.stuck import stuck_log_odds

NUM_POINTS = 101
NUM_DRAWS = 500
QUANTILES = (0.05, 0.5, 0.95)
READS = ("device", "cycle", "pulse")
SIDES = {"potentiation": 1.0, "depression": -1.0}


def train_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Measured and predicted conductances, and the law of the step where the model has one.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For devices drawn from the population; a fixed one by default.

    Returns
    -------
    Dataset
        ``conductance`` (device, cycle, pulse) as measured and ``predicted`` (quantile, ...), both in S: a train
        simulated anew from its start, so that its noise accumulates. ``polarity`` and ``number`` of each pulse.
        For laws of the step ``before`` and ``increment`` as measured, ``grid`` (device, point) and
        ``step_potentiation``, ``step_depression`` (quantile, device, point), all in S; for a hierarchy
        ``population_grid`` and ``population_step_...`` of devices nobody has measured. For stuck devices
        ``stuck_probability`` (device). Attribute ``view``: ``steps``, ``power law`` or ``states``.
    """
    observations, model = posterior.observations(), posterior.fit_model
    measured = observations.measured
    replicated = posterior.tree["posterior_predictive"]["conductance"].to_numpy()
    predicted = np.quantile(replicated, QUANTILES, axis=(0, 1))
    variables: dict[str, Any] = {
        "conductance": (
            READS,
            _kept(observations.arrays["conductance"], measured),
            _label("S", "conductance"),
        ),
        "predicted": (("quantile", *READS), predicted, _label("S", "conductance, predicted")),
        "polarity": (READS, observations.arrays["polarity"], _label("1", "polarity")),
        "number": (READS, observations.arrays["number"], _label("1", "number of the pulse in its run")),
    }
    view = "steps" if model in STEP_MODELS else "power law" if model in POWER_LAWS else "states"
    if view == "steps":
        with jax.enable_x64(True):
            variables |= _steps(posterior, observations, jax.random.key(0) if key is None else key)
    return xr.Dataset(
        variables,
        coords={"quantile": list(QUANTILES), "device": list(observations.devices)},
        attrs={"view": view},
    )


def _kept(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, array, np.nan)


def _label(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def _few(posterior: Any, num_devices: int) -> dict[str, jax.Array]:
    """Evenly spaced draws of the law's values, (draw, device)."""
    draws = {n: v.reshape(-1, *v.shape[2:]) for n, v in posterior.law_draws().items()}
    step = max(1, len(next(iter(draws.values()))) // NUM_DRAWS)
    return {
        name: jnp.broadcast_to(v[::step].reshape(len(v[::step]), -1), (len(v[::step]), num_devices))
        for name, v in draws.items()
    }


def _steps(posterior: Any, observations: Observations, key: PRNGKeyArray) -> dict[str, Any]:
    arrays = observations.arrays
    stepped = observations.measured & (arrays["stepped"] > 0)
    conductance = np.asarray(arrays["conductance"])
    before = conductance_before(conductance, arrays)
    low, high = (
        operation(np.where(stepped, before, stand_in), axis=(1, 2))
        for operation, stand_in in ((np.min, np.inf), (np.max, -np.inf))
    )
    low, high = (
        np.where(np.isfinite(low), low, before[stepped].min()),
        np.where(np.isfinite(high), high, before[stepped].max()),
    )
    grid = np.linspace(low, high, NUM_POINTS, axis=1)
    draws = _few(posterior, len(observations.devices))
    device = posterior.fit_model.law({name: value[..., None] for name, value in draws.items()})
    variables: dict[str, Any] = {
        "before": (READS, _kept(before, stepped), _label("S", "conductance before the pulse")),
        "increment": (READS, _kept(conductance - before, stepped), _label("S", "change by the pulse")),
        "grid": (("device", "point"), grid, _label("S", "conductance before the pulse")),
        **{
            f"step_{side}": (
                ("quantile", "device", "point"),
                _band(device, grid, sign),
                _label("S", f"mean {side}"),
            )
            for side, sign in SIDES.items()
        },
    }
    if posterior.pool == "hierarchical":
        common = np.linspace(low.min(), high.max(), NUM_POINTS)
        new = posterior.new_devices(key, NUM_DRAWS, (1,))
        variables["population_grid"] = ("point", common, _label("S", "conductance before the pulse"))
        variables |= {
            f"population_step_{side}": (
                ("quantile", "point"),
                _band(new, common, sign),
                _label("S", f"mean {side}"),
            )
            for side, sign in SIDES.items()
        }
    if "stuck_fraction" in draws:
        variables["stuck_probability"] = (
            "device",
            _stuck_probability(draws, observations),
            _label("1", "probability that the device is stuck"),
        )
    return variables


def _band(device: Any, grid: np.ndarray, sign: float) -> np.ndarray:
    """Quantiles over the leading axis of the mean step."""
    return np.quantile(np.asarray(device.step(jnp.asarray(grid), jnp.asarray(sign))), QUANTILES, axis=0)


def _stuck_probability(draws: dict[str, jax.Array], observations: Observations) -> np.ndarray:
    """Posterior probability that each device is stuck, (device,)."""
    arrays = {name: jnp.asarray(array) for name, array in observations.arrays.items()}
    over_devices = jax.vmap(stuck_log_odds)
    odds = jax.jit(jax.vmap(over_devices, in_axes=(0, None)))(draws, arrays)
    return np.asarray(jax.nn.sigmoid(odds).mean(0))
