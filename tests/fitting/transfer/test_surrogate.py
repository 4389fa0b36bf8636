"""The surrogate: evidence, draws, what it says outside the data, calibration on devices that are no members."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from calibration import coverage_range
from design_transfer import DESIGNS, NANO, bent_current, record_of
from scipy import stats
from threadpoolctl import threadpool_limits

from charz.fitting.transfer import FAMILY, fit_transfer, observe
from charz.fitting.transfer.draws import draw_material, layer_of, problem_of
from charz.fitting.transfer.evidence import basis, kernel, left_out_at, log_evidence, value_and_slope
from charz.fitting.transfer.features import hidden_layer, num_units
from charz.fitting.transfer.hyper import draw_hyper, mode
from charz.fitting.transfer.infer import prior_values
from charz.fitting.transfer.prediction import current_at
from charz.fitting.transfer.priors import default_priors, scaled_priors
from charz.fitting.transfer.record import Record
from charz.fitting.transfer.record import record_of as taken_from

NOISE = 0.3 * NANO
HYPER = np.array([-2.0, 0.1, -0.3, 0.4])


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


def bent_record(seed, samples=40, electrodes=2, gain=1.3):
    """A simulated record and 40 more noisy reads of the same device, none of them fitted."""
    generator = np.random.default_rng([31, seed])
    voltage = generator.uniform(-1, 1, (samples + 40, electrodes))
    current = bent_current(generator, voltage, gain) + NOISE * generator.standard_normal(len(voltage))
    return Record(voltage[:samples], current[:samples]), voltage[samples:], current[samples:]


@pytest.fixture(scope="module")
def record():
    return bent_record(0)[0]


@pytest.fixture(scope="module")
def problem(record):
    with jax.enable_x64(True):
        scaled = scaled_priors(default_priors("surrogate", record), record)
        return problem_of(record, layer_of(record, "surrogate"), scaled)


@pytest.fixture(scope="module")
def drawn(record):
    with jax.enable_x64(True):
        return draw_material(
            np.random.default_rng(5), record, "surrogate", default_priors("surrogate", record), 2000
        )


def covariance_of(problem):
    """The module's formula in NumPy alone."""
    x, relevance = np.asarray(problem.voltage), np.exp(HYPER[2:])
    inner = 1 + (relevance**2).sum() / 3 + (x * relevance**2) @ x.T
    size = 1 + 2 * np.diag(inner)
    bent = np.exp(2 * HYPER[1]) * 2 / np.pi * np.arcsin(2 * inner / np.sqrt(np.outer(size, size)))
    linear = np.column_stack([np.ones(len(x)), x]) * np.asarray(problem.weight_sd)
    return linear @ linear.T + bent


def test_evidence_and_its_slope(problem):
    covariance = covariance_of(problem) + np.exp(2 * HYPER[0]) * np.eye(40)
    expected = stats.multivariate_normal(cov=covariance).logpdf(np.asarray(problem.current))
    with jax.enable_x64(True):
        assert float(log_evidence(problem, jnp.asarray(HYPER))) == pytest.approx(expected, abs=1e-6)
        _, slope = value_and_slope(problem, jnp.asarray(HYPER))
        for axis in range(4):
            step = 1e-5 * np.eye(4)[axis]
            above, below = (
                float(value_and_slope(problem, jnp.asarray(HYPER + s * step))[0]) for s in (1, -1)
            )
            assert float(slope[axis]) == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-4)


def test_left_out_densities_agree_with_conditioning(problem):
    covariance = covariance_of(problem) + np.exp(2 * HYPER[0]) * np.eye(40)
    current = np.asarray(problem.current)
    with jax.enable_x64(True):
        terms = np.asarray(left_out_at(problem, jnp.asarray(HYPER[None])))[0]
    for sample in (0, 23):
        rest = np.arange(40) != sample
        gain = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, sample])
        spread = np.sqrt(covariance[sample, sample] - gain @ covariance[rest, sample])
        expected = stats.norm.logpdf(current[sample], gain @ current[rest], spread)
        assert terms[sample] == pytest.approx(expected, abs=1e-6)


def test_the_units_have_the_kernel_of_infinitely_many(problem):
    with jax.enable_x64(True):
        columns = np.asarray(basis(problem, jnp.asarray(HYPER)))
        exact = np.asarray(kernel(problem, jnp.asarray(HYPER)))
    # Independent units would miss by 1/sqrt(256) = 6 % of the variance; the Sobol sequence is better.
    assert np.abs(columns @ columns.T - exact).max() < 0.06 * exact.max()


def test_the_hidden_layer_depends_on_nothing_but_its_size():
    one, other = hidden_layer(3, 256), hidden_layer(3, 256)
    assert one.direction.shape == (256, 3)
    np.testing.assert_array_equal(one.direction, other.direction)
    assert np.abs(one.direction.mean(0)).max() < 0.02
    assert np.abs(one.direction.std(0) - 1).max() < 0.05
    assert [num_units(n) for n in (10, 100, 130, 300, 2000)] == [256, 256, 512, 1024, 1024]


def test_the_mode_is_one(problem):
    with jax.enable_x64(True):
        best = mode(problem)
        value, slope = value_and_slope(problem, jnp.asarray(best))
        near = best + 0.3 * np.random.default_rng(0).standard_normal((50, 4))
        assert all(
            float(value_and_slope(problem, jnp.asarray(point))[0]) <= float(value) + 1e-6 for point in near
        )
    assert np.abs(np.asarray(slope) * np.asarray(problem.hyper_sd)).max() < 0.05


@pytest.mark.slow
def test_hyperparameters_agree_with_a_long_random_walk(problem):
    """Importance sampling against Metropolis: mean within its error, spread within 15 %."""
    generator = np.random.default_rng(2)
    with jax.enable_x64(True):
        found = draw_hyper(generator, problem, 1000)
        points = np.asarray(_walk(problem, jnp.asarray(found.values[:200]), jax.random.key(0)))
    assert found.pareto_k < 0.7
    assert found.effective > 200
    spread = points.std(0)
    assert np.all(
        np.abs(found.values.mean(0) - points.mean(0)) < 5 * spread / np.sqrt(found.effective) + 0.1 * spread
    )
    assert np.all(np.abs(found.values.std(0) / spread - 1) < 0.15)


def _walk(problem, start, key):
    """200 Metropolis chains of 400 steps; the second half is returned as (chain * step, hyper)."""
    target = jax.vmap(lambda hyper: value_and_slope(problem, hyper)[0])
    scale = 0.8 * jnp.std(start, axis=0)

    def step(state, key):
        point, density = state
        move, accept = jax.random.split(key)
        proposal = point + scale * jax.random.normal(move, point.shape)
        new = target(proposal)
        taken = jnp.log(jax.random.uniform(accept, density.shape)) < new - density
        state = (jnp.where(taken[:, None], proposal, point), jnp.where(taken, new, density))
        return state, state[0]

    keys = jax.random.split(key, 400)
    _, points = jax.jit(lambda s: jax.lax.scan(step, s, keys))((start, target(start)))
    return points[200::5].reshape(-1, start.shape[1])


def test_draws_follow_the_data_and_know_the_noise(record, drawn):
    low, high = np.quantile(drawn.values["noise"], (0.005, 0.995))
    assert low < NOISE < high
    assert drawn.converged
    fitted = current_at(record, layer_of(record, "surrogate"), drawn.values, record.voltage)
    # Both ways to the same currents: scaled basis, and SI parameters in NumPy.
    np.testing.assert_allclose(fitted, drawn.expected, rtol=1e-6, atol=1e-6 * record.half_current)
    residual = record.current - fitted.mean(0)
    assert residual.std() < 1.5 * NOISE


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, -1.0), (0.7, 0.7)])
def test_the_spread_grows_outside_the_data_up_to_the_prior(record, drawn, direction):
    distance = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
    layer = layer_of(record, "surrogate")
    points = distance[:, None] * np.asarray(direction)
    spread = current_at(record, layer, drawn.values, points).std(0)
    assert np.all(np.diff(spread[1:]) > 0), spread / NANO
    prior = prior_values(np.random.default_rng(1), layer, default_priors("surrogate", record), 2000)
    before = current_at(record, layer, prior, points).std(0)
    assert spread[0] < 0.2 * before[0]
    assert spread[-1] > 0.3 * before[-1]
    assert np.all(spread < 1.2 * before)


def coverage(number):
    """For each device: share of new reads within their 90 % interval, rank and coverage of the noise."""
    rows = []
    for seed in range(number):
        record, voltage, current = bent_record(seed, gain=0.7 + 0.1 * (seed % 10))
        generator = np.random.default_rng([32, seed])
        with jax.enable_x64(True):
            drawn = draw_material(generator, record, "surrogate", default_priors("surrogate", record), 1000)
        mean = current_at(record, layer_of(record, "surrogate"), drawn.values, voltage)
        noise = drawn.values["noise"]
        reads = mean + noise[:, None] * generator.standard_normal(mean.shape)
        low, high = np.quantile(reads, (0.05, 0.95), axis=0)
        inside = (low <= current) & (current <= high)
        ends = np.quantile(noise, (0.05, 0.95))
        rows.append((inside[0], inside.mean(), ends[0] <= NOISE <= ends[1]))
    return np.array(rows, float).T


@pytest.mark.slow
def test_intervals_cover_new_reads_and_the_noise():
    first, share, noise = coverage(12)
    # Reads of one device share its fit: the standard error comes from the devices.
    assert abs(share.mean() - 0.9) < 4 * max(share.std(ddof=1), 0.05) / np.sqrt(12)
    # P(fewer than 6 of 12) = 5e-5 at a true rate of 90 %.
    assert first.sum() >= 6
    assert noise.sum() >= 6


@pytest.mark.slow
def test_intervals_are_calibrated_over_200_devices():
    first, share, noise = coverage(200)
    low, high = coverage_range(200, 2)
    # One new read a device: independent replications.
    assert low <= first.mean() <= high
    assert low <= noise.mean() <= high
    assert abs(share.mean() - 0.9) < 3 * share.std(ddof=1) / np.sqrt(200)


def test_devices_are_draws_of_the_measured_material(record):
    dataset = record_of(record.voltage, record.current)
    tree = fit_transfer(dataset, "surrogate", key=jax.random.key(0), draws=200, chains=2)
    posterior = SimpleNamespace(tree=tree)
    devices = FAMILY.devices_from(posterior, jax.random.key(1), 400, ())
    assert devices.noise.shape == (400,)
    np.testing.assert_allclose(devices.lowest[0], record.lowest, rtol=1e-6)
    np.testing.assert_allclose(devices.highest[7], record.highest, rtol=1e-6)
    voltage = jnp.asarray(record.voltage[:5], jnp.float32)
    current = np.asarray(eqx.filter_vmap(lambda device: device.current(voltage))(devices))
    fitted = tree["constant_data"]["fitted_current"].to_numpy()[0][:, :5]
    np.testing.assert_allclose(
        np.sort(current, axis=0), np.sort(fitted, axis=0), rtol=2e-3, atol=2e-3 * record.half_current
    )
    array = FAMILY.devices_from(posterior, jax.random.key(1), 3, (2, 2))
    assert array.slope.shape == (3, 2, 2, 2)
    assert np.ptp(np.asarray(array.noise), axis=(1, 2)).max() == 0
    assert np.ptp(np.asarray(array.noise)) > 0
    assert "not of a population" in tree.attrs["remarks"]


def test_calibration_of_the_design():
    """Truths from the prior of the design, one in which the hidden layer is the model's own."""
    design, inside = DESIGNS["surrogate"], []
    record = taken_from(observe(design.dataset))
    layer = layer_of(record, "surrogate")
    for seed in range(10):
        generator = np.random.default_rng([33, seed])
        truth = prior_values(generator, layer, design.priors, 1)
        mean = current_at(record, layer, truth, record.voltage)[0]
        simulated = Record(record.voltage, mean + truth["noise"] * generator.standard_normal(len(mean)))
        with jax.enable_x64(True):
            values = draw_material(generator, simulated, "surrogate", design.priors, 1000).values
        names = ("level", "noise", "amplitude")
        ends = {name: np.quantile(values[name], (0.05, 0.95)) for name in names}
        inside.append([ends[name][0] <= truth[name][0] <= ends[name][1] for name in names])
    # P(fewer than 5 of 10 cover) is 1.5e-4 a row at a true rate of 90 %.
    assert np.all(np.sum(inside, axis=0) >= 5), np.mean(inside, axis=0)
