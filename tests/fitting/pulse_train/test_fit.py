"""Fits of small simulated trains: what comes back, what is drawn, and devices nobody has measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_pulse_train import (
    alternating_states,
    soft_bounds_trains,
    train_dataset,
    up_and_down,
)
from scipy import stats

from charz.fitting.checks import check
from charz.fitting.pulse_train import FAMILY
from charz.fitting.pulse_train.discrepancies import DISCREPANCIES
from charz.fitting.pulse_train.states import switching
from charz.fitting.run import fit

TRAIN = up_and_down(20)
SIGNS = np.array([-1.0, 1.0])


def run(dataset, model, pool):
    return fit(dataset, model, key=jax.random.key(0), pool=pool, draws=300, warmup=300, chains=2)


@pytest.fixture(scope="module")
def stuck():
    """Six devices; the third and the last one only scatter by the additive noise."""
    generator = np.random.default_rng(1)
    reads = soft_bounds_trains(generator, TRAIN, num_devices=6)
    for device in (2, 5):
        steps = 0.05e-6 * generator.standard_normal(TRAIN.size)
        reads[device, 0] = 6e-6 + np.cumsum(steps)
    return run(train_dataset(reads, TRAIN), "soft-bounds-stuck", "complete")


@pytest.fixture(scope="module")
def population():
    generator = np.random.default_rng(2)
    upper = 20 * np.exp(0.2 * generator.standard_normal(5))
    reads = soft_bounds_trains(generator, TRAIN, num_devices=5, upper=upper, up=1.5, down=1.5)
    return run(train_dataset(reads, TRAIN), "soft-bounds", "hierarchical")


@pytest.fixture(scope="module")
def states():
    reads = alternating_states(np.random.default_rng(3), 5, 20)
    return run(train_dataset(reads, SIGNS), "two-level", "hierarchical")


@pytest.fixture(scope="module")
def powers():
    noise = np.random.default_rng(4).standard_normal((1, 1, 40))
    reads = 1e-6 * np.arange(1, 41) ** 0.5 * np.exp(0.1 * noise)
    return run(train_dataset(reads, np.ones(40)), "power-law-single", "complete")


@pytest.mark.slow
def test_stuck_devices_are_named(stuck):
    curves = FAMILY.curves(stuck, jax.random.key(0))
    probability = curves["stuck_probability"].to_numpy()
    assert (probability[[2, 5]] > 0.99).all()
    assert (np.delete(probability, [2, 5]) < 0.01).all()
    rows = stuck.summary()["parameters"]
    # Two of six, and a prior Beta(1, 20).
    expected = stats.beta(1 + 2, 20 + 4)
    assert rows["stuck_fraction"]["mean"] == pytest.approx(
        expected.mean(), abs=6 * expected.std() / np.sqrt(400)
    )
    # The stuck ones do not make the steps of the others smaller.
    assert rows["step_potentiation"]["q05"] < 1e-6 < rows["step_potentiation"]["q95"]


@pytest.mark.slow
def test_drawn_devices_are_stuck_as_often_as_the_fraction_says(stuck):
    device = stuck.new_devices(jax.random.key(1), 100, (50,)).draw_stuck(jax.random.key(2))
    share = float(device.stuck.mean())
    expected = float(device.stuck_fraction.mean())
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 5000))


@pytest.mark.slow
def test_units_of_what_is_shown(population):
    units = population.units()
    assert {
        units[name] for name in ("conductance_min", "conductance_max", "window", "symmetric_conductance")
    } == {"S"}
    assert units["cycle_noise"] == "1"
    assert units["log_window_mean"] == "ln(S)"


@pytest.mark.slow
def test_steps_of_the_devices_and_of_the_population(population):
    curves = FAMILY.curves(population, jax.random.key(0))
    assert curves.attrs["view"] == "steps"
    low, middle, high = curves["step_potentiation"].to_numpy()
    assert (low <= middle).all()
    assert (middle <= high).all()
    # Potentiation shrinks with the conductance, depression grows.
    assert (np.diff(middle, axis=1) < 0).all()
    assert (np.diff(curves["step_depression"].to_numpy()[1], axis=1) < 0).all()
    wide = np.ptp(curves["population_step_potentiation"].to_numpy()[::2], axis=0)
    assert wide.mean() > (high - low).mean()
    increments = curves["increment"].to_numpy()
    raw = curves["conductance"].to_numpy()
    assert np.isnan(increments[..., 0]).all()
    np.testing.assert_allclose(increments[..., 2:], np.diff(raw[..., 1:]), rtol=1e-9)
    inside = (curves["predicted"][0] <= raw) & (raw <= curves["predicted"][2])
    assert inside.values[..., 1:].mean() > 0.75


@pytest.mark.slow
def test_new_devices_are_possible(population, states):
    device = population.new_devices(jax.random.key(3), 200, (30,))
    assert device.window.shape == (200, 30)
    assert float(device.conductance_min.min()) > 0
    assert float(device.window.min()) > 0
    pulsed = device.pulse(jax.random.key(4), device.symmetry_point(), -1.0)
    assert float(pulsed.min()) > 0
    device = states.new_devices(jax.random.key(3), 200, (30,))
    assert (device.conductance_set >= device.conductance_reset).all()
    assert float((device.conductance_set > 2 * device.conductance_reset).mean()) > 0.9


def test_a_cell_measured_the_wrong_way_round_is_one_without_contrast():
    values = {"conductance_set": [9e-6, 3e-6], "conductance_reset": [1e-6, 5e-6]}
    values |= {"noise_set": [0.1, 0.1], "noise_reset": [0.2, 0.2]}
    device = switching({name: jnp.asarray(value) for name, value in values.items()})
    np.testing.assert_allclose(device.conductance_reset, [1e-6, 3e-6], rtol=1e-6)


# Slow: these take long to compile; the protocol's tests fit one model of the family by default.
FITS = [pytest.param(name, marks=pytest.mark.slow) for name in ("stuck", "population", "states", "powers")]


@pytest.mark.parametrize("name", FITS)
def test_healthy_fits_pass_their_checks(name, request):
    posterior = request.getfixturevalue(name)
    results = check(posterior)
    assert [result.name for result in results if not result.passed] == []
    applying = [d.name for d in DISCREPANCIES if d.applies(posterior.observations())]
    assert [result.name for result in results] == applying


@pytest.mark.parametrize("name", FITS)
def test_every_view_is_drawn(name, request, tmp_path):
    posterior = request.getfixturevalue(name)
    FAMILY.plot(FAMILY.curves(posterior, jax.random.key(0)), tmp_path / "fit.png", "title")
    assert (tmp_path / "fit.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["fit.png"]
