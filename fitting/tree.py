"""The DataTree of a posterior in ArviZ's schema: groups, named dimensions, units on every variable."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from charz.fitting.models import SwitchingModel
from charz.fitting.observations import SwitchingCounts

SETTINGS = ("device", "setting")
STAT_NAMES = {
    "diverging": "diverging",
    "num_steps": "n_steps",
    "accept_prob": "acceptance_rate",
    "energy": "energy",
}


def build_tree(
    model: SwitchingModel,
    counts: SwitchingCounts,
    values: Mapping[str, np.ndarray],
    stats: Mapping[str, np.ndarray],
    log_likelihood: np.ndarray,
    posterior_predictive: tuple[np.ndarray, np.ndarray],
    prior: Mapping[str, np.ndarray],
    prior_predictive: np.ndarray,
    centring: Mapping[str, np.ndarray],
    attrs: Mapping[str, Any],
) -> xr.DataTree:
    """Put the arrays of a fit under ArviZ's names.

    Parameters
    ----------
    model, counts
        What was fitted to what.
    values, stats : mapping
        Draws (chain, draw[, device]) and sampler statistics (chain, draw).
    log_likelihood : array (chain, draw, device, setting)
        NaN at padding.
    posterior_predictive : (draw numbers, array (chain, draw, device, setting))
        Replicated counts for some of the draws.
    prior, prior_predictive
        Draws (draw[, device]) and counts (draw, device, setting) before the data.
    centring : mapping
        Weight of each device by linked name.
    attrs : mapping
        Attributes of the whole file.
    """
    units = units_of(model, counts.unit)
    coords = {"device": list(counts.devices)}
    kept, replicated = posterior_predictive
    chain_draw = ("chain", "draw")
    groups = {
        "posterior": _variables(values, chain_draw, units),
        "sample_stats": {new: (chain_draw, stats[old]) for old, new in STAT_NAMES.items()},
        "log_likelihood": {
            "num_switched": ((*chain_draw, *SETTINGS), log_likelihood, {"units": "nat"}),
        },
        "posterior_predictive": {"num_switched": ((*chain_draw, *SETTINGS), replicated, {"units": "1"})},
        "prior": _variables({n: v[None] for n, v in prior.items()}, chain_draw, units),
        "prior_predictive": {
            "num_switched": ((*chain_draw, *SETTINGS), prior_predictive[None], {"units": "1"})
        },
        "observed_data": {
            "num_switched": (SETTINGS, counts.num_switched.astype(np.int64), {"units": "1"}),
        },
        "constant_data": {
            "amplitude": (
                SETTINGS,
                np.where(counts.measured, counts.amplitude, np.nan),
                {"units": counts.unit, "long_name": "pulse amplitude"},
            ),
            "num_trials": (SETTINGS, counts.num_trials.astype(np.int64), {"units": "1"}),
            **{
                f"centring_{name}": (("device",), weight, {"units": "1", "long_name": f"centring of {name}"})
                for name, weight in centring.items()
            },
        },
    }
    datasets = {name: _labelled(variables, coords) for name, variables in groups.items()}
    datasets["posterior_predictive"] = datasets["posterior_predictive"].assign_coords(draw=kept)
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs = dict(attrs)
    return tree


def _variables(values: Mapping[str, np.ndarray], sample: tuple[str, str], units: Mapping[str, str]) -> dict:
    return {
        name: ((*sample, "device")[: np.ndim(value)], value, {"units": units.get(name, "1")})
        for name, value in values.items()
    }


def _labelled(variables: Mapping[str, tuple], coords: Mapping[str, list]) -> xr.Dataset:
    dataset = xr.Dataset(dict(variables))
    dataset = dataset.assign_coords({n: v for n, v in coords.items() if n in dataset.dims})
    numbered = {n: np.arange(dataset.sizes[n]) for n in ("chain", "draw", "setting") if n in dataset.dims}
    return dataset.assign_coords(numbered)


def units_of(model: SwitchingModel, drive_unit: str) -> dict[str, str]:
    """Units of all parameters and populations; ``ln(V)`` marks the logarithm of a value in volts."""
    units = {"ceiling": "1"}
    for parameter in model.free:
        natural = parameter.unit(drive_unit)
        units[parameter.name] = natural
        linked = parameter.linked_name
        units[f"{linked}_mean"] = f"ln({natural})" if linked.startswith("log_") else natural
        units[f"{linked}_sd"] = "1" if parameter.link.prefix else natural
    return units
