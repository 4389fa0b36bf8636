"""Threshold laws: formulas against SciPy and quadrature, tails, derivatives everywhere, simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from charz.devices.threshold_mixture import WeibullMixtureThreshold
from charz.devices.threshold_ramp import ThermalBarrier
from charz.devices.threshold_series import SerialThreshold
from charz.devices.threshold_tails import log_normal_between, normal_score
from charz.devices.thresholds import GumbelThreshold, LognormalThreshold, WeibullThreshold
from charz.errors import CharzError

EXPONENTS = (1.0, 1.5, 2.0, 3.0)
DRIVES = np.array([0.4, 0.9, 1.0, 1.2, 1.5])
PROBABILITIES = np.array([1e-9, 1e-3, 0.2, 0.5, 0.9, 0.9999])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def weibull(scale=1.2, shape=3.3):
    return WeibullThreshold(jnp.asarray(scale), jnp.asarray(shape))


def mixture():
    return WeibullMixtureThreshold(weibull(0.7, 9.0), weibull(1.3, 14.0), jnp.asarray(0.3))


def barrier(exponent=2.0, stability=40.0, critical=2.0):
    return ThermalBarrier(jnp.asarray(stability), jnp.asarray(critical), 1e-9, exponent)


# Built in the test, in double precision.
REFERENCES = {
    "weibull": stats.weibull_min(3.3, scale=1.2),
    "gumbel": stats.gumbel_l(1.1, 0.15),
    "lognormal": stats.lognorm(0.2, scale=1.1),
}
LAWS = {
    "weibull": weibull,
    "gumbel": lambda: GumbelThreshold(jnp.asarray(1.1), jnp.asarray(0.15)),
    "lognormal": lambda: LognormalThreshold(jnp.asarray(1.1), jnp.asarray(0.2)),
    "mixture": mixture,
    "thermal": lambda: barrier().ramped(1.0),
    "thermal 1.5": lambda: barrier(1.5).ramped(1.0),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_formulas(name):
    law, reference = LAWS[name](), REFERENCES[name]
    lower, upper = DRIVES, DRIVES + 0.01
    np.testing.assert_allclose(law.log_density(DRIVES), reference.logpdf(DRIVES), rtol=1e-10)
    np.testing.assert_allclose(law.log_below(DRIVES), reference.logcdf(DRIVES), rtol=1e-10)
    np.testing.assert_allclose(law.log_above(DRIVES), reference.logsf(DRIVES), rtol=1e-10, atol=1e-14)
    between = np.log(
        np.where(
            DRIVES < 1, reference.cdf(upper) - reference.cdf(lower), reference.sf(lower) - reference.sf(upper)
        )
    )
    np.testing.assert_allclose(law.log_between(lower, upper), between, rtol=1e-8)
    np.testing.assert_allclose(law.threshold_for(PROBABILITIES), reference.ppf(PROBABILITIES), rtol=1e-10)
    np.testing.assert_allclose(law.mean(), reference.mean(), rtol=1e-10)
    np.testing.assert_allclose(law.score(DRIVES), stats.norm.ppf(reference.cdf(DRIVES)), atol=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_density_is_the_derivative_of_the_distribution(name):
    law = LAWS[name]()
    drive = law.threshold_for(jnp.asarray(PROBABILITIES[1:]))
    slope = jax.vmap(jax.grad(lambda y: jnp.exp(law.log_below(y))))(drive)
    np.testing.assert_allclose(jnp.exp(law.log_density(drive)), slope, rtol=1e-7)


@pytest.mark.parametrize("name", LAWS)
def test_inverse(name):
    law = LAWS[name]()
    np.testing.assert_allclose(
        jnp.exp(law.log_below(law.threshold_for(PROBABILITIES))), PROBABILITIES, rtol=1e-8
    )
    np.testing.assert_allclose(jnp.exp(law.log_below(law.middle())), 0.5, rtol=1e-10)


@pytest.mark.parametrize("name", LAWS)
def test_simulated_thresholds_follow_the_law(name):
    law = LAWS[name]()
    drawn = np.asarray(law.sample(jax.random.key(3), (4000,)))
    assert stats.kstest(drawn, lambda y: np.exp(np.asarray(law.log_below(jnp.asarray(y))))).pvalue > 1e-3


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("rate", [0.02, 50.0])
def test_hazard_of_a_ramp_by_quadrature(exponent, rate):
    """Numbers of escapes from 1e-9 to beyond the critical drive."""
    law = barrier(exponent).ramped(rate)
    drive = np.array([0.05, 0.4, 1.0, 1.5, 1.9, 2.0])

    def hazard(volts):
        density = lambda v: np.exp(-40 * max(1 - v / 2.0, 0.0) ** exponent) / (rate * 1e-9)  # noqa: E731
        return integrate.quad(density, 0, volts, epsabs=0, epsrel=1e-11, limit=400)[0]

    exact = np.array([hazard(volts) for volts in drive])
    np.testing.assert_allclose(law.log_hazard(drive), np.log(exact), atol=1e-8)
    beyond = exact[-1] + 1e-8 / (rate * 1e-9)
    np.testing.assert_allclose(law.log_hazard(jnp.asarray(2.0 + 1e-8)), np.log(beyond), atol=1e-8)


def test_slow_ramps_agree_with_kurkijarvi_and_garg():
    """Most probable threshold and width of a high barrier, to leading order in 1/(barrier that remains)."""
    law = barrier(1.5, 400.0).ramped(1e-3)
    share = 1 - float(law.middle()) / 2.0
    remaining = 400 * share**1.5
    width = 2.0 * share / (1.5 * remaining)
    spread = np.asarray(law.threshold_for(jnp.asarray([0.1, 0.9])))
    gumbel = np.log(-np.log([0.9, 0.1]))
    np.testing.assert_allclose(np.diff(spread), width * np.diff(gumbel), rtol=0.06)
    np.testing.assert_allclose(remaining, np.log(width / (1e-3 * 1e-9) / np.log(2)), rtol=0.005)


def test_thresholds_rise_with_the_ramp_rate():
    """ln(rate) moves the threshold by the width of the distribution: s = V_c b/(nΔb^n) a factor of e."""
    slow, fast = (barrier().ramped(rate).middle() for rate in (1.0, np.e))
    share = 1 - float(slow) / 2.0
    np.testing.assert_allclose(fast - slow, 2.0 / (2 * 40 * share), rtol=0.1)


def test_derivative_of_the_inverse_is_that_of_the_law():
    """The solution by halving is differentiated through its Newton step."""
    probability = jnp.asarray(0.3)
    by_stability = jax.grad(lambda s: barrier(stability=s).ramped(1.0).threshold_for(probability))(40.0)
    step = 1e-4
    ends = [barrier(stability=40.0 + sign * step).ramped(1.0).threshold_for(probability) for sign in (1, -1)]
    np.testing.assert_allclose(by_stability, (ends[0] - ends[1]) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.5, float("nan"), float("inf")])
def test_barrier_that_falls_infinitely_fast_is_refused(exponent):
    with pytest.raises(CharzError, match="exponent of the barrier"):
        barrier(exponent).ramped(1.0)


BUILDERS = {
    "weibull": (2, lambda x: weibull(jnp.exp(x[0]), jnp.exp(x[1]))),
    "gumbel": (2, lambda x: GumbelThreshold(x[0], jnp.exp(x[1]))),
    "lognormal": (2, lambda x: LognormalThreshold(jnp.exp(x[0]), jnp.exp(x[1]))),
    "thermal": (2, lambda x: barrier(2.0, jnp.exp(x[0]), jnp.exp(x[1])).ramped(2.0)),
    "thermal 1.5": (2, lambda x: barrier(1.5, jnp.exp(x[0]), jnp.exp(x[1])).ramped(2.0)),
    "mixture": (
        5,
        lambda x: WeibullMixtureThreshold(
            weibull(jnp.exp(x[0]), jnp.exp(x[1])), weibull(jnp.exp(x[2]), jnp.exp(x[3])), jax.nn.sigmoid(x[4])
        ),
    ),
}


# The exponent 1.5 is the other ramp's code with another number, and takes 16 s to compile.
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "thermal 1.5" else ()) for n in BUILDERS]
)
def test_derivatives_are_finite_everywhere(name):
    """Value, gradient and Hessian of every log probability, for parameters over 200 decades."""
    number, build = BUILDERS[name]
    drive = jnp.asarray([1e-3, 0.5, 1.0, 1.5, 300.0])

    def total(point):
        law = build(point)
        parts = (law.log_density(drive), law.log_below(drive), law.log_above(drive), law.score(drive))
        return (sum(parts) + law.log_between(drive, 1.01 * drive)).sum()

    scales = np.repeat([1.0, 5.0, 30.0, 100.0], 25)[:, None]
    points = scales * np.random.default_rng(0).standard_normal((100, number))
    everything = jax.jit(jax.vmap(lambda x: (total(x), jax.grad(total)(x), jax.hessian(total)(x))))
    for array in everything(jnp.asarray(points)):
        assert np.isfinite(np.asarray(array)).all()


def test_scores_keep_their_digits_in_both_tails():
    score = np.array([-30.0, -9.0, -1.0, 0.0, 2.0, 12.0, 33.0])
    found = normal_score(jnp.asarray(stats.norm.logcdf(score)), jnp.asarray(stats.norm.logsf(score)))
    np.testing.assert_allclose(found, score, atol=1e-9)


@pytest.mark.parametrize("width", [1e-12, 1e-6, 1e-3, 1.0, 50.0])
def test_probability_between_two_scores(width):
    """Against the density integrated by its Taylor series where narrow, against both tails where wide."""
    low = np.array([-30.0, -4.0, -0.3, 2.0, 20.0])
    found = np.asarray(log_normal_between(jnp.asarray(low), jnp.asarray(low + width)))
    if width < 1e-2:
        width = (low + width) - low  # as rounded
        middle = low + width / 2
        exact = stats.norm.logpdf(middle) + np.log(width) + np.log1p(width**2 * (middle**2 - 1) / 24)
    else:
        ends = np.where(low > 0, stats.norm.logsf(low), stats.norm.logcdf(low + width))
        rest = np.where(low > 0, stats.norm.logsf(low + width), stats.norm.logcdf(low))
        exact = ends + np.log(-np.expm1(rest - ends))
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=2e-9)


# --- series --------------------------------------------------------------------------------------------------


def series(correlation=0.7, drift=0.0, chain_share=1.0):
    return SerialThreshold(weibull(), *map(jnp.asarray, (drift, correlation, chain_share)))


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_series_keeps_its_law_and_its_correlation(share):
    """Each cycle has the marginal law; scores k cycles apart correlate as qρ^k (standard error 1/√n)."""
    record = jnp.zeros(6)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(jax.vmap(lambda key: series(chain_share=share).sample(key, record))(keys))
    assert drawn.shape == (4000, 6)
    for cycle in (0, 5):
        assert stats.kstest(drawn[:, cycle], REFERENCES["weibull"].cdf).pvalue > 1e-3
    scores = np.asarray(weibull().score(jnp.asarray(drawn)))
    for lag in (1, 2, 4):
        assert abs(np.corrcoef(scores[:, 0], scores[:, lag])[0, 1] - share * 0.7**lag) < 4 / np.sqrt(4000)


def test_drift_multiplies_thresholds():
    """One key, one sequence of scores: with drift each cycle is larger by exp(drift × thousands of cycles)."""
    thousands = jnp.linspace(-0.5, 0.5, 11)
    flat, worn = (series(drift=drift).sample(jax.random.key(1), thousands) for drift in (0.0, 0.8))
    np.testing.assert_allclose(worn / flat, np.exp(0.8 * np.asarray(thousands)), rtol=1e-10)


@pytest.mark.parametrize("correlation", [0.0, 0.4, -0.4, 1.0])
def test_correlation_over_missing_cycles(correlation):
    """ρ^k, 0 where there is no earlier cycle; twice differentiable also at ρ = 0."""
    gaps = jnp.asarray([0, 1, 2, 3])
    device = series(correlation)
    np.testing.assert_allclose(
        device.over(gaps), [0.0, correlation, correlation**2, correlation**3], atol=1e-15
    )
    for order in (jax.jacfwd, lambda f: jax.jacfwd(jax.jacfwd(f))):
        assert np.isfinite(order(lambda r: series(r).over(gaps))(jnp.asarray(correlation))).all()


def test_leaves_with_axes_make_a_record_each():
    many = SerialThreshold(
        weibull(jnp.ones((3, 2)), jnp.full((3, 2), 5.0)),
        jnp.zeros((3, 2)),
        jnp.full((3, 2), 0.5),
        jnp.ones((3, 2)),
    )
    assert many.sample(jax.random.key(0), jnp.zeros(7)).shape == (3, 2, 7)
