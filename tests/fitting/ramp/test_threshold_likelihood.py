"""Terms of the likelihood against independent formulas: censoring, Gaussian copulas, latent places, left-out terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_ramp_switching import ramp_dataset
from scipy import stats

from charz.fitting.ramp import FAMILY
from charz.fitting.ramp.serial import LATENT
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

MODELS = {model.name: model for model in FAMILY.models}
LAW = stats.weibull_min(3.0, scale=1.2)
LOGNORMAL = {"median": 1.1, "spread": 0.2, "drift": 30.0, "correlation": 0.6}
WANDER = {"median": 1.1, "spread": 0.2, "drift": 30.0, "persistence": 0.6, "chain_share": 0.7}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def observed(values, flags=None, lower=None, upper=None):
    arrays = None if flags is None else (np.asarray([flags]), np.asarray([lower]), np.asarray([upper]))
    return FAMILY.observe(ramp_dataset(np.asarray([values], float), *(arrays or ())))


def terms(name, observations, values, function="log_likelihood"):
    model = MODELS[name]
    arrays = {n: jnp.asarray(array[0], float) for n, array in observations.arrays.items()}
    given = {n: jnp.asarray(v) for n, v in values.items()}
    return np.asarray(getattr(model, function)(given, arrays))


FLAGS = [FLAG_NONE, FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL]
LOWER, UPPER = [np.nan, np.nan, np.nan, 1.0], [np.nan, np.nan, np.nan, 1.05]


def test_each_kind_of_censoring_has_its_probability():
    observations = observed([0.9, 0.8, 1.5, 1.05], FLAGS, LOWER, UPPER)
    found = terms("weibull", observations, {"scale": 1.2, "shape": 3.0})
    between = np.log(LAW.cdf(1.05) - LAW.cdf(1.0))
    np.testing.assert_allclose(found, [LAW.logpdf(0.9), LAW.logcdf(0.8), LAW.logsf(1.5), between], rtol=1e-9)


def test_missing_cycles_have_no_term():
    full = terms("weibull", observed([0.9, 1.0, 1.1]), {"scale": 1.2, "shape": 3.0})
    holes = terms("weibull", observed([0.9, np.nan, 1.0, 1.1]), {"scale": 1.2, "shape": 3.0})
    np.testing.assert_allclose(holes, [full[0], 0.0, full[1], full[2]])


def covariance(cycles, spread, correlation, share=1.0):
    distance = np.abs(np.subtract.outer(cycles, cycles))
    return spread**2 * np.where(distance == 0, 1.0, share * correlation**distance)


@pytest.mark.parametrize(
    ("name", "law", "share"), [("lognormal-drift", LOGNORMAL, 1.0), ("lognormal-wander", WANDER, 0.7)]
)
def test_lognormal_series_is_a_normal_vector(name, law, share):
    """Over a gap of three cycles, with drift: the joint density of ln y, and every conditional one."""
    values = np.array([0.9, 1.3, np.nan, np.nan, 1.0, 1.2, 0.8])
    observations = observed(values)
    kept = np.isfinite(values)
    cycles = np.arange(7)[kept]
    mean = np.log(1.1) + 30.0 * (cycles - 3) / 1000
    joint = stats.multivariate_normal(mean, covariance(cycles, 0.2, 0.6, share))
    logs = np.log(values[kept])
    found = terms(name, observations, law)
    np.testing.assert_allclose(found.sum(), joint.logpdf(logs) - logs.sum(), rtol=1e-10)
    left = terms(name, observations, law, "left_out")[kept]
    for index in range(cycles.size):
        rest = np.delete(np.arange(cycles.size), index)
        others = stats.multivariate_normal(mean[rest], joint.cov[np.ix_(rest, rest)]).logpdf(logs[rest])
        np.testing.assert_allclose(left[index], joint.logpdf(logs) - others - logs[index], rtol=1e-9)


def test_without_correlation_and_drift_cycles_are_independent():
    observations = observed([0.9, 1.3, 1.0])
    plain = terms("weibull", observations, {"scale": 1.2, "shape": 3.0})
    still = {"scale": 1.2, "shape": 3.0, "drift": 0.0, "correlation": 0.0}
    np.testing.assert_allclose(terms("weibull-drift", observations, still), plain, atol=1e-12)
    np.testing.assert_allclose(terms("weibull-drift", observations, still, "left_out"), plain, atol=1e-12)


def integrated(name, observations, values, nodes=96):
    """Likelihood with the single latent place integrated over its standard normal prior by quadrature."""
    place, weight = np.polynomial.hermite_e.hermegauss(nodes)
    mask = observations.arrays["censored"][0] != FLAG_NONE
    total = [terms(name, observations, {**values, LATENT: mask * eta}).sum() for eta in place]
    return np.log(np.sum(weight * np.exp(total)) / np.sqrt(2 * np.pi))


@pytest.mark.parametrize(
    ("flag", "value", "lower", "upper", "low", "high"),
    [
        (FLAG_LEFT, 0.9, np.nan, np.nan, 0.0, 0.9),
        (FLAG_RIGHT, 1.2, np.nan, np.nan, 1.2, np.inf),
        (FLAG_INTERVAL, 1.05, 0.95, 1.05, 0.95, 1.05),
    ],
)
def test_latent_place_integrates_to_the_probability_of_the_range(flag, value, lower, upper, low, high):
    """The censored cycle between two exact ones: density of these times the conditional probability."""
    flags = [FLAG_NONE, flag, FLAG_NONE]
    observations = observed([0.9, value, 1.3], flags, [np.nan, lower, np.nan], [np.nan, upper, np.nan])
    still = {"median": 1.1, "spread": 0.2, "drift": 0.0, "correlation": 0.6}
    matrix = covariance(np.arange(3), 0.2, 0.6)
    outer = matrix[np.ix_([0, 2], [0, 2])]
    logs = np.log([0.9, 1.3])
    gain = matrix[1, [0, 2]] @ np.linalg.inv(outer)
    mean = np.log(1.1) + gain @ (logs - np.log(1.1))
    sd = np.sqrt(matrix[1, 1] - gain @ matrix[[0, 2], 1])
    with np.errstate(divide="ignore"):
        ends = (np.log([low, high]) - mean) / sd
    inside = np.log(np.diff(stats.norm.cdf(ends))[0])
    pair = stats.multivariate_normal(np.full(2, np.log(1.1)), outer).logpdf(logs) - logs.sum()
    np.testing.assert_allclose(integrated("lognormal-drift", observations, still), pair + inside, atol=2e-4)
    left = terms("lognormal-drift", observations, {**still, LATENT: np.array([0.0, 0.7, 0.0])}, "left_out")
    np.testing.assert_allclose(left[1], inside, rtol=1e-6)


@pytest.mark.parametrize("name", ["weibull-drift", "lognormal-drift", "weibull-wander"])
def test_series_with_latents_has_finite_derivatives(name):
    observations = observed([0.9, 0.8, 1.5, 1.05], FLAGS, LOWER, UPPER)
    model = MODELS[name]
    arrays = {n: jnp.asarray(array[0], float) for n, array in observations.arrays.items()}
    names = [p.linked_name for p in model.free]

    def total(point):
        hidden = {LATENT: point[len(names) :] * (arrays["censored"] > 0)}
        return model.log_likelihood(
            {**model.values_from_linked(dict(zip(names, point, strict=False))), **hidden}, arrays
        ).sum()

    spread = np.repeat([1.0, 5.0, 30.0, 100.0], 25)[:, None]
    points = jnp.asarray(spread * np.random.default_rng(0).standard_normal((100, len(names) + 4)))
    for array in jax.jit(jax.vmap(lambda x: (total(x), jax.grad(total)(x), jax.hessian(total)(x))))(points):
        assert np.isfinite(np.asarray(array)).all()


REPLICATED = {
    "weibull": {"scale": 1.2, "shape": 3.0},
    "gumbel": {"location": 1.1, "width": 0.2},
    "lognormal": {"median": 1.1, "spread": 0.2},
    "weibull-mixture": {
        "scale_low": 0.7,
        "separation": 0.6,
        "shape_low": 9.0,
        "shape_high": 12.0,
        "weight_low": 0.3,
    },
    "weibull-drift": {"scale": 1.2, "shape": 3.0, "drift": 20.0, "correlation": 0.5},
    "lognormal-drift": LOGNORMAL,
    "weibull-wander": {"scale": 1.2, "shape": 3.0, "drift": 20.0, "persistence": 0.5, "chain_share": 0.6},
    "lognormal-wander": WANDER,
    "thermal-ramp": {"thermal_stability": 40.0, "critical": 2.0},
    "thermal-ramp-1.5": {"thermal_stability": 40.0, "critical": 2.0},
}


@pytest.mark.parametrize("name", MODELS)
def test_replicates_have_normal_scores_under_the_law(name):
    """NumPy's replicates against the law's distribution: scores of each cycle are standard normal."""
    rate = np.array([[0.01, 1.0, 300.0]])
    observations = FAMILY.observe(ramp_dataset(np.array([[0.9, 1.0, 1.1]]), ramp_rate=rate))
    model = MODELS[name]
    number = 4000
    values = {n: np.full((number, 1), v) for n, v in REPLICATED[name].items()}
    drawn = model.replicate(np.random.default_rng(1), values, observations)
    situation = FAMILY.situation(model, drawn, values, observations)
    assert situation.score.shape == (number, 1, 3)
    for cycle in range(3):
        assert stats.kstest(situation.score[:, 0, cycle], "norm").pvalue > 1e-3
