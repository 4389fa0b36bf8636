"""Steps of analog memristors against closed forms, their noise against its density, and their limits."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.devices.increments import draw_folded, log_folded_density
from charz.devices.memristor import ExponentialMemristor, LinearMemristor, SoftBoundsMemristor
from charz.devices.pulse_response import PowerLawResponse, TwoLevelMemristor

MICRO = 1e-6
NOISE = {"cycle_noise": jnp.asarray(0.2), "additive_noise": jnp.asarray(0.05 * MICRO)}


def soft_bounds(**changes):
    values = {
        "conductance_min": jnp.asarray(2 * MICRO),
        "window": jnp.asarray(18 * MICRO),
        "step_potentiation": jnp.asarray(1.5 * MICRO),
        "step_depression": jnp.asarray(0.9 * MICRO),
        **NOISE,
    }
    return SoftBoundsMemristor(**{**values, **changes})


def exponential():
    micro = {
        "symmetric_conductance": 10,
        "symmetric_step": 0.5,
        "decay_potentiation": 6,
        "decay_depression": 4,
    }
    return ExponentialMemristor(**{name: jnp.asarray(v * MICRO) for name, v in micro.items()}, **NOISE)


def linear(**changes):
    steps = {"step_potentiation": jnp.asarray(1 * MICRO), "step_depression": jnp.asarray(0.5 * MICRO)}
    return LinearMemristor(**steps, **NOISE, **changes)


DEVICES = {"soft-bounds": soft_bounds(), "exponential": exponential(), "linear": linear()}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_soft_bounds_approach_the_bound_exponentially():
    device, conductance = soft_bounds(), jnp.asarray(2.0 * MICRO)
    for _ in range(20):
        conductance = conductance + device.step(conductance, jnp.asarray(1.0))
    assert float(device.position(conductance)) == pytest.approx(1 - (1 - 1.5 / 18) ** 20, rel=1e-5)
    assert float(device.conductance_max) == pytest.approx(20 * MICRO, rel=1e-5)


@pytest.mark.parametrize("name", ["soft-bounds", "exponential"])
def test_both_steps_cancel_at_the_symmetry_point(name):
    device = DEVICES[name]
    at = device.symmetry_point()
    assert float(device.step(at, jnp.asarray(1.0)) + device.step(at, jnp.asarray(-1.0))) == pytest.approx(
        0, abs=1e-6 * MICRO
    )
    assert float(device.step(at, jnp.asarray(1.0))) > 0


def test_constant_steps_have_no_symmetry_point_and_end_at_the_window():
    device = linear(conductance_min=2 * MICRO, conductance_max=20 * MICRO)
    assert np.isnan(float(device.symmetry_point()))
    steps = [
        float(device.step(jnp.asarray(g * MICRO), jnp.asarray(s))) / MICRO
        for g, s in [(10, 1.0), (19.75, 1.0), (21, 1.0), (10, -1.0), (2.25, -1.0), (1.0, -1.0)]
    ]
    assert steps == pytest.approx([1, 0.25, 0, -0.5, -0.25, 0], abs=1e-5)


def test_exponential_steps_in_the_form_with_a_window():
    device = exponential()
    lower, upper = 3 * MICRO, 17 * MICRO
    x = np.linspace(0, 1, 11)
    alpha_p, beta_p = 0.5 * np.exp((10 - 3) / 6), 14 / 6
    alpha_d, beta_d = 0.5 * np.exp((17 - 10) / 4), 14 / 4
    conductance = jnp.asarray(lower + x * (upper - lower))
    np.testing.assert_allclose(
        device.potentiation(conductance), alpha_p * np.exp(-beta_p * x) * MICRO, rtol=1e-5
    )
    np.testing.assert_allclose(
        device.depression(conductance), -alpha_d * np.exp(-beta_d * (1 - x)) * MICRO, rtol=1e-5
    )


@pytest.mark.parametrize("degrees", [None, 2.5, 8.0])
@pytest.mark.parametrize("mean", [3.0, 0.2, -0.3])
def test_density_is_normalised_and_is_that_of_the_draws(degrees, mean):
    nu = None if degrees is None else jnp.asarray(degrees)
    grid = np.linspace(0, 400, 400_001)
    density = np.exp(
        np.asarray(log_folded_density(jnp.asarray(grid), jnp.asarray(mean), jnp.asarray(0.5), nu))
    )
    total = np.trapezoid(density, grid)
    assert total == pytest.approx(1, abs=2e-5 if degrees != 2.5 else 2e-4)
    draws = np.asarray(draw_folded(jax.random.key(3), jnp.full(4000, mean), jnp.asarray(0.5), nu))
    assert draws.min() > 0
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2) * (grid[1] - grid[0])])
    p_value = stats.kstest(draws, lambda g: np.interp(g, grid, cumulative / total)).pvalue
    assert p_value > 0.001


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("polarity", [1.0, -1.0])
def test_pulses_have_the_mean_and_the_noise_that_the_law_says(name, polarity):
    device, start = DEVICES[name], 12 * MICRO
    after = np.asarray(device.pulse(jax.random.key(1), jnp.full(20_000, start), jnp.asarray(polarity)))
    step = float(device.step(jnp.asarray(start), jnp.asarray(polarity)))
    scale = np.hypot(0.2 * step, 0.05 * MICRO)
    assert after.mean() - start == pytest.approx(step, abs=4 * scale / np.sqrt(20_000))
    assert after.std() == pytest.approx(scale, rel=4 / np.sqrt(2 * 20_000))


def test_no_conductance_falls_below_zero():
    device = soft_bounds(conductance_min=jnp.asarray(0.0), additive_noise=jnp.asarray(3 * MICRO))
    conductance = jnp.full(500, 1 * MICRO)
    pulse = jax.jit(lambda key, before: device.pulse(key, before, jnp.asarray(-1.0)))
    for key in jax.random.split(jax.random.key(0), 50):
        conductance = pulse(key, conductance)
        assert float(conductance.min()) > 0


def test_without_a_pulse_nothing_changes():
    conductance = jnp.linspace(3, 15, 7) * MICRO
    for device in DEVICES.values():
        assert (device.pulse(jax.random.key(0), conductance, jnp.asarray(0.0)) == conductance).all()


def test_alternating_pulses_lead_to_the_symmetry_point():
    device = soft_bounds()
    polarity = jnp.tile(jnp.asarray([1.0, -1.0]), 200)

    def one(conductance, drive):
        key, sign = drive
        after = device.pulse(key, conductance, sign)
        return after, after

    keys = jax.random.split(jax.random.key(5), polarity.size)
    _, path = jax.lax.scan(one, jnp.full(200, 18 * MICRO), (keys, polarity))
    # The mean over both polarities of the last pulses; the spread of one device is below 1 microsiemens.
    assert float(path[-2:].mean()) == pytest.approx(
        float(device.symmetry_point()), abs=4 * MICRO / np.sqrt(200)
    )


def test_stuck_devices_do_not_respond():
    device = soft_bounds(stuck_fraction=jnp.full(10_000, 0.03)).draw_stuck(jax.random.key(2))
    low, high = stats.binom.interval(0.9999, 10_000, 0.03)
    assert low <= int(device.stuck.sum()) <= high
    steps = device.step(jnp.full(10_000, 5 * MICRO), jnp.asarray(1.0))
    assert ((steps == 0) == device.stuck).all()
    same = soft_bounds()
    assert same.draw_stuck(jax.random.key(2)) is same


def test_reads_scatter_relative_to_the_conductance():
    device = soft_bounds(read_noise=jnp.asarray(0.02))
    reads = np.asarray(device.read(jax.random.key(4), jnp.full(10_000, 7 * MICRO)))
    assert np.log(reads).std() == pytest.approx(0.02, rel=4 / np.sqrt(20_000))
    assert soft_bounds().read(jax.random.key(4), jnp.asarray(MICRO)) == jnp.asarray(MICRO)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("start", [1e-12, 1e-6, 1e-3, 1.0])
def test_gradients_are_finite_far_outside_the_window(name, start):
    device = dataclasses.replace(DEVICES[name], degrees_of_freedom=jnp.asarray(3.0))

    def log_density(law, after):
        return law.log_density(after, jnp.asarray(start), jnp.asarray([1.0, -1.0])).sum()

    slopes = eqx.filter_grad(log_density)(device, jnp.asarray([2e-6, 9e-6]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_one_array_of_devices_in_single_precision():
    with jax.enable_x64(False):
        shape = (3, 4, 5)
        device = jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.float32(leaf), shape), soft_bounds())
        after = jax.jit(lambda key: device.pulse(key, jnp.full(shape, 5e-6), jnp.ones(shape)))(
            jax.random.key(0)
        )
        assert after.dtype == jnp.float32
        assert np.isfinite(after).all()
        assert after.shape == shape
        assert float(after.std()) > 0


def test_power_law_of_either_polarity():
    law = PowerLawResponse(*(jnp.asarray(v) for v in (2e-6, 9e-6, 0.5, -0.75, 0.1)))
    number = jnp.asarray([1.0, 4.0, 16.0])
    np.testing.assert_allclose(np.exp(law.log_median(number, 1.0)), [2e-6, 4e-6, 8e-6], rtol=1e-5)
    np.testing.assert_allclose(np.exp(law.log_median(number, -1.0)), 9e-6 * number**-0.75, rtol=1e-5)
    draws = np.log(np.asarray(law.sample(jax.random.key(0), jnp.full(10_000, 4.0), jnp.asarray(1.0))))
    assert draws.mean() == pytest.approx(np.log(4e-6), abs=4 * 0.1 / 100)
    expected = stats.lognorm.logpdf(5e-6, 0.1, scale=4e-6)
    assert float(law.log_density(jnp.asarray(5e-6), 4.0, 1.0)) == pytest.approx(expected, rel=1e-4)


def test_states_remember_the_cycle_before_and_keep_their_spread():
    values = (200e-6, 10e-6, 0.3, 0.8, 0.6, -0.4, 0.0, -1.0)
    device = TwoLevelMemristor(*(jnp.asarray(v) for v in values))
    first = jax.random.normal(jax.random.key(0), (20_000, 2))
    polarity = jnp.asarray([1.0, -1.0])
    second = device.next_deviation(jax.random.key(1), first, polarity)
    for place, phi in enumerate((0.6, -0.4)):
        assert float(jnp.corrcoef(first[:, place], second[:, place])[0, 1]) == pytest.approx(phi, abs=0.03)
        assert float(second[:, place].std()) == pytest.approx(1, abs=0.03)
    conductance = device.conductance(second, polarity, jnp.asarray(0.5))
    assert float(jnp.median(conductance[:, 1])) == pytest.approx(10e-6 * np.exp(-0.5), rel=0.04)
    np.testing.assert_allclose(device.deviation(conductance, polarity, jnp.asarray(0.5)), second, atol=1e-4)
