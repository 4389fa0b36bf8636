"""A part that stands in for a long record: exact where it is tied, within its standard error elsewhere."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_telegraph import INTERVAL, dataset_of, states

from charz.fitting import anchors, laplace
from charz.fitting.density import Density
from charz.fitting.modes import find_modes
from charz.fitting.population import default_priors
from charz.fitting.priors import constants_of, families_of
from charz.fitting.run import fit
from charz.fitting.stand_in import StandIn, standard_error
from charz.fitting.telegraph import FAMILY
from charz.fitting.telegraph.condensed import PART_SAMPLES, SEGMENT_SAMPLES

MODELS = {model.name: model for model in FAMILY.models}
SIZE = 2 * PART_SAMPLES + 40_000
TWO = {"low": 0.0, "separation": 1.0, "rate_up": 0.03 / INTERVAL, "rate_down": 0.05 / INTERVAL}


def trace(seed, noise, size=SIZE):
    generator = np.random.default_rng(seed)
    return states(generator, 0.03, 0.05, size) + noise * generator.standard_normal(size)


def three_levels(seed):
    generator = np.random.default_rng(seed)
    return trace(seed, 0.2) + 1.5 * states(generator, 0.01, 0.02, SIZE) * states(generator, 0.02, 0.02, SIZE)


def ragged():
    """Two records, one with a gap and the other ending early."""
    both = np.stack([trace(1, 0.3), trace(2, 0.3)])
    both[0, 5000:9000] = np.nan
    both[1, 60_000:] = np.nan
    return both


def truth(name, noise):
    values = {**TWO, "noise": noise}
    if name == "two-state-drift":
        values["drift"] = 0.02
    if name == "three-state":
        values |= {"lower_separation": 1.0, "upper_separation": 1.5}
        values |= {f"rate_{way}": 10.0 for way in ("01", "02", "10", "12", "20", "21")}
    return {p.name: values[p.name] for p in MODELS[name].free}


class Pair:
    """The log posterior of whole records and of their stand-in tied at an anchor, one unit a device."""

    def __init__(self, name, signal, noise):
        self.model = MODELS[name]
        self.observations = FAMILY.observe(dataset_of(np.atleast_2d(signal)))
        priors = default_priors(self.model, self.observations, "none")
        values = {n: jnp.full(len(self.observations.devices), v) for n, v in truth(name, noise).items()}
        linked = [p.link.forward(values[p.name]) for p in self.model.free]
        self.anchor = np.stack(linked, -1).astype(float)
        part = self.model.subsample(self.observations)
        num_devices = len(self.observations.devices)
        self.stand_in = part.anchored(anchors.natural_values(self.model, self.anchor, num_devices))
        self.whole, self.part = (
            Density(self.model, families_of(priors), "none", o.arrays, constants_of(priors), with_terms=t)
            for o, t in ((self.observations, False), (self.stand_in, True))
        )
        self.priors = {p.linked_name: priors[p.linked_name] for p in self.model.free}

    def expand(self, density, eta):
        steps = np.full_like(eta, 1e-5)
        return anchors.expansion(density, self.priors, eta, steps)


CASES = {
    "well apart": ("two-state", lambda: trace(0, 0.15), 0.15),
    "overlapping": ("two-state", lambda: trace(0, 0.5), 0.5),
    "drifting, ragged, with a gap": ("two-state-drift", ragged, 0.3),
    "three levels": ("three-state", lambda: three_levels(4), 0.2),
}


FURTHER = ("drifting, ragged, with a gap", "three levels")
ALL = [pytest.param(case, marks=pytest.mark.slow) if case in FURTHER else case for case in CASES]


@lru_cache
def pair_of(case):
    name, signal, noise = CASES[case]
    with jax.enable_x64(True):
        return Pair(name, signal(), noise)


@pytest.mark.parametrize("case", ALL)
def test_a_stand_in_is_exact_where_it_is_tied(case):
    """Value and gradient, the latter in standard deviations of the posterior."""
    pair = pair_of(case)
    with jax.enable_x64(True):
        value, gradient, curvature, _ = pair.expand(pair.part, pair.anchor)
        exact = pair.expand(pair.whole, pair.anchor)
    np.testing.assert_allclose(value, exact[0], rtol=1e-11)
    sd = 1 / np.sqrt(np.abs(np.diagonal(curvature, axis1=1, axis2=2)))
    np.testing.assert_allclose(sd * gradient, sd * exact[1], atol=2e-3)


@pytest.mark.parametrize("case", ALL)
def test_away_from_the_tie_the_error_is_what_the_segments_say(case):
    """Ten points some standard deviations away, within 4.5 standard errors (t, 63 degrees of freedom)."""
    pair = pair_of(case)
    generator = np.random.default_rng(5)
    with jax.enable_x64(True):
        curvature = pair.expand(pair.part, pair.anchor)[2]
        sd = 1 / np.sqrt(np.abs(np.diagonal(curvature, axis1=1, axis2=2)))
        away = pair.anchor + 1.5 * sd * generator.standard_normal((10, *sd.shape))
        points = np.concatenate([pair.anchor[None], away])
        values, terms = pair.part(points)
        exact = pair.whole(points)[0]
    error = standard_error(terms[1:], terms[0])
    assert np.all(np.abs(values - exact)[1:] < 4.5 * error + 1e-4)
    assert np.quantile(error, 0.9) < 0.2


def test_levels_that_are_told_apart_leave_nothing_to_the_segments():
    """At thirteen standard deviations the path is known: no error ten and more sd away."""
    with jax.enable_x64(True):
        pair = Pair("two-state", trace(3, 1 / 13), 1 / 13)
        away = pair.anchor + np.array([2e-3, 3e-3, 1e-2, 0.1, -0.1])
        points = np.stack([pair.anchor, away])
        values, terms = pair.part(points)
        exact = pair.whole(points)[0]
    assert exact[0] - exact[1] > 50
    assert abs((values - exact)[1]) < 1e-6
    assert standard_error(terms[1:], terms[0]) < 1e-6


def test_short_records_have_no_stand_in():
    with jax.enable_x64(True):
        short = FAMILY.observe(dataset_of(trace(0, 0.2, 2 * PART_SAMPLES)[None]))
        assert not isinstance(MODELS["two-state"].subsample(short), StandIn)
        early = np.stack([trace(0, 0.2), trace(1, 0.2)])
        early[1, SEGMENT_SAMPLES - 1 :] = np.nan
        assert not isinstance(MODELS["two-state"].subsample(FAMILY.observe(dataset_of(early))), StandIn)


@pytest.fixture(scope="module")
def long_dataset():
    return dataset_of(trace(7, 0.3)[None])


def test_the_peak_is_that_of_the_whole_record(long_dataset):
    """The exact gradient at the peak is nothing in standard deviations, and the curvature is the exact one."""
    model, observations = MODELS["two-state"], FAMILY.observe(long_dataset)
    priors = default_priors(model, observations, "complete")
    with jax.enable_x64(True):
        modes = find_modes(model, priors, observations, "complete")
        density = Density(model, families_of(priors), "complete", observations.arrays, constants_of(priors))
        sd = np.sqrt(np.diagonal(modes.covariance, axis1=1, axis2=2))
        _, gradient, curvature, _ = anchors.expansion(density, priors, modes.mode, 0.1 * sd)
    assert isinstance(modes.stand_in, StandIn)
    assert (
        np.sqrt(np.einsum("ui,uij,uj->u", gradient, modes.covariance, gradient)) < 2 * anchors.LARGEST_SHIFT
    )
    # Of the second derivatives what the noise hides comes from an estimate: some per cent at the very most.
    np.testing.assert_allclose(np.linalg.inv(curvature)[0].diagonal(), sd[0] ** 2, rtol=0.03)


def fitted(dataset):
    return fit(dataset, "two-state", key=jax.random.key(8), pool="complete", method="laplace")


def test_a_long_fit_says_how_it_was_done(long_dataset):
    posterior = fitted(long_dataset)
    assert "of them for what is beyond it: standard error" in posterior.tree.attrs["remarks"]
    assert posterior.converged


@pytest.mark.slow
def test_a_long_fit_agrees_with_exact_weights(monkeypatch, long_dataset):
    """Means of 600 and of 260 proposals: their difference has a standard error of 0.08 standard deviations."""
    one = fitted(long_dataset).law_draws()
    monkeypatch.setattr(laplace, "LARGEST_ERROR", -1.0)
    posterior = fitted(long_dataset)
    assert "too large, each proposal was evaluated on all samples" in posterior.tree.attrs["remarks"]
    other = posterior.law_draws()
    for name in ("low", "separation", "noise", "rate_up", "rate_down"):
        assert abs(one[name].mean() - other[name].mean()) < 0.35 * other[name].std()
        assert one[name].std() == pytest.approx(other[name].std(), rel=0.25)


@pytest.mark.slow
def test_without_a_tie_near_enough_the_whole_record_is_climbed(monkeypatch):
    monkeypatch.setattr(anchors, "LARGEST_SHIFT", -1.0)
    monkeypatch.setattr(anchors, "MAX_TIES", 1)
    model, observations = MODELS["two-state"], FAMILY.observe(dataset_of(trace(9, 0.15)[None]))
    priors = default_priors(model, observations, "complete")
    with jax.enable_x64(True):
        modes = find_modes(model, priors, observations, "complete")
    assert modes.stand_in is None
    # 1/dwell of a chain sampled at flips of 0.03 and 0.05: -ln(1 - 0.08) 0.03/0.08 per sample.
    rate = -np.log1p(-0.08) * 0.03 / 0.08 / INTERVAL
    assert np.exp(modes.mode[0, 3]) == pytest.approx(rate, rel=4.5 / np.sqrt(0.01875 * SIZE))


@pytest.mark.parametrize("num_chains", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [1000, 10**6, 10**8])
def test_leave_one_out_has_draws_enough_for_a_tail(num_chains, size):
    """Pareto smoothing takes 25 draws at least."""
    assert num_chains * len(laplace.kept_draws(num_chains, 1000, size)) >= 25
