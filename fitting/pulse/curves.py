"""Switching curves with their posterior bands, as plain arrays for tables and plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, PRNGKeyArray

from charz.devices import TwoDirections
from charz.devices.law import AbstractPulsedLaw
from charz.fitting.predictive import with_device_axis
from charz.fitting.pulse.likelihood import probability_at
from charz.fitting.pulse.sweep import DIRECTIONS

NUM_POINTS = 241
NUM_DRAWS = 1000
MAX_WIDTHS = 4
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Branch:
    """One curve of a device: a direction and a pulse width.

    Parameters
    ----------
    label : str
    direction : int
        0 set, 1 reset.
    width : float
        Pulse width in s; NaN where the law does not know it.
    """

    label: str
    direction: int
    width: float


def switching_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
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
        ``num_trials``, ``num_switched``, ``amplitude`` (device, setting) as measured. Where there is more than
        one direction or pulse width, probabilities have the axis ``branch`` after ``quantile``, and
        ``setting_branch`` (device, setting) numbers the branch of each setting: -1 for widths that are not
        shown (of more than four, the shortest, the longest and two between are).
    """
    model, observations = posterior.fit_model, posterior.observations()
    arrays, measured = observations.arrays, observations.measured
    draws = with_device_axis(posterior.law_draws(), 2, len(observations.devices))
    step = max(1, len(next(iter(draws.values()))) // NUM_DRAWS)
    devices = model.law({name: jnp.asarray(values[::step]) for name, values in draws.items()})
    two = isinstance(devices, TwoDirections)
    amplitude = arrays["directed_amplitude" if two else "amplitude"]
    drive = np.linspace(amplitude[measured].min(), amplitude[measured].max(), NUM_POINTS)
    branches, numbers = _branches(arrays, measured, two, _is_pulsed(devices))
    several = len(branches) > 1
    axes = ("quantile", "branch") if several else ("quantile",)
    variables = {
        "device_probability": ((*axes, "device", "point"), _bands(devices, drive, branches), {"units": "1"})
    }
    if posterior.pool == "hierarchical":
        new = posterior.new_devices(jax.random.key(0) if key is None else key, NUM_DRAWS, ())
        variables["population_probability"] = ((*axes, "point"), _bands(new, drive, branches), {"units": "1"})
    dims = ("device", "setting")
    unit = observations.units["drive"]
    variables |= {
        "amplitude": (dims, np.where(measured, amplitude, np.nan), {"units": unit}),
        "num_trials": (dims, arrays["num_trials"].astype(np.int64), {"units": "1"}),
        "num_switched": (dims, arrays["num_switched"].astype(np.int64), {"units": "1"}),
    }
    coords: dict[str, Any] = {
        "quantile": list(QUANTILES),
        "device": list(observations.devices),
        "drive": ("point", drive, {"units": unit}),
    }
    if several:
        variables["setting_branch"] = (dims, numbers, {"units": "1"})
        coords["branch"] = [branch.label for branch in branches]
    return xr.Dataset(variables, coords=coords)


def _is_pulsed(law: Any) -> bool:
    return isinstance(law.set if isinstance(law, TwoDirections) else law, AbstractPulsedLaw)


def _branches(
    arrays: Mapping[str, np.ndarray], measured: np.ndarray, two: bool, pulsed: bool
) -> tuple[list[Branch], np.ndarray]:
    """Curves to be shown, and the number of the one to which each setting belongs."""
    direction = arrays["direction"] if two else np.zeros(measured.shape)
    # Six digits: widths that differ by rounding only are one.
    width = np.round(np.log(arrays["width"]), 6) if pulsed else np.zeros(measured.shape)
    found = np.unique(width[measured])
    if found.size > MAX_WIDTHS:
        found = found[np.linspace(0, found.size - 1, MAX_WIDTHS).round().astype(int)]
    branches, numbers = list[Branch](), np.full(measured.shape, -1)
    for way in np.unique(direction[measured]):
        for shown in found:
            inside = measured & (direction == way) & (width == shown)
            if not inside.any():
                continue
            exact = float(np.exp(shown)) if pulsed else float("nan")
            words = [DIRECTIONS[int(way)]] * two + [f"{exact:.3g} s"] * pulsed
            numbers[inside] = len(branches)
            branches.append(Branch(", ".join(words), int(way), exact))
    return branches, numbers


def _bands(law: Any, drive: np.ndarray, branches: list[Branch]) -> np.ndarray:
    """Quantiles over the leading draw axis of a law's curves, (quantile[, branch], ..., point)."""
    column = jax.tree.map(lambda leaf: leaf[..., None], law)
    points = jnp.asarray(drive)
    found = []
    for branch in branches:  # at most eight, compiled once
        settings = {
            "amplitude": points,
            "directed_amplitude": points,
            "direction": jnp.full_like(points, branch.direction),
            "width": jnp.full_like(points, branch.width),
        }
        found.append(np.quantile(np.asarray(_probability(column, settings)), QUANTILES, axis=0))
    return np.stack(found, axis=1) if len(found) > 1 else found[0]


@eqx.filter_jit
def _probability(law: Any, settings: dict[str, Array]) -> Array:
    return probability_at(law, settings)
