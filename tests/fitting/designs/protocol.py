"""What every model must do, as plain functions; each family's test file runs them over its own models.

One file a family, so that families are spread over the processes of a test run.
"""

import jax
import numpy as np
from calibration import Plan, coverage_range, judge, names_of, replications
from design_contract import Design, Wrong
from designs import DESIGNS

from charz.fitting import Posterior, check, compare, fit, load_posterior
from charz.fitting.population import default_priors, population_names
from charz.fitting.predictive import prior_draws, replicates
from charz.fitting.registry import family_of, find_model

NUM_QUICK = 8
# Families of which one wrong model is tested by default, the quickest ones; the others, each a fit, are slow tests.
QUICK_WRONG = ("pulse_switching",)
# Fitted in the default suite: one model a family; compiling all of them takes a quarter of an hour, so the others'
# fits are slow tests. Completeness, finite and calibrated likelihoods are tested for every model.
FITTED_BY_DEFAULT = ("logistic", "weibull-drift", "two-state", "soft-bounds", "log-drift")


# Calibrated by whole fits in the default suite: a hierarchy, and latent variables. The likelihood of every model is
# calibrated there without a sampler (`conditional`), and by 200 whole fits in the slow run.
CALIBRATED_BY_DEFAULT = ("logistic", "soft-bounds-read")

QUICK = Plan(200, 300, chains=2, second_attempt=False)


def design_of(name: str) -> Design:
    return DESIGNS[family_of(name).experiment][name]


def check_model_is_complete(name: str) -> None:
    """Names, units, priors, candidates and links of a model fit together."""
    model, design = find_model(name), design_of(name)
    observations = family_of(name).observe(design.dataset)
    priors = default_priors(model, observations, "hierarchical")
    assert {p.linked_name for p in model.free} <= set(priors)
    assert set(design.priors) == set(default_priors(model, observations, design.pool))
    candidates = model.candidates(observations)
    assert set(candidates) >= {p.name for p in model.free}
    with jax.enable_x64(True):
        for parameter in model.free:
            value = np.asarray(candidates[parameter.name], float)
            back = parameter.link.inverse(parameter.link.forward(jax.numpy.asarray(value)))
            assert np.all(np.isfinite(value))
            np.testing.assert_allclose(np.asarray(back), value, rtol=1e-6, atol=1e-12)
            assert observations.unit_of(parameter)


def check_likelihood_is_finite(name: str) -> None:
    """Value and gradient of the log likelihood are finite wherever the prior can go."""
    model, design = find_model(name), design_of(name)
    observations = family_of(name).observe(design.dataset)
    names = [p.linked_name for p in model.free]
    generator = np.random.default_rng(7)
    with jax.enable_x64(True):
        priors = default_priors(model, observations, "none")
        eta = np.stack([priors[n].draw(generator, (64,)) for n in names], axis=-1)
        eta = np.concatenate([eta, eta * 3.0])
        arrays = {n: jax.numpy.asarray(a[0], float) for n, a in observations.arrays.items()}
        blanks = {n: jax.numpy.zeros(m[0].shape) for n, m in model.latents(observations).items()}

        def total(point):
            values = model.values_from_linked(dict(zip(names, point, strict=True)))
            return model.log_likelihood({**values, **blanks}, arrays).sum()

        value, slope = jax.jit(jax.vmap(jax.value_and_grad(total)))(eta)
    assert np.isfinite(np.asarray(value)).all()
    assert np.isfinite(np.asarray(slope)).all()


def simulated_dataset_fit(name: str, seed: int = 3, **options) -> tuple[Posterior, dict[str, np.ndarray]]:
    """Fit of outcomes simulated from the design's prior, and the truth."""
    model, family, design = find_model(name), family_of(name), design_of(name)
    observations = family.observe(design.dataset)
    generator = np.random.default_rng(seed)
    with jax.enable_x64(True):
        drawn = prior_draws(generator, model, design.priors, design.pool, 1, len(observations.devices))
        populations = population_names(model, design.pool)
        values = {n: v[None] for n, v in drawn.items() if n not in populations}
        outcomes = replicates(generator, model, values, observations)
    dataset = dataset_with(design, {n: a[0, 0] for n, a in outcomes.items()})
    posterior = fit(
        dataset,
        name,
        key=jax.random.key(seed),
        pool=design.pool,
        priors=design.priors,
        draws=QUICK.draws,
        warmup=QUICK.warmup,
        chains=QUICK.chains,
        **options,
    )
    return posterior, {n: v[0] for n, v in drawn.items()}


def dataset_with(design: Design, outcomes: dict[str, np.ndarray]):
    """The design's dataset with other outcomes, where the dataset holds them under the same names."""
    dataset = design.dataset.copy(deep=True)
    for name, array in outcomes.items():
        template = dataset[name]
        values = np.where(np.isfinite(array), array, np.nan) if template.dtype.kind == "f" else array
        dataset[name] = template.copy(data=values.astype(template.dtype))
    return dataset


def check_fit_round_trip(name: str, folder) -> None:
    """Fit, save, load: the same numbers, devices, checks and leave-one-out terms; truth not absurdly far away."""
    posterior, truth = simulated_dataset_fit(name)
    model, pool = posterior.fit_model, posterior.pool
    shown = posterior.tree["posterior"]
    for parameter in (name for name in names_of(model, pool) if name in shown):
        draws = posterior.tree["posterior"][parameter].to_numpy()
        draws = draws.reshape(draws.shape[0] * draws.shape[1], -1)  # chains may have been extended
        off = np.abs(draws.mean(0) - np.atleast_1d(truth[parameter])) / draws.std(0)
        assert np.all(off < 8), (parameter, off)
    posterior.save(folder / "p.nc")
    loaded = load_posterior(folder / "p.nc")
    assert loaded.summary()["parameters"].keys() == posterior.summary()["parameters"].keys()
    mine, theirs = posterior.observations(), loaded.observations()
    assert mine.devices == theirs.devices
    for array in mine.arrays:
        np.testing.assert_array_equal(mine.arrays[array], theirs.arrays[array])
    results = {one.name: one for one in check(loaded)}
    assert results
    assert all(np.isfinite(one.p_value) and 0 < one.p_value <= 1 for one in results.values())
    devices = loaded.new_devices(jax.random.key(0), 5, (4, 3))
    if hasattr(devices, "for_width"):  # measured at several pulse widths: the user says which one is meant
        devices = devices.for_width(1e-6)
    leaves = jax.tree.leaves(devices)
    assert leaves
    assert all(leaf.shape[:3] == (5, 4, 3) for leaf in leaves if leaf.ndim >= 3)
    assert not any(np.isnan(np.asarray(leaf)).any() for leaf in leaves)
    assert jax.tree.leaves(loaded.devices(jax.random.key(1), 6))
    units = loaded.units()
    assert all(units[p.name] == mine.unit_of(p) for p in model.free if p.name in units)
    family = loaded.family
    family.plot(family.curves(loaded, jax.random.key(0)), folder / "p.png", "title")
    assert (folder / "p.png").stat().st_size > 5_000


def check_quick_calibration(name: str) -> None:
    """A few replications: coverage and ranks, at a level that a sound model misses once in 10,000 runs."""
    found = list(replications(name, design_of(name), NUM_QUICK, QUICK))
    rows = judge(found, 2)
    for row in rows:
        # P(fewer than 3 of 8 cover) is 2e-5 a row at a true rate of 90 %.
        assert row.coverage >= 3 / NUM_QUICK, row
    ranks = np.array([[one.rank(row.name) for row in rows] for one in found])
    # Mean rank over replications and parameters, each uniform on 0..99, positively correlated at worst.
    spread = 100 / np.sqrt(12 * NUM_QUICK)
    assert abs(ranks.mean() - 49.5) < 3.9 * spread, ranks.mean()


def check_slow_calibration(name: str, number: int = 200) -> tuple[list, list]:
    """Full calibration; the level holds for all rows of a model together (Bonferroni), fixed before any run."""
    design = design_of(name)
    found = list(replications(name, design, number))
    return judge(found, 20), found


def assert_calibrated(rows: list, number: int) -> None:
    low, high = coverage_range(number, len(rows))
    for row in rows:
        assert low <= row.coverage <= high, row
        assert row.p_uniform > 0.01 / len(rows), row


def check_wrong_model(wrong: Wrong) -> None:
    """A check fails that was named before."""
    posterior = _fit_wrong(wrong, wrong.model)
    results = {one.name: one for one in check(posterior)}
    failed = [name for name in wrong.fails if not results[name].passed]
    assert failed, {name: results[name] for name in wrong.fails}


def check_better_model_wins(wrong: Wrong) -> None:
    """The model without the violated assumption predicts better, by more than four standard errors."""
    fits = {
        name: _fit_wrong(wrong, model) for name, model in (("wrong", wrong.model), ("better", wrong.better))
    }
    ranking = compare(fits)
    assert ranking[0].name == "better", ranking
    assert ranking[1].difference > 4 * ranking[1].se, ranking[1]


def _fit_wrong(wrong: Wrong, model: str) -> Posterior:
    options = {"pool": wrong.pool, "draws": 300, "warmup": 300, "chains": 2}
    return fit(wrong.dataset, model, key=jax.random.key(11), **options)
