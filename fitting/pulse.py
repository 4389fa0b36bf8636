r"""Binomial likelihood of switching counts under a switching law.

.. math:: k_{ds} \sim \mathrm{Binomial}(n_{ds},\ p_d(w_{ds}))

for device d at setting s, with :math:`p_d` the *same* `probability` method that simulates the device in
`charz.learning`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices import AbstractSwitchingLaw


def safe_probability(law: AbstractSwitchingLaw, amplitude: Float[Array, "..."]) -> Float[Array, "..."]:
    """Switching probability kept from exactly 0 and exactly 1, where the logarithm has no finite gradient.

    A curve without a floor underflows to 0 about 700 widths below its location. The lower bound, about 1e-277 in
    double precision, leaves room for the trials divided by it; the upper one is the largest number below 1.
    """
    probability = law.probability(amplitude)
    kind = jnp.finfo(probability.dtype)
    return jnp.clip(probability, kind.tiny / kind.eps**2, 1 - kind.epsneg)


def log_likelihood_kernel(
    law: AbstractSwitchingLaw,
    amplitude: Float[Array, "..."],
    num_trials: Float[Array, "..."],
    num_switched: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Log likelihood of each setting without the binomial coefficient (which no parameter changes), in nats."""
    probability = safe_probability(law, amplitude)
    stayed = num_trials - num_switched
    # 1 - p is exact for p >= 1/2; below, log1p would gain 1e-16 nats a trial and cost a quarter of the speed.
    return num_switched * jnp.log(probability) + stayed * jnp.log(1 - probability)


def log_binomial_coefficient(
    num_trials: Float[Array, "..."], num_switched: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Return ln of the binomial coefficient; it makes log likelihoods comparable between datasets' encodings."""
    return gammaln(num_trials + 1) - gammaln(num_switched + 1) - gammaln(num_trials - num_switched + 1)


def replicate_counts(
    generator: np.random.Generator, probability: np.ndarray, num_trials: np.ndarray
) -> np.ndarray:
    """Draw counts that a law would give with the same numbers of trials.

    NumPy draws them: exact for any probability, without a compiled rejection loop.

    Parameters
    ----------
    generator : numpy.random.Generator
    probability : array (..., device, setting)
        Switching probabilities, dimensionless.
    num_trials : array (device, setting)
        0 where a setting is padding; the count there is 0.

    Returns
    -------
    array of int32, shape of `probability`
    """
    trials = np.broadcast_to(num_trials.astype(np.int64), probability.shape)
    return generator.binomial(trials, np.clip(probability, 0.0, 1.0)).astype(np.int32)


def generator_from(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy generator seeded by a JAX key, so that one key still fixes everything."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return np.random.default_rng(np.asarray(key, dtype=np.uint32))
