"""Likelihoods against SciPy and brute-force integrals, and against the simulators that share no code with them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_pulse_train import DESIGNS, train_dataset
from scipy import integrate, stats

from charz.fitting.pulse_train.models import MODELS
from charz.fitting.pulse_train.observations import observe
from charz.fitting.pulse_train.residuals import situation
from charz.fitting.pulse_train.stuck import stuck_log_odds

BY_NAME = {model.name: model for model in MODELS}
MICRO = 1e-6
UP_DOWN = np.array([0.0, 1.0, 1.0, -1.0, -1.0, 1.0])
READS = MICRO * np.array([[[5.0, 5.6, 6.9, 6.1, 5.2, 6.3]]])
SOFT = {
    "conductance_min": 2 * MICRO,
    "window": 18 * MICRO,
    "step_potentiation": 1.5 * MICRO,
    "step_depression": 2.5 * MICRO,
    "cycle_noise": 0.3,
    "additive_noise": 0.4 * MICRO,
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def train():
    """One device, one cycle: arrays without the device axis."""
    return {name: jnp.asarray(a[0]) for name, a in observe(train_dataset(READS, UP_DOWN)).arrays.items()}


def step_density(after, before, sign, values, step=None):
    """Density of one step of soft bounds, by SciPy."""
    share = (before - values["conductance_min"]) / values["window"]
    mean = values["step_potentiation"] * (1 - share) if sign > 0 else -values["step_depression"] * share
    mean = mean if step is None else step
    relative = values["cycle_noise"] if step is None else 0.0
    scale = np.hypot(relative * mean, values["additive_noise"])
    centre = before + mean
    if "degrees_of_freedom" in values:
        law = stats.t(values["degrees_of_freedom"], centre, scale)
    else:
        law = stats.norm(centre, scale)
    return law.pdf(after) + law.pdf(-after)


def densities(values, reads=READS[0, 0], **options):
    pairs = zip(reads[1:], reads[:-1], UP_DOWN[1:], strict=True)
    return np.array([step_density(after, before, sign, values, **options) for after, before, sign in pairs])


@pytest.mark.parametrize("more", [{}, {"degrees_of_freedom": 3.5}])
def test_steps_of_soft_bounds(train, more):
    model = BY_NAME["soft-bounds-robust" if more else "soft-bounds"]
    terms = model.log_likelihood({**SOFT, **more}, train)
    assert terms[0, 0] == 0  # the read without a pulse
    np.testing.assert_allclose(terms[0, 1:], np.log(densities({**SOFT, **more})), rtol=1e-6)


@pytest.mark.parametrize("more", [{}, {"degrees_of_freedom": 3.5}])
def test_a_read_left_out_is_judged_by_both_neighbours(train, more):
    model, values = BY_NAME["soft-bounds-robust" if more else "soft-bounds"], {**SOFT, **more}
    terms = np.asarray(model.left_out(values, train))[0, 1:]
    own, reads = densities(values), READS[0, 0]
    expected = [np.log(own[-1])]
    for k in range(1, 5):
        before, after = reads[k - 1], reads[k + 1]

        def path(x, before=before, after=after, k=k):
            x = x * MICRO
            first = step_density(x, before, UP_DOWN[k], values)
            return first * step_density(after, x, UP_DOWN[k + 1], values) * MICRO

        bridge = integrate.quad(
            path, 0.0, 40.0, points=[before / MICRO, after / MICRO], limit=60, epsrel=1e-6
        )[0]
        expected.insert(k - 1, np.log(own[k - 1] * own[k] / bridge))
    np.testing.assert_allclose(terms, expected, atol=2e-3)


def test_stuck_or_responding_for_all_reads_together(train):
    values = {**SOFT, "stuck_fraction": 0.2}
    alive, dead = np.prod(densities(SOFT)), np.prod(densities(SOFT, step=0.0))
    total = 0.8 * alive + 0.2 * dead
    assert float(BY_NAME["soft-bounds-stuck"].log_likelihood(values, train).sum()) == pytest.approx(
        np.log(total), rel=1e-6
    )
    odds = float(stuck_log_odds(values, train))
    assert odds == pytest.approx(np.log(0.2 * dead / (0.8 * alive)), rel=1e-5)


def test_a_read_left_out_of_the_mixture(train):
    """With a stuck fraction near 0 it is that of a device that responds, near 1 that of a stuck one."""
    model = BY_NAME["soft-bounds-stuck"]
    near_zero = np.asarray(model.left_out({**SOFT, "stuck_fraction": 1e-12}, train))
    np.testing.assert_allclose(near_zero, BY_NAME["soft-bounds"].left_out(SOFT, train), atol=1e-6)
    near_one = np.asarray(model.left_out({**SOFT, "stuck_fraction": 1 - 1e-12}, train))[0]
    # Between its neighbours a step of no mean has half the variance of one.
    middle = (READS[0, 0, 1] + READS[0, 0, 3]) / 2
    expected = stats.norm.logpdf(READS[0, 0, 2], middle, 0.4 * MICRO / np.sqrt(2))
    assert near_one[2] == pytest.approx(expected, abs=1e-3)


def test_read_errors_integrate_to_the_density_of_the_reads():
    """One step between two noisy reads: the integral over both errors, against one over both true conductances."""
    reads = READS[..., :2]
    arrays = {n: jnp.asarray(a[0]) for n, a in observe(train_dataset(reads, UP_DOWN[:2])).arrays.items()}
    model, noise = BY_NAME["soft-bounds-read"], 0.08
    grid = np.linspace(-7, 7, 241)

    def term(start, error):
        hidden = {"start_error": jnp.array([[0.0, start]]), "read_error": jnp.array([[0.0, error]])}
        return model.log_likelihood({**SOFT, "read_noise": noise, **hidden}, arrays).sum()

    logs = np.asarray(
        jax.vmap(lambda s: jax.vmap(lambda e: term(s, e))(jnp.asarray(grid)))(jnp.asarray(grid))
    )
    weight = stats.norm.pdf(grid)
    found = np.trapezoid(np.trapezoid(np.exp(logs) * weight, grid, axis=1) * weight, grid)
    # What is known of the start: its read, and a constant density of its logarithm.
    true = np.linspace(1.0, 12.0, 2201) * MICRO
    start = true[:, None]
    step = step_density(true[None, ::4], start[::4], 1.0, SOFT)
    start_density = stats.lognorm.pdf(true[::4], noise, scale=reads[0, 0, 0])
    read_density = stats.lognorm.pdf(reads[0, 0, 1], noise, scale=true[::4])
    expected = np.trapezoid(np.trapezoid(step * read_density, true[::4], axis=1) * start_density, true[::4])
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_noisy_read_left_out(train):
    model, noise = BY_NAME["soft-bounds-read"], 0.05
    rng = np.random.default_rng(2)
    hidden = {name: jnp.asarray(rng.standard_normal((1, 6))) for name in ("start_error", "read_error")}
    hidden["start_error"] = hidden["start_error"].at[0, 2:].set(0.0)
    terms = np.asarray(model.left_out({**SOFT, "read_noise": noise, **hidden}, train))[0]
    true = READS[0, 0] * np.exp(-noise * np.asarray(hidden["read_error"])[0])
    grid = np.linspace(0.5, 15, 8001) * MICRO
    path = step_density(grid, true[2], UP_DOWN[3], SOFT)
    path = path * step_density(true[4], grid, UP_DOWN[4], SOFT)
    read = stats.lognorm.pdf(READS[0, 0, 3], noise, scale=grid)
    expected = np.log(np.trapezoid(path * read, grid) / np.trapezoid(path, grid))
    assert terms[3] == pytest.approx(expected, abs=2e-3)
    last = step_density(grid, true[4], UP_DOWN[5], SOFT)
    read = stats.lognorm.pdf(READS[0, 0, 5], noise, scale=grid)
    assert terms[5] == pytest.approx(np.log(np.trapezoid(last * read, grid)), abs=2e-3)


def test_states_are_a_multivariate_normal():
    rng = np.random.default_rng(4)
    reads = np.exp(rng.normal(-10, 1, (1, 7, 2)))
    reads[0, 3, 0] = np.nan  # after a gap a state is drawn anew
    arrays = {
        n: jnp.asarray(a[0]) for n, a in observe(train_dataset(reads, np.array([-1.0, 1.0]))).arrays.items()
    }
    values = {
        "conductance_set": 1e-4,
        "conductance_reset": 1e-4 * np.exp(-2.0),
        "noise_set": 0.3,
        "noise_reset": 0.7,
        "correlation_set": 0.6,
        "correlation_reset": -0.5,
        "drift_set": 0.4,
        "drift_reset": -1.0,
    }
    model = BY_NAME["two-level-serial"]
    values = model.natural({name: jnp.asarray(v) for name, v in values.items()})
    time, logs = np.linspace(-0.5, 0.5, 7), np.log(reads[0])
    lag = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    mean = np.log(1e-4) + 0.4 * time
    law = stats.multivariate_normal(mean, 0.3**2 * 0.6**lag)
    expected = law.logpdf(logs[:, 1]) - logs[:, 1].sum()
    mean = np.log(1e-4) - 2 - time
    for rows in (slice(0, 3), slice(4, 7)):
        law = stats.multivariate_normal(mean[rows], 0.7**2 * (-0.5) ** lag[rows, rows].astype(float))
        expected += law.logpdf(logs[rows, 0]) - logs[rows, 0].sum()
    assert float(model.log_likelihood(values, arrays).sum()) == pytest.approx(expected, rel=1e-9)
    # Left out: the joint density over that of all others.
    covariance = 0.3**2 * 0.6**lag
    precision = np.linalg.inv(covariance)
    rest = logs[:, 1] - (np.log(1e-4) + 0.4 * time)
    for cycle in (0, 3, 6):
        middle = rest[cycle] - (precision[cycle] @ rest) / precision[cycle, cycle]
        log_density = stats.norm.logpdf(rest[cycle], middle, precision[cycle, cycle] ** -0.5)
        found = float(model.left_out(values, arrays)[cycle, 1])
        assert found == pytest.approx(log_density - logs[cycle, 1], rel=1e-9)


def drawn(model, design, seed, num_samples):
    """Values (sample, device) from the priors of a design, the same for all devices, and replicated outcomes."""
    rng = np.random.default_rng(seed)
    observations = observe(design.dataset)
    linked = {
        p.linked_name: jnp.asarray(
            np.repeat(design.priors[p.linked_name].draw(rng, (num_samples, 1)), 1, axis=1)
        )
        for p in model.free
    }
    values = {
        name: np.broadcast_to(np.asarray(value), (num_samples, len(observations.devices)))
        for name, value in model.values_from_linked(linked).items()
    }
    return values, observations, model.replicate(rng, values, observations)


@pytest.mark.parametrize("name", [n for n in BY_NAME if n not in ("soft-bounds-read", "soft-bounds-stuck")])
def test_simulated_outcomes_have_standard_residuals(name):
    """Likelihood and simulator share no formula: residuals by the device's law are standard normal, and apart."""
    model, design = BY_NAME[name], DESIGNS[name]
    values, observations, outcomes = drawn(model, design, 1, 200)
    seen = situation(model, outcomes, values, observations)
    residual = seen.residual[:, seen.mask].ravel()
    assert residual.mean() == pytest.approx(0, abs=4.5 / np.sqrt(residual.size))
    assert residual.var() == pytest.approx(1, abs=4.5 * np.sqrt(2 / residual.size))
    assert (residual**4).mean() == pytest.approx(3, abs=4.5 * np.sqrt(96 / residual.size))


@pytest.mark.parametrize("name", BY_NAME)
def test_values_and_derivatives_are_finite_far_from_the_data(name):
    model, design = BY_NAME[name], DESIGNS[name]
    observations = observe(design.dataset)
    arrays = {n: jnp.asarray(a[0]) for n, a in observations.arrays.items()}
    hidden = {n: jnp.asarray(0.1 * mask[0]) for n, mask in model.latents(observations).items()}
    names = [p.linked_name for p in model.free]

    def log_likelihood(linked):
        values = model.values_from_linked(dict(zip(names, linked, strict=True)))
        return model.log_likelihood({**values, **hidden}, arrays).sum()

    def everything(linked):
        return log_likelihood(linked), jax.grad(log_likelihood)(linked), jax.hessian(log_likelihood)(linked)

    rng = np.random.default_rng(0)
    centre = np.array([float(design.priors[n].draw(rng, ())) for n in names])
    scales = np.repeat([1.0, 5.0, 15.0, 30.0], 8)[:, None]
    points = centre + scales * rng.standard_normal((32, len(names)))
    for part in jax.jit(jax.vmap(everything))(jnp.asarray(points)):
        assert np.isfinite(part).all()


@pytest.mark.parametrize("name", BY_NAME)
def test_candidates_come_near_the_mode(name):
    """The best candidate of each device is better than the middle of the priors, which are scaled to the data."""
    model, design = BY_NAME[name], DESIGNS[name]
    _, observations, outcomes = drawn(model, design, 3, 1)
    observations = replace(
        observations, arrays={**observations.arrays, "conductance": outcomes["conductance"][0]}
    )
    found = model.candidates(observations)
    assert set(found) == {p.name for p in model.free}
    hidden = {n: jnp.zeros(mask.shape[1:]) for n, mask in model.latents(observations).items()}

    def log_likelihood(free, arrays):
        return model.log_likelihood({**model.natural(free), **hidden}, arrays).sum()

    num_devices, number = len(observations.devices), max(v.shape[1] for v in found.values())
    free = {n: jnp.broadcast_to(jnp.asarray(v), (num_devices, number)) for n, v in found.items()}
    arrays = {n: jnp.asarray(a) for n, a in observations.arrays.items()}
    levels = jax.vmap(jax.vmap(log_likelihood, in_axes=(0, None)))(free, arrays)
    assert np.isfinite(levels).all()
    rough = {n: jnp.broadcast_to(v, (num_devices,)) for n, v in _prior_centres(model, observations).items()}
    assert float((levels.max(1) - jax.vmap(log_likelihood)(rough, arrays)).min()) > 0


def _prior_centres(model, observations):
    centres = {}
    for parameter in model.free:
        prior = model.priors(observations)[parameter.linked_name][0]
        a, b = prior.constants
        middle = np.log(a / b) if prior.family == "logit-beta" else a
        centres[parameter.name] = parameter.link.inverse(jnp.asarray(middle))
    return centres
