"""Identified, bounded or neither: thresholds calibrated on posteriors that are known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit

from charz.fitting.contract import IDENTITY, LOG, LOGIT, FreeParameter
from charz.fitting.identification import identification, identify

PLAIN = FreeParameter("shift", IDENTITY, "V", "a shift")
TIME = FreeParameter("tau", LOG, "s", "a time")
SHARE = FreeParameter("floor", LOGIT, "1", "a share")
NUM_DRAWS, NUM_PRIOR_DRAWS, REPEATS = 1000, 500, 400
# 95 % of 400 repeats, less three standard errors.
ENOUGH = 0.95 * REPEATS - 3 * np.sqrt(REPEATS * 0.95 * 0.05)


def normal_posteriors(error, seed=0, sd=2.0):
    """Posterior and prior draws of a normal mean with a normal prior, truths drawn from the prior."""
    generator = np.random.default_rng(seed)
    for _ in range(REPEATS):
        seen = generator.normal(0, sd) + generator.normal(0, error)
        variance = 1 / (1 / sd**2 + 1 / error**2)
        draws = generator.normal(variance * seen / error**2, np.sqrt(variance), NUM_DRAWS)
        yield draws, generator.normal(0, sd, NUM_PRIOR_DRAWS)


def verdicts(parameter, pairs):
    return [identify(parameter.name, parameter, parameter.unit, *pair) for pair in pairs]


@pytest.mark.parametrize("parameter", [PLAIN, TIME], ids=["plain", "log"])
def test_data_that_identify_are_said_to(parameter):
    """An error of a quarter of the prior's standard deviation, or less, is a number."""
    for error in (0.02, 0.5):
        said = verdicts(parameter, normal_posteriors(error))
        assert sum(one.identified for one in said) >= ENOUGH
        assert np.mean([one.contraction for one in said]) > 0.9


def test_flat_data_are_said_not_to():
    """Data whose error is three times the prior's standard deviation, or infinite, say nothing."""
    for error in (6.0, 1e6):
        said = verdicts(PLAIN, normal_posteriors(error))
        assert sum(not one.identified for one in said) >= ENOUGH
        words = "not identified: the posterior is about as wide as the prior"
        assert sum(one.statement == words for one in said) >= ENOUGH


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_data_that_bound_one_side_give_that_bound(side):
    """A likelihood that is flat beyond an edge: the truth lies on the flat side."""
    generator = np.random.default_rng(3)
    sign, right = (1 if side == "lower" else -1), 0
    for _ in range(REPEATS):
        edge = generator.normal(0, 1)
        pool = generator.normal(0, 2, 40 * NUM_DRAWS)
        draws = pool[generator.random(pool.size) < expit(sign * (pool - edge) / 0.2)][:NUM_DRAWS]
        one = identify("tau", TIME, "s", draws, generator.normal(0, 2, NUM_PRIOR_DRAWS))
        quantile = np.exp(np.quantile(draws, 0.05 if side == "lower" else 0.95))
        mark = ">" if side == "lower" else "<"
        right += one.statement == f"only a {side} bound: tau {mark} {quantile:.3g} s (95 %)".replace(
            "a upper", "an upper"
        )
        assert not one.identified
    assert right >= ENOUGH


def test_a_share_of_which_nothing_was_seen_has_an_upper_bound():
    """No event in 1000 trials under a Beta(1, 20) prior: the posterior is Beta(1, 1020)."""
    generator = np.random.default_rng(4)
    draws, prior = logit(generator.beta(1, 1020, 4000)), logit(generator.beta(1, 20, 500))
    one = identify("floor", SHARE, "1", draws, prior)
    assert not one.identified
    assert one.statement.startswith("only an upper bound: floor < 0.00")
    many = identify("floor", SHARE, "1", logit(generator.beta(51, 970, 4000)), prior)
    assert many.identified
    assert many.statement.startswith("floor = 0.04")


def test_a_number_known_within_decades_is_none():
    """The prior is wide enough to be narrowed, and still nothing is known."""
    generator = np.random.default_rng(5)
    prior = generator.normal(0, 10, 500)
    wide = identify("tau", TIME, "s", generator.normal(0, 2, 4000), prior)
    assert not wide.identified
    assert "spans a factor of" in wide.statement
    assert identify("tau", TIME, "s", generator.normal(0, 0.8, 4000), prior).identified
    # On a scale without decades the width is no reason.
    assert identify("shift", PLAIN, "V", generator.normal(0, 2, 4000), prior).identified


def test_a_sharp_posterior_far_from_the_prior_is_a_number():
    generator = np.random.default_rng(6)
    prior = generator.normal(0, 1, 500)
    for distance in (6.0, 60.0):
        draws = generator.normal(distance, 1e-3, 1000)
        assert identify("shift", PLAIN, "V", draws, prior).identified


@pytest.fixture
def make_posterior():
    def make(pool, after, before):
        dims = ("chain", "draw", "device")
        groups = {
            group: xr.Dataset({n: (dims[: v.ndim], v) for n, v in values.items()})
            for group, values in (("posterior", after), ("prior", before))
        }
        return SimpleNamespace(
            tree=xr.DataTree.from_dict(groups),
            fit_model=SimpleNamespace(free=(TIME, SHARE)),
            pool=pool,
            device_names=["a", "b"],
            units=lambda: {"tau": "s", "floor": "1"},
        )

    return make


def test_each_pooling_has_its_names(make_posterior):
    generator = np.random.default_rng(7)
    prior = {
        "tau": np.exp(generator.normal(0, 2, (1, 500))),
        "floor": expit(generator.normal(-3, 1, (1, 500))),
    }
    after = {
        "tau": np.exp(generator.normal(1, 0.01, (2, 500))),
        "floor": expit(generator.normal(-3, 1, (2, 500))),
    }
    said = identification(make_posterior("complete", after, prior))
    assert {name: one.identified for name, one in said.items()} == {"tau": True, "floor": False}
    assert said["tau"].statement.startswith("tau = 2.7")
    assert said["tau"].as_dict()["identified"] is True

    each = {name: np.stack([values, values], axis=-1) for name, values in after.items()}
    each["tau"][..., 1] = np.exp(generator.normal(0, 2, (2, 500)))
    both = {name: np.stack([values, values], axis=-1) for name, values in prior.items()}
    said = identification(make_posterior("none", each, both))
    assert list(said) == ["tau[a]", "tau[b]", "floor[a]", "floor[b]"]
    assert [said[name].identified for name in ("tau[a]", "tau[b]")] == [True, False]

    # In a hierarchy the population's centre is judged; what devices share stands beside it.
    mixed = {"log_tau_mean": np.log(after["tau"]), "tau": each["tau"], "floor": after["floor"]}
    known = {"log_tau_mean": np.log(prior["tau"]), "tau": both["tau"], "floor": prior["floor"]}
    said = identification(make_posterior("hierarchical", mixed, known))
    assert {name: one.identified for name, one in said.items()} == {"tau": True, "floor": False}
