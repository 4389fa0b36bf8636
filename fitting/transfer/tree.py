"""The DataTree of a material's posterior: one number a draw for each parameter, weights and currents beside them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from charz.fitting.contract import BOOKKEEPING, Observations
from charz.fitting.priors import Prior, priors_to_json
from charz.fitting.transfer.draws import MaterialDraws
from charz.fitting.transfer.features import HiddenLayer
from charz.fitting.transfer.models import DRAW_NUMBER, FITTED
from charz.fitting.transfer.record import record_of

CHAIN_DRAW = ("chain", "draw")
WEIGHTS = "weights"
UNITS = {
    "level": ("A", "current in the middle of all ranges, without the units"),
    "slope": ("A/V", "linear part, electrode {}"),
    "noise": ("A", "standard deviation of one read"),
    "amplitude": ("A", "prior standard deviation of the nonlinear part"),
    "relevance": ("1/V", "how fast units bend, electrode {}"),
    "output_weight": ("A", "output weights of the units"),
}


def build_tree(
    observations: Observations,
    drawn: MaterialDraws,
    layer: HiddenLayer,
    shape: tuple[int, int],
    kept: np.ndarray,
    predictive: np.ndarray,
    prior: Mapping[str, np.ndarray],
    prior_predictive: np.ndarray,
    attrs: Mapping[str, Any],
    priors: Mapping[str, Prior],
) -> xr.DataTree:
    """Put the arrays of a fit under ArviZ's names.

    Parameters
    ----------
    observations : Observations
    drawn : MaterialDraws
    layer : HiddenLayer
    shape : (chain, draw)
    kept : array of int
        Numbers of the draws in `predictive`.
    predictive : array (chain, kept draw, sample)
        Replicated currents, in A.
    prior, prior_predictive : mapping and array (draw, sample)
        Parameters and currents before the data.
    attrs : mapping
        Attributes of the whole file.
    priors : mapping
    """
    record = record_of(observations)
    has_units = "output_weight" in drawn.values
    scalars = scalar_values(drawn.values)
    if has_units:
        scalars[DRAW_NUMBER] = np.arange(shape[0] * shape[1])
    outcome = ("device", "sample")
    constant = {
        "voltage": (("device", "sample", "electrode"), record.voltage[None], _named("V", "control voltage")),
        "lowest": (("device", "electrode"), record.lowest[None], _named("V", "lowest voltage measured")),
        "highest": (("device", "electrode"), record.highest[None], _named("V", "highest voltage measured")),
        "half_range": (
            ("device", "electrode"),
            record.half_range[None],
            _named("V", "scale of the voltages"),
        ),
        "measured": (outcome, observations.measured.astype(np.int8), _named("1", "measured")),
    }
    groups: dict[str, Any] = {
        "posterior": _draws(scalars, shape),
        "log_likelihood": {
            "current": (
                (*CHAIN_DRAW, *outcome),
                drawn.left_out.reshape(*shape, 1, -1),
                _named("nat", _LEFT_OUT),
            )
        },
        "posterior_predictive": {
            "current": ((*CHAIN_DRAW, *outcome), predictive[:, :, None], _named("A", _CURRENT))
        },
        "prior": _draws(scalar_values(prior), (1, len(prior_predictive))),
        "prior_predictive": {
            "current": ((*CHAIN_DRAW, *outcome), prior_predictive[None, :, None], _named("A", _CURRENT))
        },
        "observed_data": {"current": (outcome, record.current[None], _named("A", _CURRENT))},
        "constant_data": constant,
    }
    if has_units:
        constant[FITTED] = (
            ("device", DRAW_NUMBER, "sample"),
            drawn.expected[None].astype(np.float32),
            _named("A", "mean current of each draw"),
        )
        constant["hidden_direction"] = (
            ("device", "unit", "electrode"),
            layer.direction[None],
            _named("1", "directions"),
        )
        constant["hidden_offset"] = (("device", "unit"), layer.offset[None], _named("1", "offsets"))
        weight = drawn.values["output_weight"].astype(np.float32)
        groups[WEIGHTS] = {
            "output_weight": (
                (*CHAIN_DRAW, "unit"),
                weight.reshape(*shape, -1),
                _named(*UNITS["output_weight"]),
            )
        }
    datasets = {name: _labelled(variables, observations) for name, variables in groups.items()}
    datasets["posterior_predictive"] = datasets["posterior_predictive"].assign_coords(draw=kept)
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs = {
        **attrs,
        "priors": priors_to_json(priors),
        "units": json.dumps(dict(observations.units), ensure_ascii=False),
    }
    return tree


_LEFT_OUT = "log density of each sample given all others, weights integrated out"
_CURRENT = "output current"


def scalar_values(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One array (draw,) a number: ``slope`` (draw, electrode) becomes ``slope_0``, ``slope_1``, ..."""
    result = {}
    for name, value in values.items():
        if name == "output_weight":
            continue
        if value.ndim == 1:
            result[name] = value
        else:
            result |= {f"{name}_{number}": column for number, column in enumerate(value.T)}
    return result


def _draws(scalars: Mapping[str, np.ndarray], shape: tuple[int, int]) -> dict[str, tuple]:
    return {
        name: (CHAIN_DRAW, value.reshape(shape), _parameter_attrs(name)) for name, value in scalars.items()
    }


def _parameter_attrs(name: str) -> dict[str, str]:
    if name == DRAW_NUMBER:
        return {**_named("1", "number of the draw, to find its weights by"), "role": BOOKKEEPING}
    stem, _, number = name.partition("_")
    unit, words = UNITS[stem]
    return _named(unit, words.format(number))


def _named(unit: str, long_name: str) -> dict[str, str]:
    return {"units": unit, "long_name": long_name}


def _labelled(variables: Mapping[str, tuple], observations: Observations) -> xr.Dataset:
    dataset = xr.Dataset(dict(variables))
    if "device" in dataset.dims:
        dataset = dataset.assign_coords(device=list(observations.devices))
    numbers = (*CHAIN_DRAW, "sample", "electrode")
    return dataset.assign_coords({n: np.arange(dataset.sizes[n]) for n in numbers if n in dataset.dims})
