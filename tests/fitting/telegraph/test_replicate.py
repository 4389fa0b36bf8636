"""Records drawn by NumPy have the statistics that the law states."""

import numpy as np
import pytest
from design_telegraph import DESIGNS
from scipy.linalg import expm

from charz.fitting.telegraph import FAMILY, replicate

MODELS = {model.name: model for model in FAMILY.models}
TWO = {"low": 0.0, "separation": 1.0, "noise": 0.05, "rate_up": 200.0, "rate_down": 50.0}


def drawn(name, values, num_draws=400):
    observations = FAMILY.observe(DESIGNS[name].dataset)
    shape = (num_draws, len(observations.devices))
    full = {n: np.full(shape, v) for n, v in values.items()}
    return MODELS[name].replicate(np.random.default_rng(0), full, observations)["signal"]


def require_transitions(state, exits, interval):
    """Empirical transition frequencies within 4.5 standard errors of the matrix exponential's."""
    step = expm(exits * interval)
    for origin in range(len(exits)):
        after = state[..., 1:][state[..., :-1] == origin]
        share = np.bincount(after, minlength=len(exits)) / after.size
        error = np.sqrt(step[origin] * (1 - step[origin]) / after.size)
        assert np.all(np.abs(share - step[origin]) < 4.5 * error)


@pytest.mark.parametrize("chunk", [1, replicate.CHUNK])
def test_two_levels(monkeypatch, chunk):
    monkeypatch.setattr(replicate, "CHUNK", chunk)
    signal = drawn("two-state", TWO)
    state = (signal > 0.5).astype(int)
    require_transitions(state, np.array([[-200.0, 200.0], [50.0, -50.0]]), 1e-3)
    first = state[..., 0]
    assert abs(first.mean() - 0.8) < 4 * np.sqrt(0.16 / first.size)
    residual = signal - state
    assert abs(residual.std() - 0.05) < 4 * 0.05 / np.sqrt(2 * residual.size)


def test_three_levels():
    rates = {"01": 80.0, "02": 10.0, "10": 60.0, "12": 90.0, "20": 5.0, "21": 120.0}
    exits = np.zeros((3, 3))
    for pair, rate in rates.items():
        exits[int(pair[0]), int(pair[1])] = rate
    exits -= np.diag(exits.sum(1))
    values = {"low": 0.0, "lower_separation": 1.0, "upper_separation": 1.5, "noise": 0.02}
    signal = drawn("three-state", values | {f"rate_{pair}": rate for pair, rate in rates.items()})
    state = np.abs(signal[..., None] - np.array([0.0, 1.0, 2.5])).argmin(-1)
    require_transitions(state, exits, 1e-3)
    forever = np.linalg.matrix_power(expm(exits), 4)[0]
    share = np.bincount(state[..., 0].ravel(), minlength=3) / state[..., 0].size
    assert np.all(np.abs(share - forever) < 4.5 * np.sqrt(forever * (1 - forever) / state[..., 0].size))


def test_drift_moves_both_levels():
    signal = drawn("two-state-drift", {**TWO, "separation": 1e-9, "drift": 0.4})
    slope = np.polyfit(np.arange(signal.shape[-1]) / signal.shape[-1], signal.mean((0, 1)), 1)[0]
    error = 0.05 * np.sqrt(12 / signal.size)
    assert abs(slope - 0.4) < 4.5 * error


@pytest.mark.parametrize(
    ("model", "slopes"), [("telegraph-drive", "growth"), ("telegraph-arrhenius", "stability")]
)
def test_settings_move_the_rates(model, slopes):
    observations = FAMILY.observe(DESIGNS[model].dataset)
    size = {"growth": 1.0, "stability": 8.0}[slopes]
    signal = drawn(model, {**TWO, f"{slopes}_up": size, f"{slopes}_down": -size})
    where = (
        size * observations.arrays["excess"] if slopes == "growth" else -size * observations.arrays["cooling"]
    )
    for device, exponent in enumerate(where):
        up, down = 200 * np.exp(exponent), 50 * np.exp(-exponent)
        state = (signal[:, device] > 0.5).astype(int)
        require_transitions(state, np.array([[-up, up], [down, -down]]), 1e-3)
