"""What a posterior holds beside its draws: leave-one-out terms, replicated outcomes, the prior with its outcomes."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from charz.fitting.contract import Model, Observations
from charz.fitting.keys import generator_from
from charz.fitting.laplace import kept_draws
from charz.fitting.population import population_names
from charz.fitting.predictive import pointwise_terms, prior_draws, replicates
from charz.fitting.priors import Prior
from charz.fitting.sampling import Draws
from charz.fitting.tree import Parts

NUM_PRIOR_DRAWS = 500
# Replicated outcomes are kept for all draws up to this many numbers, beyond it for evenly spaced draws.
MAX_REPLICATED_NUMBERS = 5_000_000
MIN_REPLICATED_DRAWS = 50
# A record this long is replicated a few times only: checks draw their own replicates.
LONG_RECORD = 50_000
# Terms of leave-one-out of very many devices are kept for evenly spaced draws, at least so many of each chain.
MAX_MARGINAL_TERMS, LEAST_JUDGED = 10_000_000, 10


def parts_of(
    model: Model,
    observations: Observations,
    pool: str,
    priors: Mapping[str, Prior],
    sampled: Draws,
    method: str,
    keys: tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray],
) -> Parts:
    """Terms of leave-one-out, replicated outcomes, and the prior with its outcomes, beside the draws.

    To be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    model : Model
    observations : Observations
    pool : str
    priors : mapping
    sampled : Draws
    method : str
        That made the draws; of many proposals, or of very many devices, terms are kept for evenly spaced draws.
    keys : three PRNG keys
        Of the prior, of its outcomes, of the posterior's outcomes.
    """
    key_prior, key_prior_outcomes, key_outcomes = keys
    populations = population_names(model, pool)
    law_values = {name: value for name, value in sampled.values.items() if name not in populations}
    size = observations.measured.size
    least = MIN_REPLICATED_DRAWS if size <= LONG_RECORD else 1
    num_prior = min(NUM_PRIOR_DRAWS, max(least, MAX_REPLICATED_NUMBERS // size))
    num_chains, num_draws = next(iter(sampled.values.values())).shape[:2]
    judged = np.arange(num_draws)
    if method == "laplace":
        judged = kept_draws(num_chains, num_draws, size)
    elif method == "marginal":
        wanted = max(MAX_MARGINAL_TERMS // (num_chains * size), LEAST_JUDGED)
        judged = np.unique(np.linspace(0, num_draws - 1, min(wanted, num_draws)).astype(int))
    kept = _replicated_draws((num_chains, num_draws), size)
    few = {name: value[:, kept] for name, value in law_values.items()}

    def replicated(key: PRNGKeyArray, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with jax.enable_x64(True):  # a setting of each thread
            return replicates(generator_from(key), model, values, observations)

    # NumPy draws outcomes on one core while XLA evaluates terms on the other.
    with ThreadPoolExecutor(1) as thread:
        predictive = thread.submit(replicated, key_outcomes, few)
        prior = prior_draws(
            generator_from(key_prior), model, priors, pool, NUM_PRIOR_DRAWS, len(observations.devices)
        )
        few_prior = {name: v[None, :num_prior] for name, v in prior.items() if name not in populations}
        prior_predictive = thread.submit(replicated, key_prior_outcomes, few_prior)
        terms = pointwise_terms(
            model,
            {name: value[:, judged] for name, value in law_values.items()},
            {name: value[:, judged] for name, value in sampled.latents.items()},
            observations,
        )
    return Parts(
        values=sampled.values,
        stats=sampled.stats,
        terms=terms,
        judged=judged,
        kept=kept,
        predictive=predictive.result(),
        prior=prior,
        prior_predictive=prior_predictive.result(),
        centring=sampled.centring,
        weights=sampled.weights,
    )


def _replicated_draws(shape: tuple[int, ...], size: int) -> np.ndarray:
    """Numbers of the draws for which outcomes are replicated."""
    num_chains, num_draws = shape
    fitting = MAX_REPLICATED_NUMBERS // (num_chains * size)
    least = MIN_REPLICATED_DRAWS if size <= LONG_RECORD else 1
    wanted = min(num_draws, max(fitting, least))
    return np.unique(np.linspace(0, num_draws - 1, wanted).astype(int))
