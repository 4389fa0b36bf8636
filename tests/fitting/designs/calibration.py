"""Simulation-based calibration of any model from its design.

Rank statistics (Talts et al., arXiv:1804.06788): values are drawn from the prior, outcomes from the values, and the
rank of the truth among thinned posterior draws must be uniform; 90 % intervals must cover 90 %. Prior and outcomes
are drawn by NumPy (`prior_draws`, `Model.replicate`): neither shares code with the sampler's model.
"""

import dataclasses
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from design_contract import Design
from scipy import stats

from charz.fitting.contract import Model, Observations
from charz.fitting.population import population_names
from charz.fitting.predictive import prior_draws, replicates
from charz.fitting.registry import family_of, find_model
from charz.fitting.sampling import Plan, prepare, sample

NUM_RANKS = 100  # a rank lies in 0..99 after thinning to 99 draws
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Replication:
    """Truth and posterior of one simulated measurement, (draws, truth) by name; devices along the last axis."""

    truth: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    divergences: int

    def covered(self, name: str) -> np.ndarray:
        low, high = np.quantile(self.draws[name], (0.05, 0.95), axis=0)
        return np.atleast_1d((low <= self.truth[name]) & (self.truth[name] <= high))

    def rank(self, name: str) -> int:
        """Rank of the first device's truth, so that replications are independent."""
        draws = self.draws[name].reshape(len(self.draws[name]), -1)[:, 0]
        thinned = draws[np.linspace(0, len(draws) - 1, NUM_RANKS - 1).astype(int)]
        return int(np.sum(thinned < np.atleast_1d(self.truth[name])[0]))


def with_outcomes(observations: Observations, outcomes: dict[str, np.ndarray]) -> Observations:
    """Replace what was measured by simulated outcomes; padding keeps its stand-in."""
    arrays = dict(observations.arrays)
    for name, array in outcomes.items():
        arrays[name] = np.where(observations.measured, array, observations.arrays[name]).astype(np.float64)
    return dataclasses.replace(observations, arrays=arrays)


def names_of(model: Model, pool: str) -> list[str]:
    """Free parameters and populations: what is calibrated."""
    return [*population_names(model, pool), *(p.name for p in model.free)]


def replications(
    model_name: str, design: Design, number: int, plan: Plan | None = None
) -> Iterator[Replication]:
    model, family = find_model(model_name), family_of(model_name)
    observations = family.observe(design.dataset)
    plan = plan or Plan(design.draws, design.warmup, chains=2, second_attempt=False)
    for seed in range(number):
        generator = np.random.default_rng([zlib.crc32(model_name.encode()), seed])
        with jax.enable_x64(True):
            drawn = prior_draws(generator, model, design.priors, design.pool, 1, len(observations.devices))
            populations = population_names(model, design.pool)
            values = {n: v[None] for n, v in drawn.items() if n not in populations}
            outcomes = replicates(generator, model, values, observations)
            simulated = with_outcomes(observations, {n: a[0, 0] for n, a in outcomes.items()})
            prepared = prepare(model, simulated, design.pool, design.priors)
            result = sample(jax.random.key(seed), prepared, plan)
        draws = {
            n: v.reshape(-1, *v.shape[2:])
            for n, v in result.values.items()
            if n in names_of(model, design.pool)
        }
        yield Replication({n: np.asarray(drawn[n][0]) for n in draws}, draws, result.convergence.divergences)


@dataclass(frozen=True)
class Row:
    """Calibration of one parameter; of devices the first, so that replications are independent."""

    name: str
    coverage: float
    all_devices: float
    p_uniform: float


def judge(found: list[Replication], num_bins: int) -> list[Row]:
    rows = []
    for name in found[0].draws:
        covered = [one.covered(name) for one in found]
        ranks = np.array([one.rank(name) for one in found])
        histogram = np.bincount(ranks * num_bins // NUM_RANKS, minlength=num_bins)
        p_value = float(stats.chisquare(histogram).pvalue)
        rows.append(Row(name, float(np.mean([c[0] for c in covered])), float(np.mean(covered)), p_value))
    return rows


def coverage_range(num: int, num_rows: int = 1) -> tuple[float, float]:
    """Central range of the share of `num` intervals that cover at a true rate of 90 %.

    It holds each of `num_rows` shares; all together with probability 99 % (Bonferroni).
    """
    low, high = stats.binom.interval(1 - (1 - CONFIDENCE) / num_rows, num, 0.9)
    return low / num, high / num
