"""Distribution of thresholds and their order in time, with posterior bands, as plain arrays for tables and plots."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.fitting.keys import generator_from
from charz.fitting.predictive import with_device_axis
from charz.fitting.ramp.checks import scores
from charz.fitting.ramp.starts import representative

NUM_POINTS = 161
NUM_DRAWS = 400
NUM_SERIES = 200
MAX_NUMBERS = 4_000_000
QUANTILES = (0.05, 0.5, 0.95)
MARGIN = 0.08
MAX_DEVICES = 24


def threshold_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Share of ramps switched below each drive, measured and fitted, and the thresholds in their order.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For the replicated thresholds and new devices; a fixed one by default.

    Returns
    -------
    Dataset
        ``drive`` (point) in the unit of the data; ``device_share`` (quantile, shown, point), the fitted distribution
        over the whole record of each device shown (evenly spaced ones of many); ``share`` (quantile, point), that of
        all thresholds together in replicated data; ``threshold``, ``censored`` and the normal ``score`` at the
        posterior mean of the values (device, cycle); ``replicated`` (quantile, device, cycle), the band of
        thresholds; for a hierarchy ``population_share`` (quantile, point), of a device nobody has measured.
    """
    model, observations = posterior.fit_model, posterior.observations()
    key = jax.random.key(0) if key is None else key
    measured = observations.measured
    draws = with_device_axis(posterior.law_draws(), 2, len(observations.devices))
    total = len(next(iter(draws.values())))
    number = int(np.clip(MAX_NUMBERS // measured.size, 40, NUM_DRAWS))
    few = {name: v[np.unique(np.linspace(0, total - 1, number).astype(int))] for name, v in draws.items()}
    value = np.where(measured, representative(observations.arrays, observations), np.nan)
    drive = _grid(value, model.name == "gumbel")
    replicated = model.replicate(generator_from(key), few, observations)
    simulated = np.where(measured, representative(replicated, observations), np.nan)
    shown = np.unique(np.linspace(0, len(value) - 1, min(len(value), MAX_DEVICES)).astype(int))
    unit = observations.units["drive"]
    flags = observations.arrays.get("censored", np.zeros(measured.shape))
    mean = {name: v.mean(0, keepdims=True) for name, v in draws.items()}
    score = scores(model, np.where(measured, value, 1.0)[None], mean, observations)[0]
    dims = ("device", "cycle")
    quantile = ("quantile",)
    variables: dict[str, Any] = {
        "device_share": ((*quantile, "shown", "point"), _shares(simulated[:, shown], drive), {"units": "1"}),
        "share": (
            (*quantile, "point"),
            _shares(simulated.reshape(len(simulated), -1), drive),
            {"units": "1"},
        ),
        "threshold": (dims, value, {"units": unit, "long_name": "threshold"}),
        "censored": (dims, flags.astype(np.int64), {"units": "1"}),
        "score": (dims, np.where(measured, score, np.nan), {"units": "1", "long_name": "normal score"}),
        "replicated": ((*quantile, *dims), _quantiles(simulated, measured), {"units": unit}),
    }
    if posterior.pool == "hierarchical" and "ramp_rate" not in observations.arrays:
        variables["population_share"] = (
            (*quantile, "point"),
            _population(posterior, key, drive),
            {"units": "1"},
        )
    coords = {
        "quantile": list(QUANTILES),
        "device": list(observations.devices),
        "shown": shown,
        "drive": ("point", drive, {"units": unit, "long_name": "threshold"}),
    }
    return xr.Dataset(variables, coords=coords)


def _grid(value: np.ndarray, any_sign: bool) -> np.ndarray:
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    margin = MARGIN * max(high - low, 1e-9 * abs(high))
    start = low - margin if any_sign else max(low - margin, low / 2)
    return np.linspace(start, high + margin, NUM_POINTS)


def _shares(simulated: np.ndarray, drive: np.ndarray) -> np.ndarray:
    """Quantiles over samples of the share of thresholds at or below each drive; thresholds along the last axis."""
    flat = simulated.reshape(-1, simulated.shape[-1])
    bins = np.searchsorted(drive, flat)
    valid = np.isfinite(flat)
    rows = np.broadcast_to(np.arange(len(flat))[:, None], flat.shape)
    width = drive.size + 1
    counts = np.bincount((rows * width + bins)[valid], minlength=len(flat) * width).reshape(len(flat), width)
    share = np.cumsum(counts, axis=1)[:, :-1] / np.maximum(valid.sum(1), 1)[:, None]
    return np.quantile(share.reshape(*simulated.shape[:-1], drive.size), QUANTILES, axis=0)


def _quantiles(simulated: np.ndarray, measured: np.ndarray) -> np.ndarray:
    filled = np.where(measured, simulated, 0.0)
    return np.where(measured, np.quantile(filled, QUANTILES, axis=0), np.nan)


def _population(posterior: Any, key: PRNGKeyArray, drive: np.ndarray) -> np.ndarray:
    """Quantiles over new devices of their distribution; of a drifting one in the middle of the record."""
    with jax.enable_x64(True):
        device = posterior.new_devices(key, NUM_DRAWS, ())
        law = getattr(device, "law", device)
        column = jax.tree.map(lambda leaf: jnp.asarray(leaf)[..., None], law)
        share = np.exp(np.asarray(column.log_below(jnp.asarray(drive))))
    return np.quantile(share, QUANTILES, axis=0)
