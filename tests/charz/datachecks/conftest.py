"""Clean simulated data of every kind: what no check may complain about."""

import numpy as np
import pytest
import xarray as xr

from charz.kinds import KINDS
from charz.schema import validate

UNITS = {"amplitude": "V", "threshold": "V", "signal": "V", "field": "A/m", "voltage": "V"}
UNITS |= {
    "current": "A",
    "conductance": "S",
    "resistance": "ohm",
    "ramp_rate": "V/s",
    "lower": "V",
    "upper": "V",
}
UNITS |= {"elapsed": "s", "width": "s", "sample_interval": "s", "compliance": "A"}


def chain(rng, devices, samples, rate=0.1):
    """States 0 and 1 of stationary two-state chains that change with probability `rate` a sample."""
    flips = rng.random((devices, samples)) < rate
    return (np.cumsum(flips, axis=1) + rng.integers(0, 2, (devices, 1))) % 2


def pulse_switching(rng):
    amplitude = np.tile(np.linspace(0.2, 1.0, 9), (4, 1))
    probability = 1 / (1 + np.exp(-(amplitude - 0.6) / 0.08))
    trials = np.full(amplitude.shape, 50)
    return {"amplitude": amplitude, "num_trials": trials, "num_switched": rng.binomial(trials, probability)}


def ramp_switching(rng):
    return {"threshold": rng.weibull(5.0, (4, 100)), "censored": np.zeros((4, 100), dtype=int)}


def telegraph(rng):
    signal = chain(rng, 4, 2000) + 0.1 * rng.standard_normal((4, 2000))
    return {"signal": signal, "elapsed": np.tile(np.arange(2000) * 1e-6, (4, 1))}


def pulse_train(rng):
    growth = 1e-6 * (1 + np.sqrt(np.arange(1, 21)))
    conductance = growth * (1 + 0.05 * rng.standard_normal((4, 30, 20)))
    return {"conductance": conductance, "polarity": np.ones((4, 30, 20))}


def iv_sweep(rng):
    voltage = np.sin(2 * np.pi * np.arange(401) / 400) * np.ones((3, 12, 1))
    current = 1e-3 * voltage + 1e-3 * voltage**3 + 1e-6 * rng.standard_normal(voltage.shape)
    return {"voltage": voltage, "current": current}


def retention(rng):
    elapsed = np.tile(np.logspace(0, 4, 200), (3, 1))
    return {
        "elapsed": elapsed,
        "resistance": 1e4 * elapsed**0.02 * (1 + 0.01 * rng.standard_normal((3, 200))),
    }


def transfer(rng):
    voltage = rng.uniform(-1, 1, (500, 5))
    return {"voltage": voltage, "current": 1e-9 * (np.tanh(voltage).sum(axis=1) + rng.standard_normal(500))}


def hysteresis(rng):
    field = -100e3 * np.cos(2 * np.pi * np.arange(401) / 400) * np.ones((3, 12, 1))
    rising = np.gradient(field, axis=-1) > 0
    signal = np.tanh((field - np.where(rising, 20e3, -20e3)) / 5e3) + 0.01 * rng.standard_normal(field.shape)
    return {"field": field, "signal": signal}


MAKERS = {
    maker.__name__: maker
    for maker in (
        pulse_switching,
        ramp_switching,
        telegraph,
        pulse_train,
        iv_sweep,
        retention,
        transfer,
        hysteresis,
    )
}


def to_dataset(kind, variables, attrs):
    """Wrap arrays into a valid dataset of a kind; the units are those of UNITS."""
    table = KINDS[kind]
    data = {}
    for name, values in variables.items():
        variable = table.variable(name)
        unit = UNITS[name] if variable.units != ("1",) else "1"
        data[name] = (variable.dims, values, {"units": unit, "long_name": variable.long_name})
    coords = {}
    if table.dims[0] == "device":
        first = next(item for item in data.values() if item[0][0] == "device")
        coords["device"] = [f"d{index}" for index in range(first[1].shape[0])]
    return validate(xr.Dataset(data, coords, {"experiment": kind, **attrs}))


@pytest.fixture(scope="session")
def simulate():
    """Give a function (kind, seed, attrs, **variables): clean data, with variables replaced or (None) left out."""

    def make(kind, seed=0, attrs=None, **changes):
        variables = {**MAKERS[kind](np.random.default_rng([seed, len(kind)])), **changes}
        kept = {name: values for name, values in variables.items() if values is not None}
        return to_dataset(kind, kept, attrs or {})

    return make
