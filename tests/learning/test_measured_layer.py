"""What a layer of stochastic synapses measures: moments, laws, limits (T3)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from charz.devices import sample_counts
from charz.devices.random_words import random_words
from charz.learning.stochastic_layer import measure, moments

NUM_DRAWS = 20_000
draw = jax.jit(measure, static_argnums=(3, 4))


def layer(seed, inputs=24, wires=1):
    rng = np.random.default_rng(seed)
    x = jnp.asarray((rng.random((1, inputs)) < 0.6).astype(np.float32))
    return x, jnp.asarray(rng.uniform(0.02, 1.0, (wires, inputs, 2)).astype(np.float32))


def test_cipher_gives_the_published_words():
    """Known-answer vectors of Threefry-2x32-20 (Random123)."""
    zero = jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32))
    left, right = random_words(zero, (1,))
    assert (int(left[0]), int(right[0])) == (0x6B200159, 0x99BA4EFE)


@pytest.mark.parametrize("num_reads", [1, 3, 16, 17, 50])
def test_counts_follow_the_binomial_law(num_reads):
    p = jnp.asarray([0.0, 0.004, 0.3, 0.5, 0.8, 0.999, 1.0])
    counts = np.asarray(
        jax.jit(sample_counts, static_argnums=2)(
            jax.random.key(num_reads), jnp.broadcast_to(p, (NUM_DRAWS, 7)), num_reads
        )
    )
    assert (counts[:, 0] == 0).all()
    assert (counts[:, -1] == num_reads).all()
    for column, probability in zip(counts.T[1:-1], np.asarray(p)[1:-1], strict=True):
        expected = NUM_DRAWS * scipy.stats.binom.pmf(np.arange(num_reads + 1), num_reads, probability)
        observed = np.bincount(column.astype(int), minlength=num_reads + 1)
        common = expected >= 5
        observed = np.append(observed[common], observed[~common].sum())
        expected = np.append(expected[common], max(expected[~common].sum(), 1e-9))
        keep = expected > 1
        statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
        assert scipy.stats.chi2.sf(statistic, max(keep.sum() - 1, 1)) > 1e-4


@pytest.mark.parametrize("sampling", ["exact", "gaussian"])
@pytest.mark.parametrize("num_reads", [1, 8, 64])
@pytest.mark.parametrize("wires", [1, 2])
def test_mean_and_variance_are_those_of_the_theory(num_reads, sampling, wires):
    x, p = layer(num_reads, wires=wires)
    mean, variance = moments(x, p)
    y = np.asarray(draw(jax.random.key(3), jnp.repeat(x, NUM_DRAWS, 0), p, num_reads, sampling))
    variance = np.asarray(variance[0]) / num_reads
    assert (np.abs(y.mean(0) - mean[0]) < 4 * np.sqrt(variance / NUM_DRAWS)).all()
    # Variance of a sample variance: (m4 - σ⁴)/n, estimated from the sample itself.
    error = np.sqrt((((y - y.mean(0)) ** 4).mean(0) - variance**2) / NUM_DRAWS)
    assert (np.abs(y.var(0, ddof=1) - variance) < 4 * error).all()


def ks_pvalue(num_reads, inputs, key):
    x = jnp.ones((1, inputs))
    p = jnp.full((1, inputs, 1), 0.1)
    mean, variance = moments(x, p)
    y = draw(jax.random.key(key), jnp.repeat(x, 2000, 0), p, num_reads, "exact")[:, 0]
    z = (np.asarray(y) - float(mean[0, 0])) / float(variance[0, 0] / num_reads) ** 0.5
    # The counts are whole numbers: a uniform jitter of one step makes the comparison fair at many reads.
    step = 1 / num_reads / float(variance[0, 0] / num_reads) ** 0.5
    z = z + np.random.default_rng(key).uniform(-0.5, 0.5, z.size) * step
    return scipy.stats.kstest(z, "norm").pvalue


def test_gaussian_limit_holds_at_many_reads_only():
    assert ks_pvalue(64, 40, 1) > 0.01
    assert ks_pvalue(1, 3, 1) < 1e-6


def test_mean_field_limit_has_no_randomness():
    x, p = layer(0)
    a, b = (draw(jax.random.key(k), x, p, None, "exact") for k in (0, 1))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, moments(x, p).mean, rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_size_is_drawn(batch):
    x, p = layer(1)
    y = draw(jax.random.key(0), jnp.repeat(x, batch, 0), p, 2, "exact")
    assert y.shape == (batch, 2)
    assert bool((y * 2 == jnp.round(y * 2)).all())
