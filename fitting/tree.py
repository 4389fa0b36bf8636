"""The DataTree of a posterior in ArviZ's schema: groups, named dimensions, units on every variable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from charz.fitting.contract import Model, Observations

STAT_NAMES = {
    "diverging": "diverging",
    "num_steps": "n_steps",
    "accept_prob": "acceptance_rate",
    "energy": "energy",
}
CHAIN_DRAW = ("chain", "draw")
MEASURED = "measured"


@dataclass(frozen=True)
class Parts:
    """Arrays of a fit, before they are labelled.

    Parameters
    ----------
    values, stats : mapping
        Draws (chain, draw[, device]) and sampler statistics (chain, draw).
    terms : array (chain, judged draw, device, *term)
        Log likelihood of what was left out, NaN at padding.
    judged : array of int
        Numbers of the draws in `terms`: all but for a long record.
    kept : array of int
        Numbers of the draws in `predictive`.
    predictive : mapping
        Replicated outcomes (chain, kept draw, device, *dims).
    prior, prior_predictive : mapping
        Draws (draw[, device]) and outcomes (chain of one, draw, device, *dims) before the data.
    centring : mapping
        Weight of each device by linked name.
    weights : mapping
        What importance sampling says of itself: dimensions and array by name.
    """

    values: Mapping[str, np.ndarray]
    stats: Mapping[str, np.ndarray]
    terms: np.ndarray
    judged: np.ndarray
    kept: np.ndarray
    predictive: Mapping[str, np.ndarray]
    prior: Mapping[str, np.ndarray]
    prior_predictive: Mapping[str, np.ndarray]
    centring: Mapping[str, np.ndarray]
    weights: Mapping[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)


def build_tree(
    model: Model, observations: Observations, parts: Parts, attrs: Mapping[str, Any]
) -> xr.DataTree:
    """Put the arrays of a fit under ArviZ's names."""
    units = units_of(model, observations)
    inner = ("device", *observations.dims)
    term_dims = inner if observations.blocks is None else ("device", "block")
    groups = {
        "posterior": _variables(parts.values, units),
        "sample_stats": {STAT_NAMES.get(n, n): (CHAIN_DRAW, v) for n, v in parts.stats.items()}
        | {name: (*one, {"units": "1"}) for name, one in parts.weights.items()},
        "log_likelihood": {
            observations.observed[0]: ((*CHAIN_DRAW, *term_dims), parts.terms, {"units": "nat"})
        },
        "posterior_predictive": _outcomes(parts.predictive, observations),
        "prior": _variables({n: v[None] for n, v in parts.prior.items()}, units),
        "prior_predictive": _outcomes(parts.prior_predictive, observations),
        "observed_data": {n: _array(n, observations) for n in observations.observed},
        "constant_data": {
            **{n: _array(n, observations) for n in observations.arrays if n not in observations.observed},
            MEASURED: (inner, observations.measured.astype(np.int8), {"units": "1", "long_name": MEASURED}),
            **{
                f"centring_{name}": (("device",), weight, {"units": "1", "long_name": f"centring of {name}"})
                for name, weight in parts.centring.items()
            },
        },
    }
    datasets = {name: _labelled(variables, observations) for name, variables in groups.items()}
    datasets["log_likelihood"] = datasets["log_likelihood"].assign_coords(draw=parts.judged)
    datasets["posterior_predictive"] = datasets["posterior_predictive"].assign_coords(draw=parts.kept)
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs = {**attrs, "units": json.dumps(dict(observations.units), ensure_ascii=False)}
    return tree


def _variables(values: Mapping[str, np.ndarray], units: Mapping[str, str]) -> dict[str, tuple]:
    return {
        name: ((*CHAIN_DRAW, "device")[: np.ndim(value)], value, {"units": units.get(name, "1")})
        for name, value in values.items()
    }


def _outcomes(arrays: Mapping[str, np.ndarray], observations: Observations) -> dict[str, tuple]:
    dims = (*CHAIN_DRAW, "device", *observations.dims)
    return {n: (dims, array, {"units": observations.units[n]}) for n, array in arrays.items()}


def _array(name: str, observations: Observations) -> tuple:
    """One array of the observations with its labels; NaN where it is padding."""
    array = np.asarray(observations.arrays[name])
    attrs = {"units": observations.units[name], "long_name": observations.long_names.get(name, name)}
    if array.shape != observations.measured.shape:
        extra = tuple(f"{name}_{axis}" for axis in range(array.ndim - 1))
        return (("device", *extra), array, attrs)
    dims = ("device", *observations.dims)
    if name in observations.integers:
        return (dims, np.where(observations.measured, array, 0).astype(np.int64), attrs)
    return (dims, np.where(observations.measured, array, np.nan), attrs)


def _labelled(variables: Mapping[str, tuple], observations: Observations) -> xr.Dataset:
    dataset = xr.Dataset(dict(variables))
    if "device" in dataset.dims:
        dataset = dataset.assign_coords(device=list(observations.devices))
    numbered = (*CHAIN_DRAW, "block", *observations.dims)
    return dataset.assign_coords({n: np.arange(dataset.sizes[n]) for n in numbered if n in dataset.dims})


def units_of(model: Model, observations: Observations) -> dict[str, str]:
    """Units of all parameters and populations; ``ln(V)`` marks the logarithm of a value in volts."""
    units = dict(model.shown_units(observations))
    for parameter in model.free:
        natural, linked = observations.unit_of(parameter), parameter.linked_name
        units[parameter.name] = natural
        units[f"{linked}_mean"] = observations.linked_unit(parameter)
        units[f"{linked}_sd"] = "1" if parameter.link.prefix else natural
    return units


def observations_of(tree: xr.DataTree) -> Observations:
    """Take the observations back out of a posterior's tree.

    Padding gets the median of what was measured: it has no weight, and must only be finite.
    """
    observed, constant = tree["observed_data"].to_dataset(), tree["constant_data"].to_dataset()
    measured = constant[MEASURED].to_numpy().astype(bool)
    dims = tuple(str(dim) for dim in constant[MEASURED].dims[1:])
    arrays, integers = {}, []
    sources = {**observed.data_vars, **constant.data_vars}
    for name, variable in sources.items():
        if name == MEASURED or str(name).startswith("centring_"):
            continue
        array = variable.to_numpy()
        if array.dtype.kind in "iu":
            integers.append(str(name))
        elif np.isnan(array).any():
            finite = array[np.isfinite(array)]
            array = np.where(np.isnan(array), np.median(finite) if finite.size else 0.0, array)
        arrays[str(name)] = array.astype(np.float64)
    variables = {str(n): v.attrs for n, v in sources.items()}
    terms = tree["log_likelihood"].to_dataset()[str(next(iter(observed)))]
    blocks = None
    if "block" in terms.dims:
        blocks = np.isfinite(terms.isel(chain=0, draw=0).to_numpy())
    return Observations(
        devices=tuple(str(name) for name in constant["device"].to_numpy()),
        arrays=arrays,
        observed=tuple(str(name) for name in observed.data_vars),
        dims=dims,
        measured=measured,
        units=json.loads(tree.attrs["units"]),
        long_names={n: a["long_name"] for n, a in variables.items() if "long_name" in a},
        integers=tuple(integers),
        remarks=tuple(filter(None, str(tree.attrs.get("data_remarks", "")).split("\n"))),
        blocks=blocks,
    )
