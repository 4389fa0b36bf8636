"""Are the intervals what they say? Simulation-based calibration and recovery of a known population.

Rank statistics (Talts et al., arXiv:1804.06788): parameters are drawn from the prior, counts from the parameters,
and the rank of the truth among thinned posterior draws must be uniform. An informative prior is used, because
wires from the default one would mostly lie outside the sweep. The prior is drawn by NumPy, the counts by NumPy:
neither shares code with the sampler's model.

Recovery: wires are drawn anew from one true population in each replication (the published mean wire and a spread
of our choice), fitted with the default priors. The table in ``tests/results/calibration.md`` is made by

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/test_calibration.py
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

from charz.fitting.models import find_model
from charz.fitting.observations import SwitchingCounts
from charz.fitting.predictive import prior_draws
from charz.fitting.priors import Prior, default_priors
from charz.fitting.sampling import Plan, prepare, sample

RESULTS = Path(__file__).resolve().parents[1] / "results" / "calibration.md"
CENTRE, NUM_TRIALS = 4.63168, 100
SBC_PRIORS = {
    "location": Prior("normal", (CENTRE, 0.3), "arb"),
    "log_width": Prior("normal", (float(np.log(1 / 2.72741)), 0.2), "ln(arb)"),
    "logit_floor": Prior("logit-beta", (3.0, 90.0)),
    "location_sd": Prior("half-normal", (0.3,), "arb"),
    "log_width_sd": Prior("half-normal", (0.2,)),
    "logit_floor_sd": Prior("half-normal", (0.6,)),
}
NUM_RANKS = 100  # a rank lies in 0..99 after thinning to 99 draws


@dataclass(frozen=True)
class Scale:
    """How much is simulated: quick in the default suite, large in the slow one."""

    replications: int
    num_devices: int
    num_settings: int
    num_bins: int
    plan: Plan


# The shape and the settings of the other tests' fits, so that nothing is compiled for it.
QUICK = Scale(20, 8, 11, 4, Plan(draws=200, second_attempt=False))
SLOW = Scale(200, 24, 13, 20, Plan(draws=500, warmup=400, chains=2, second_attempt=False))


@dataclass(frozen=True)
class Replication:
    """Truth and posterior of one simulated measurement: (draws, truth) by name; devices along the last axis."""

    truth: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    divergences: int

    def covered(self, name: str) -> np.ndarray:
        low, high = np.quantile(self.draws[name], (0.05, 0.95), axis=0)
        return (low <= self.truth[name]) & (self.truth[name] <= high)

    def rank(self, name: str) -> np.ndarray:
        draws = self.draws[name]
        thinned = draws[np.linspace(0, len(draws) - 1, NUM_RANKS - 1).astype(int)]
        return np.sum(thinned < self.truth[name], axis=0)


def counts_of(generator, values, scale) -> SwitchingCounts:
    amplitude = np.linspace(CENTRE - 2, CENTRE + 2, scale.num_settings)
    location, width, floor = (values[name][:, None] for name in ("location", "width", "floor"))
    probability = floor + (1 - floor) / (1 + np.exp(-(amplitude - location) / width))
    return SwitchingCounts(
        amplitude=np.broadcast_to(amplitude, probability.shape).copy(),
        num_trials=np.full(probability.shape, float(NUM_TRIALS)),
        num_switched=generator.binomial(NUM_TRIALS, probability).astype(float),
        devices=tuple(f"w{i}" for i in range(scale.num_devices)),
        unit="arb",
    )


def fitted(seed, truth, counts, priors, plan) -> Replication:
    with jax.enable_x64(True):
        prepared = prepare(find_model("logistic"), counts, "hierarchical", priors)
        result = sample(jax.random.key(seed), prepared, plan)
    draws = {name: value.reshape(-1, *value.shape[2:]) for name, value in result.values.items()}
    return Replication(
        {name: np.asarray(truth[name]) for name in draws}, draws, result.convergence.divergences
    )


def from_the_prior(scale: Scale) -> Iterator[Replication]:
    model = find_model("logistic")
    for seed in range(scale.replications):
        generator = np.random.default_rng([1, seed])
        drawn = prior_draws(generator, model, SBC_PRIORS, "hierarchical", 1, scale.num_devices)
        truth = {name: value[0] for name, value in drawn.items()}
        yield fitted(seed, truth, counts_of(generator, truth, scale), SBC_PRIORS, scale.plan)


def from_one_population(scale: Scale, population: dict[str, float]) -> Iterator[Replication]:
    model = find_model("logistic")
    for seed in range(scale.replications):
        generator = np.random.default_rng([2, seed])
        linked = {
            p.linked_name: generator.normal(
                population[f"{p.linked_name}_mean"], population[f"{p.linked_name}_sd"], scale.num_devices
            )
            for p in model.free
        }
        truth = {**population, **{n: np.asarray(v) for n, v in model.values_from_linked(linked).items()}}
        counts = counts_of(generator, truth, scale)
        yield fitted(seed, truth, counts, default_priors(model, counts, "hierarchical"), scale.plan)


@dataclass(frozen=True)
class Row:
    """Calibration of one parameter; of the devices, the first, so that replications are independent."""

    name: str
    coverage: float
    all_devices: float
    p_uniform: float


def judge(replications: list[Replication], num_bins: int) -> list[Row]:
    rows = []
    for name in replications[0].draws:
        covered = np.array([np.atleast_1d(r.covered(name)) for r in replications])
        ranks = np.array([np.atleast_1d(r.rank(name))[0] for r in replications])
        histogram = np.bincount(ranks * num_bins // NUM_RANKS, minlength=num_bins)
        rows.append(Row(name, covered[:, 0].mean(), covered.mean(), float(stats.chisquare(histogram).pvalue)))
    return rows


def binomial_range(num: int) -> tuple[float, float]:
    """Central 99 % range of the share of `num` intervals that cover at a true rate of 90 %."""
    low, high = stats.binom.interval(0.99, num, 0.9)
    return low / num, high / num


def table(title: str, rows: list[Row], replications: list[Replication], with_ranks: bool) -> str:
    low, high = binomial_range(len(replications))
    diverged = sum(r.divergences > 0 for r in replications)
    lines = [
        f"## {title}",
        "",
        f"{len(replications)} replications; binomial 99 % range of the coverage: {low:.3f} to {high:.3f}."
        f" Fits with a divergence (none was left out or repeated): {diverged}.",
        "",
        "| parameter | coverage of the 90 % interval | over all devices |"
        + (" rank χ² p |" if with_ranks else ""),
        "|---|---|---|" + ("---|" if with_ranks else ""),
    ]
    for row in rows:
        everywhere = f"{row.all_devices:.3f}" if row.name in ("location", "width", "floor") else ""
        ranks = f" {row.p_uniform:.3f} |" if with_ranks else ""
        lines.append(f"| {row.name} | {row.coverage:.3f} | {everywhere} |{ranks}")
    return "\n".join(lines) + "\n"


def test_quick_ranks_and_coverage():
    replications = list(from_the_prior(QUICK))
    low, high = binomial_range(QUICK.replications)
    for row in judge(replications, QUICK.num_bins):
        assert low <= row.coverage <= high, row
        assert row.p_uniform > 0.001, row


@pytest.mark.slow
def test_slow_calibration(truth):
    known = list(from_one_population(SLOW, truth))
    prior = list(from_the_prior(SLOW))
    rows_known, rows_prior = judge(known, SLOW.num_bins), judge(prior, SLOW.num_bins)
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(
            "# Calibration of the hierarchical logistic fit\n\n"
            "Simulated: 24 wires, 13 settings over centre ± 2, 100 trials a setting. NUTS, 2 chains × 500 draws."
            " Made by\n\n    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/test_calibration.py\n\n"
            "For location, width and floor the first column is the first wire of each replication, so that the"
            " replications are independent; `over all devices` averages the 24.\n\n"
            + table("Known population, default priors", rows_known, known, with_ranks=False)
            + "\n"
            + table(
                "Simulation-based calibration: truths from the prior", rows_prior, prior, with_ranks=True
            ),
            encoding="utf-8",
        )
    low, high = binomial_range(SLOW.replications)
    for row in rows_known + rows_prior:
        assert low <= row.coverage <= high, row
    for row in rows_prior:
        assert row.p_uniform > 0.01, row
