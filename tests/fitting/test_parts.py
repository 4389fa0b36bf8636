import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from numpyro.infer.util import log_density
from scipy import stats

from charz.errors import FitError
from charz.fitting.centring import guess_population
from charz.fitting.convergence import assess
from charz.fitting.keys import generator_from
from charz.fitting.modes import Modes, find_modes
from charz.fitting.pareto_smoothing import smoothed_weights
from charz.fitting.population import centre, default_priors, joint_model, uncentre
from charz.fitting.predictive import prior_draws
from charz.fitting.priors import Prior, distribution, families_of
from charz.fitting.pulse import FAMILY
from charz.fitting.registry import find_model
from charz.fitting.run import seed_of
from charz.fitting.sampling import prepare


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_centring_is_undone_and_gives_the_population(weight):
    generator = np.random.default_rng(0)
    u = generator.normal(weight * 2.0, 0.7 * (0.4 / 0.7) ** weight, 20_000)
    x = centre(u, 2.0, 0.4, weight, 0.7)
    assert stats.kstest(x, "norm", (2.0, 0.4)).pvalue > 1e-3
    np.testing.assert_allclose(uncentre(x, 2.0, 0.4, weight, 0.7), u, rtol=1e-10)


def test_centring_follows_information():
    mode = np.random.default_rng(0).normal(1.0, 0.5, (40, 1))
    variance = np.where(np.arange(40) < 20, 1e-4, 25.0)[:, None, None]
    guess = guess_population(Modes(mode, variance, 1 / variance[:, 0]), np.array([1.0]))
    assert guess.centring[:20].min() > 0.95
    assert guess.centring[20:].max() < 0.05
    assert 0.3 < guess.sd[0] < 0.8


@pytest.mark.parametrize("name", ["logistic", "logistic-plain", "logistic-asymptotes", "probit"])
def test_modes_are_maxima(name, simulate):
    observations = FAMILY.observe(simulate(0, num_devices=5)[0])
    model = find_model(name)
    priors = default_priors(model, observations, "none")
    with jax.enable_x64(True):
        modes = find_modes(model, priors, observations, "none")
        data = prepare(model, observations, "none", priors).data
        function = joint_model(model, "none", families_of(priors))

        def log_posterior(flat):
            sites = {p.linked_name: flat[:, i] for i, p in enumerate(model.free)}
            return log_density(function, (data,), {}, sites)[0]

        gradient = jax.grad(log_posterior)(jnp.asarray(modes.mode))
    scale = np.sqrt(np.diagonal(modes.covariance, axis1=1, axis2=2))
    assert np.abs(np.asarray(gradient) * scale).max() < 1e-3


@pytest.mark.parametrize(
    ("prior", "reference"),
    [
        (Prior("normal", (1.0, 2.0)), stats.norm(1.0, 2.0)),
        (Prior("half-normal", (0.5,)), stats.halfnorm(scale=0.5)),
    ],
)
def test_priors_draw_from_their_family(prior, reference):
    drawn = prior.draw(np.random.default_rng(0), (5000,))
    assert stats.kstest(drawn, reference.cdf).pvalue > 1e-3


def test_logit_beta_is_beta_on_the_natural_scale():
    prior = Prior("logit-beta", (1.0, 20.0))
    drawn = prior.draw(np.random.default_rng(0), (5000,))
    assert stats.kstest(1 / (1 + np.exp(-drawn)), stats.beta(1, 20).cdf).pvalue > 1e-3
    with jax.enable_x64(True):
        x = jnp.linspace(-9.0, 1.0, 7)
        log_prob = distribution("logit-beta", (1.0, 20.0)).log_prob(x)
    value, slope, precision = prior.expand(np.asarray(x))
    np.testing.assert_allclose(value - value[0], log_prob - log_prob[0], rtol=1e-9)
    step = 1e-4
    up, down = prior.expand(np.asarray(x) + step), prior.expand(np.asarray(x) - step)
    np.testing.assert_allclose((up[0] - down[0]) / (2 * step), slope, rtol=1e-5)
    np.testing.assert_allclose(-(up[1] - down[1]) / (2 * step), precision, rtol=1e-5)


@pytest.mark.parametrize("pool", ["hierarchical", "complete", "none"])
@pytest.mark.parametrize("name", ["logistic", "logistic-asymptotes", "probit-asymptotes"])
def test_prior_devices_are_possible(name, pool, simulate):
    observations = FAMILY.observe(simulate(0, num_devices=4)[0])
    model = find_model(name)
    priors = default_priors(model, observations, pool)
    draws = prior_draws(np.random.default_rng(0), model, priors, pool, 300, 4)
    floor, ceiling = draws.get("floor", 0.0), draws.get("ceiling", 1.0)
    assert np.all(draws["width"] > 0)
    assert np.all(floor >= 0)
    assert np.all(ceiling <= 1)
    assert np.all(floor < ceiling)
    assert np.shape(draws["location"]) == ((300,) if pool == "complete" else (300, 4))


def test_keys_give_generators_and_seeds():
    new, old = jax.random.key(7), jax.random.PRNGKey(7)
    assert generator_from(new).integers(1 << 30) == generator_from(old).integers(1 << 30)
    assert generator_from(new).integers(1 << 30) != generator_from(jax.random.key(8)).integers(1 << 30)
    assert seed_of(new) == seed_of(old) == 7


@pytest.mark.parametrize(
    ("shift", "step", "diverging", "converged"),
    [(0.0, 1.0, 0, True), (3.0, 1.0, 0, False), (0.0, 1.0, 1, False)],
)
def test_gate(shift, step, diverging, converged):
    draws = step * np.random.default_rng(0).standard_normal((4, 500)) + shift * np.arange(4)[:, None] * step
    divergent = np.zeros((4, 500), bool)
    divergent[0, :diverging] = True
    posterior = xr.Dataset({"x": (("chain", "draw"), draws)})
    result = assess(posterior, divergent)
    assert result.converged is converged
    assert ("NOT CONVERGED" in result.statement()) is not converged


def test_gate_sees_a_chain_that_never_moved():
    draws = np.random.default_rng(0).standard_normal((4, 500))
    draws[2] = draws[2, 0]
    result = assess(xr.Dataset({"x": (("chain", "draw"), draws)}), np.zeros((4, 500), bool))
    assert not result.converged


def test_gate_reports_short_chains():
    noise = np.random.default_rng(0).standard_normal((4, 500))
    walk = np.cumsum(noise, axis=1)
    posterior = xr.Dataset({"steady": (("chain", "draw"), noise), "slow": (("chain", "draw"), walk)})
    result = assess(posterior, np.zeros((4, 500), bool))
    assert result.worst == "slow"
    assert result.min_ess_bulk < 400


def test_unknown_model():
    with pytest.raises(FitError, match=r"'logistics' is not known .did you mean 'logistic'"):
        find_model("logistics")


def test_smoothed_weights_are_those_of_arviz():
    ratios = np.random.default_rng(0).normal(0, 2, 2000)
    found = smoothed_weights(ratios)
    log_weights, k = array_stats.psislw(-ratios)
    np.testing.assert_allclose(found.log_weights, log_weights, rtol=1e-10, atol=1e-10)
    assert found.pareto_k == pytest.approx(float(k))
    assert found.effective == pytest.approx(1 / np.exp(2 * found.log_weights).sum())


@pytest.mark.parametrize(
    ("ratios", "effective"),
    [(np.r_[0.0, np.full(1999, -1e6)], 1.0), (np.full(10, np.nan), 0.0), (np.full(10, -np.inf), 0.0)],
)
def test_ratios_without_a_tail_have_an_infinite_k(ratios, effective):
    found = smoothed_weights(ratios)
    assert found.pareto_k == np.inf
    assert found.effective == pytest.approx(effective)
    assert np.logaddexp.reduce(found.log_weights) == pytest.approx(0, abs=1e-12)
