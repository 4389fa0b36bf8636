"""Fitted telegraph noise as plain arrays: trace and levels, distribution of the signal, dwell times."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.fitting.keys import generator_from
from charz.fitting.predictive import with_device_axis
from charz.fitting.telegraph.discrepancies import situation
from charz.fitting.telegraph.records import leading

NUM_DRAWS = 100
NUM_SHOWN = 2_000
NUM_BINS = 60
NUM_DWELLS = 40
QUANTILES = (0.05, 0.5, 0.95)


def telegraph_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Trace, distribution and dwells of every device, beside what the fit expects.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For the replicated records; a fixed one by default.

    Returns
    -------
    Dataset
        ``signal`` (device, time) and ``elapsed`` of the first 2000 samples; ``level`` (quantile, device, level, time)
        with drift; ``share`` (device, bin) and ``expected_share`` (quantile, device, bin) of samples in bins of the
        signal; ``survival`` (device, state, dwell) and ``expected_survival`` (quantile, device, state, dwell), the
        share of dwells in the lowest and highest level longer than ``dwell_time``.
    """
    model, observations = posterior.fit_model, leading(posterior.observations())
    arrays, measured = observations.arrays, observations.measured
    draws = with_device_axis(posterior.law_draws(), 2, len(observations.devices))
    number = len(next(iter(draws.values())))
    picked = np.unique(np.linspace(0, number - 1, min(NUM_DRAWS, number)).astype(int))
    values = {name: value[picked] for name, value in draws.items()}
    generator = generator_from(jax.random.key(0) if key is None else key)
    replicated = model.replicate(generator, values, observations)
    seen = situation(model, {"signal": arrays["signal"][None]}, values, observations)
    drawn = situation(model, replicated, values, observations)
    lengths = _lengths(seen, drawn)
    survival, expected = (_survival(one, lengths) for one in (seen, drawn))
    edges = arrays["centre"][:, None] + arrays["scale"][:, None] * np.linspace(-0.55, 0.55, NUM_BINS + 1)
    share = _shares(arrays["signal"][None], measured, edges)
    expected_share = _shares(replicated["signal"], measured, edges)
    unit, time_unit = observations.units["signal"], observations.units["time"]
    shown = slice(0, NUM_SHOWN)
    elapsed = np.arange(measured.shape[1])[shown] * arrays["interval"][:, None]
    return xr.Dataset(
        {
            "signal": (
                ("device", "time"),
                np.where(measured, arrays["signal"], np.nan)[:, shown],
                {"units": unit, "long_name": "signal"},
            ),
            "elapsed": (("device", "time"), elapsed, {"units": time_unit, "long_name": "time"}),
            "level": (
                ("quantile", "device", "level", "time"),
                _levels(values, observations, shown),
                {"units": unit},
            ),
            "bin_signal": (
                ("device", "bin"),
                (edges[:, 1:] + edges[:, :-1]) / 2,
                {"units": unit, "long_name": "signal"},
            ),
            "share": (("device", "bin"), share[0], {"units": "1", "long_name": "share of samples"}),
            "expected_share": (
                ("quantile", "device", "bin"),
                np.quantile(expected_share, QUANTILES, 0),
                {"units": "1"},
            ),
            "dwell_time": (
                ("device", "dwell"),
                lengths * arrays["interval"][:, None],
                {"units": time_unit, "long_name": "dwell time"},
            ),
            "survival": (
                ("device", "state", "dwell"),
                np.median(survival, 0),
                {"units": "1", "long_name": "share of longer dwells"},
            ),
            "expected_survival": (
                ("quantile", "device", "state", "dwell"),
                np.quantile(expected, QUANTILES, 0),
                {"units": "1"},
            ),
        },
        coords={
            "quantile": list(QUANTILES),
            "device": list(observations.devices),
            "state": ["lowest", "highest"],
        },
        attrs={"num_samples_checked": int(measured.shape[1])},
    )


def _levels(values: dict[str, np.ndarray], observations: Any, shown: slice) -> np.ndarray:
    """Quantiles of the levels over time, (quantile, device, level, time)."""
    names = [n for n in ("separation", "lower_separation", "upper_separation") if n in values]
    levels = np.stack(
        [values["low"], *(values["low"] + sum(values[n] for n in names[: k + 1]) for k in range(len(names)))],
        -1,
    )
    share = np.arange(observations.measured.shape[1])[shown] / observations.arrays["length"][:, None] - 0.5
    quantiles = np.quantile(levels, QUANTILES, 0)[..., None]
    if "drift" not in values:
        return np.broadcast_to(quantiles, (*quantiles.shape[:-1], share.shape[1]))
    moved = levels[..., None] + values["drift"][..., None, None] * share[:, None]
    return np.quantile(moved, QUANTILES, 0)


def _shares(signal: np.ndarray, measured: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of the samples in each bin, (sample, device, bin)."""
    width = edges[:, 1] - edges[:, 0]
    place = np.clip(np.floor((signal - edges[:, :1]) / width[:, None]), 0, NUM_BINS - 1).astype(np.int64)
    rows = np.arange(signal.shape[0] * signal.shape[1]).reshape(*signal.shape[:2], 1)
    weights = np.broadcast_to(measured, signal.shape)
    counts = np.bincount((place + NUM_BINS * rows)[weights], minlength=rows.size * NUM_BINS)
    return counts.reshape(*signal.shape[:2], NUM_BINS) / np.maximum(measured.sum(1), 1)[:, None]


def _lengths(*situations: Any) -> np.ndarray:
    """Dwell lengths at which survival is shown, (dwell,), in samples, evenly on a logarithmic axis."""
    longest = max(int(one.runs[2][one.runs[1] >= 0].max()) for one in situations)
    return np.geomspace(1.0, max(longest, 2), NUM_DWELLS)


def _survival(one: Any, lengths: np.ndarray) -> np.ndarray:
    """Share of dwells longer than each length, (sample, device, state, dwell); NaN-free, 0 where there is no dwell."""
    row, state, length, _ = one.runs
    shape = one.state.shape[:2]
    size = shape[0] * shape[1]
    found = []
    for level in (0, one.num_levels - 1):
        inside = state == level
        place = np.searchsorted(lengths, length[inside], side="left")  # lengths below the dwell
        table = np.bincount(row[inside] * (NUM_DWELLS + 1) + place, minlength=size * (NUM_DWELLS + 1))
        table = table.reshape(size, NUM_DWELLS + 1)
        longer = table[:, ::-1].cumsum(1)[:, ::-1][:, 1:]
        found.append(longer / np.maximum(table.sum(1, keepdims=True), 1))
    return np.stack(found, 1).reshape(*shape, 2, NUM_DWELLS)
