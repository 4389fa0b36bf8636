"""NumPy generators from JAX keys."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray


def generator_from(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy generator seeded by a JAX key, so that one key still fixes everything."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return np.random.default_rng(np.asarray(key, dtype=np.uint32))
