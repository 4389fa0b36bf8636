from collections.abc import Callable

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

from charz.fitting import fit

# The published mean wire (Ellis et al. 2023) and a spread between wires that we chose.
TRUTH = {
    "location_mean": 4.63168,
    "location_sd": 0.3,
    "log_width_mean": float(np.log(1 / 2.72741)),
    "log_width_sd": 0.15,
    "logit_floor_mean": float(np.log(0.02187 / 0.97813)),
    "logit_floor_sd": 0.5,
}


def draw_wires(
    generator: np.random.Generator, num_devices: int, truth: dict[str, float]
) -> dict[str, np.ndarray]:
    """Law parameters of wires of a population, (device,)."""
    linked = {
        name: generator.normal(truth[f"{name}_mean"], truth[f"{name}_sd"], num_devices)
        for name in ("location", "log_width", "logit_floor")
    }
    return {
        "location": linked["location"],
        "width": np.exp(linked["log_width"]),
        "floor": expit(linked["logit_floor"]),
    }


def count_switching(
    generator: np.random.Generator,
    wires: dict[str, np.ndarray],
    amplitude: np.ndarray,
    num_trials: int,
    unit: str = "V",
) -> xr.Dataset:
    """Simulated counts, written with NumPy alone: the reference for the code under test."""
    location, width, floor = (wires[name][:, None] for name in ("location", "width", "floor"))
    probability = floor + (1 - floor) * expit((amplitude - location) / width)
    return dataset_of(
        np.broadcast_to(amplitude, probability.shape),
        np.full(probability.shape, num_trials),
        generator.binomial(num_trials, probability),
        unit,
    )


def dataset_of(
    amplitude: np.ndarray, num_trials: np.ndarray, num_switched: np.ndarray, unit: str = "V"
) -> xr.Dataset:
    dims = ("device", "setting")
    return xr.Dataset(
        {
            "amplitude": (
                dims,
                np.asarray(amplitude, float),
                {"units": unit, "long_name": "pulse amplitude"},
            ),
            "num_trials": (
                dims,
                np.asarray(num_trials, np.int64),
                {"units": "1", "long_name": "number of pulses"},
            ),
            "num_switched": (
                dims,
                np.asarray(num_switched, np.int64),
                {"units": "1", "long_name": "number that switched"},
            ),
        },
        coords={"device": ("device", [f"w{i}" for i in range(len(amplitude))], {"long_name": "wire"})},
        attrs={"experiment": "pulse_switching", "source_file": "simulated"},
    )


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., xr.Dataset]:
    return dataset_of


@pytest.fixture(scope="session")
def truth():
    return TRUTH


@pytest.fixture(scope="session")
def simulate():
    """Simulate one measurement: seed to (dataset, law parameters of its wires)."""

    def run(seed: int, num_devices: int = 8, num_settings: int = 11, num_trials: int = 100, **changes):
        generator = np.random.default_rng(seed)
        truth = TRUTH | {name: value for name, value in changes.items() if name in TRUTH}
        wires = draw_wires(generator, num_devices, truth)
        amplitude = np.linspace(TRUTH["location_mean"] - 2, TRUTH["location_mean"] + 2, num_settings)
        return count_switching(generator, wires, amplitude, num_trials), wires

    return run


@pytest.fixture(scope="session")
def hierarchical(simulate):
    return fit(simulate(1)[0], "logistic", key=jax.random.key(1), pool="hierarchical")


@pytest.fixture(scope="session")
def complete(simulate):
    """One device for all, fitted to wires that are all alike."""
    data, _ = simulate(2, location_sd=0.0, log_width_sd=0.0, logit_floor_sd=0.0)
    return fit(data, "logistic", key=jax.random.key(2), pool="complete")


@pytest.fixture(scope="session")
def separate(simulate):
    return fit(simulate(1)[0], "logistic", key=jax.random.key(3), pool="none")


@pytest.fixture(scope="session")
def plain(complete, simulate):
    """The wrong model: no floor, fitted to the data of `complete`."""
    data, _ = simulate(2, location_sd=0.0, log_width_sd=0.0, logit_floor_sd=0.0)
    return fit(data, "logistic-plain", key=jax.random.key(2), pool="complete")


@pytest.fixture(autouse=True, scope="module")
def _programs_of_a_protocol_are_dropped(request):
    """Free the compiled programs of a family's models when its protocol is done: they fill gigabytes."""
    yield
    if request.module.__name__.rpartition(".")[2].startswith("test_protocol"):
        from charz.fitting import inference

        inference._PROGRAMS.clear()
        jax.clear_caches()
