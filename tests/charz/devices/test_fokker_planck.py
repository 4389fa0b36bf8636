"""The Fokker-Planck solver: published numbers, conservation, positivity, known limits, order of convergence."""

import numpy as np
import pytest
from scipy.linalg import expm

from charz.devices.fokker_planck import distributions, generator, start_masses, switching_probability
from charz.errors import CharzError


def centres(num_cells):
    edges = np.cos(np.linspace(0, np.pi, num_cells + 1))
    return (edges[1:] + edges[:-1]) / 2, -np.diff(edges)


def test_published_curve():
    """Δ = 60, i = 2; the printed values are off by up to 0.0008 from the limit of a fine grid."""
    solved = switching_probability(60, 2, [1.667, 2.083, 2.5, 2.917, 3.75])
    np.testing.assert_allclose(solved, [0.163, 0.468, 0.725, 0.872, 0.975], atol=1e-3)
    fine = switching_probability(
        60, 2, [1.667, 2.083, 2.5, 2.917, 3.75], num_cells=6000, steps_per_efold=1000
    )
    np.testing.assert_allclose(solved, fine, atol=3e-4)


@pytest.mark.parametrize(
    ("stability", "overdrive", "rate"),
    [(20, 0.4, 8.16e-4), (20, 0.5, 5.14e-3), (40, 0.6, 1.27e-3), (60, 0.7, 2.45e-3)],
)
def test_published_thermal_rates(stability, overdrive, rate):
    times = np.array([0.5, 1.0]) / rate
    kept = 1 - switching_probability(stability, overdrive, times)
    np.testing.assert_allclose(-np.diff(np.log(kept)) / np.diff(times), rate, rtol=2e-3)


@pytest.mark.parametrize(
    ("stability", "overdrive"), [(60, 2), (60, 1.2), (20, 0.6), (10, 1), (200, 1.05), (10, 0.2)]
)
def test_probability_is_kept_and_positive(stability, overdrive):
    masses = distributions(stability, overdrive, np.geomspace(0.05, 1e4, 25))
    assert masses.shape == (25, 1500)
    np.testing.assert_allclose(masses.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert masses.min() > -1e-15
    switched = masses[:, 750:].sum(axis=1)
    assert np.diff(switched).min() > -1e-15
    assert switched[-1] > switched[0]


def test_columns_of_the_generator_sum_to_zero():
    lower, main, upper = generator(60, 1.5, 200)
    sums = main + np.append(lower, 0) + np.append(0, upper)
    np.testing.assert_allclose(sums, 0, atol=1e-12 * np.abs(main).max())
    assert lower.min() > 0
    assert upper.min() > 0


@pytest.mark.parametrize("overdrive", [0.0, 0.2, -0.1])
def test_long_pulses_reach_the_stationary_state(overdrive):
    """ρ ∝ exp(Δ(u - i)²); without a drive both wells are filled alike."""
    stability, num_cells = 3.0, 600
    masses = distributions(stability, overdrive, [1e3], num_cells=num_cells)[0]
    u, size = centres(num_cells)
    stationary = np.exp(stability * (u - overdrive) ** 2) * size
    np.testing.assert_allclose(masses, stationary / stationary.sum(), rtol=1e-9)
    switched = switching_probability(stability, overdrive, [1e3], num_cells=num_cells)[0]
    assert (switched > 0.5) == (overdrive > 0)
    if overdrive == 0:
        np.testing.assert_allclose(switched, 0.5, rtol=1e-10)


def test_time_steps_agree_with_the_matrix_exponential():
    stability, overdrive, num_cells = 15, 1.1, 100
    lower, main, upper = generator(stability, overdrive, num_cells)
    matrix = np.diag(lower, -1) + np.diag(main) + np.diag(upper, 1)
    times = [0.3, 2.0, 9.0]
    exact = np.array([expm(time * matrix) @ start_masses(stability, num_cells) for time in times])
    solved = distributions(stability, overdrive, times, num_cells=num_cells)
    np.testing.assert_allclose(solved, exact, atol=1e-6)


def test_start_is_the_thermal_equilibrium_of_the_upper_well():
    u, size = centres(3000)
    density = np.where(u > 0, np.exp(-20 * (1 - u**2)), 0) * size
    np.testing.assert_allclose(start_masses(20, 3000), density / density.sum(), rtol=1e-3, atol=1e-12)


def order(values):
    change = np.diff(values)
    return np.log2(change[:-1] / change[1:])


def test_second_order_in_angle_and_time():
    def solve(num_cells, steps):
        return switching_probability(60, 2, [2.083], num_cells=num_cells, steps_per_efold=steps)[0]

    np.testing.assert_allclose(order([solve(cells, 1000) for cells in (250, 500, 1000, 2000)]), 2, atol=0.1)
    np.testing.assert_allclose(order([solve(500, steps) for steps in (50, 100, 200, 400)]), 2, atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 1, [1]), {}, "thermal_stability is 0"),
        ((np.nan, 1, [1]), {}, "thermal_stability is nan"),
        ((60, np.inf, [1]), {}, "overdrive is inf"),
        ((60, 1, [1, 1]), {}, "rising"),
        ((60, 1, [0, 1]), {}, "rising"),
        ((60, 1, [[1, 2]]), {}, "rising"),
        ((60, 1, [np.nan]), {}, "rising"),
        ((60, 1, [1]), {"num_cells": 101}, "num_cells is 101"),
        ((60, 1, [1]), {"num_cells": 2}, "num_cells is 2"),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises(CharzError, match=message) as caught:
        switching_probability(*arguments, **options)
    assert "\n" not in str(caught.value)
