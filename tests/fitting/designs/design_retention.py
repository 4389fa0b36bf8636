"""Retention: six devices read twenty-four times with growing intervals, and records that are none of these drifts."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong

from charz.fitting.priors import Prior

NUM_DEVICES = 6
# The first reads follow each other, the last are hours apart: as a retention measurement is planned.
ELAPSED = np.concatenate([np.arange(8) * 10.0, np.geomspace(100.0, 2e4, 16)])


def records(elapsed: np.ndarray, log_resistance: np.ndarray) -> xr.Dataset:
    """A dataset of resistances (device, time) in ohm at times (time) in s."""
    dims = ("device", "time")
    log_resistance = np.atleast_2d(log_resistance)
    return xr.Dataset(
        {
            "elapsed": (
                dims,
                np.broadcast_to(elapsed, log_resistance.shape).copy(),
                {"units": "s", "long_name": "time since the start of the record"},
            ),
            "resistance": (dims, np.exp(log_resistance), {"units": "ohm", "long_name": "resistance"}),
        },
        coords={"device": ("device", [f"d{i}" for i in range(len(log_resistance))], {"long_name": "device"})},
        attrs={"experiment": "retention", "source_file": "simulated"},
    )


def wander(
    generator: np.random.Generator, elapsed: np.ndarray, sd: float, memory: float, num: int = 1
) -> np.ndarray:
    """Ornstein-Uhlenbeck process (num, time) by its covariance matrix."""
    covariance = sd**2 * np.exp(-np.abs(elapsed[:, None] - elapsed) / memory)
    root = np.linalg.cholesky(covariance + 1e-12 * sd**2 * np.eye(len(elapsed)))
    return generator.standard_normal((num, len(elapsed))) @ root.T


def _placeholder() -> xr.Dataset:
    generator = np.random.default_rng(0)
    drift = 0.02 * np.log1p(ELAPSED / 10.0)
    return records(ELAPSED, 10.0 + drift + 0.01 * generator.standard_normal((NUM_DEVICES, len(ELAPSED))))


_LEVEL = {"log_level": Prior("normal", (10.0, 0.5)), "log_level_sd": Prior("half-normal", (0.3,))}
_READ = {"log_read_noise": Prior("normal", (-4.6, 0.4)), "log_read_noise_sd": Prior("half-normal", (0.3,))}
_NOISE = {
    **_READ,
    "log_wander": Prior("normal", (-4.0, 0.4)),
    "log_wander_sd": Prior("half-normal", (0.3,)),
    "log_correlation_time": Prior("normal", (7.0, 1.0)),
}
_LOG_DRIFT = {
    "exponent": Prior("normal", (0.0, 0.05)),
    "exponent_sd": Prior("half-normal", (0.02,)),
    "log_onset": Prior("normal", (4.0, 1.0)),
}
_STRETCHED = {
    "change": Prior("normal", (0.4, 0.15)),
    "change_sd": Prior("half-normal", (0.15,)),
    "log_relaxation_time": Prior("normal", (7.0, 1.0)),
    "log_relaxation_time_sd": Prior("half-normal", (0.5,)),
    "logit_stretch": Prior("logit-beta", (6.0, 4.0)),
}

DESIGNS = {
    "log-drift": Design(_placeholder(), {**_LEVEL, **_LOG_DRIFT, **_NOISE}),
    "stretched-exponential": Design(_placeholder(), {**_LEVEL, **_STRETCHED, **_NOISE}),
    "no-drift": Design(_placeholder(), {**_LEVEL, **_NOISE}),
    "log-drift-independent": Design(_placeholder(), {**_LEVEL, **_LOG_DRIFT, **_READ}),
}


def _jump() -> xr.Dataset:
    """A slow drift with one step of forty read noises."""
    generator = np.random.default_rng(11)
    elapsed = np.arange(80) * 10.0
    noise = wander(generator, elapsed, 0.002, 300.0) + 0.002 * generator.standard_normal((1, 80))
    return records(elapsed, 10.0 + 0.01 * np.log1p(elapsed / 10) + 0.08 * (elapsed > 400) + noise)


def _long_memory() -> xr.Dataset:
    """Noise that is remembered over fifteen samples."""
    generator = np.random.default_rng(12)
    elapsed = np.arange(80) * 10.0
    noise = wander(generator, elapsed, 0.02, 150.0) + 0.003 * generator.standard_normal((1, 80))
    return records(elapsed, 10.0 + 0.01 * np.log1p(elapsed / 10) + noise)


def _drifting() -> xr.Dataset:
    """A power law over two decades of time, with little noise."""
    generator = np.random.default_rng(13)
    elapsed = np.arange(80) * 10.0
    noise = 0.004 * generator.standard_normal((1, 80))
    return records(elapsed, 10.0 + 0.1 * np.log1p(elapsed / 10) + noise)


def _there_and_back() -> xr.Dataset:
    """A resistance that rises and falls again, smoothly: no relaxation to one level."""
    generator = np.random.default_rng(14)
    elapsed = np.arange(80) * 10.0
    noise = 0.004 * generator.standard_normal((1, 80))
    return records(elapsed, 10.0 + 0.5 * np.sin(2 * np.pi * elapsed / elapsed[-1]) + noise)


WRONG = [
    Wrong("a step in a drift", _jump(), "log-drift", ("jumps",)),
    Wrong(
        "noise with a memory taken as independent",
        _long_memory(),
        "log-drift-independent",
        ("lag-1 correlation",),
        better="log-drift",
    ),
    Wrong("a drift taken as a constant", _drifting(), "no-drift", ("trend", "early and late", "turns")),
    Wrong("a resistance that comes back", _there_and_back(), "stretched-exponential", ("lag-1 correlation",)),
]
