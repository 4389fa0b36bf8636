"""Every source of node noise keeps the contract: moments in volts, one number a node and read, clear refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.node_noise import BernoulliNoise, GaussianNoise
from charz.devices.recorded_noise import RecordedNoise
from charz.devices.tunnel_junction import JunctionNoise, published_junction
from charz.errors import CharzError

NODES, READS = 50, 4000
RECORD = np.random.default_rng(0).normal(0.02, 0.003, 20_011)  # prime: wrapped around, every node sees all
SOURCES = {
    "Gaussian": GaussianNoise(0.01, offset=0.03),
    "Gaussian, one a node": GaussianNoise(jnp.linspace(0.001, 0.01, NODES)),
    "Bernoulli": BernoulliNoise(),
    "Bernoulli, skewed": BernoulliNoise(0.02, probability=0.3),
    "Bernoulli, centred": BernoulliNoise(0.02, probability=0.3, centred=True),
    "junction": published_junction(),
    "junction, asymmetric": JunctionNoise(0.03, 0.01, 0.001, flip_up=0.3, flip_down=jnp.full(NODES, 0.1)),
    "record": RecordedNoise(RECORD),
    "record, row-major": RecordedNoise(RECORD, cut="row-major"),
}

draw = eqx.filter_jit(lambda source, *arguments: source.draw(*arguments))


@pytest.mark.parametrize("name", SOURCES)
def test_mean_and_variance_are_those_of_the_reads(name):
    source = SOURCES[name]
    state = source.init(jax.random.key(0), NODES)
    volts, state = draw(source, jax.random.key(1), state, READS, NODES)
    again, _ = draw(source, jax.random.key(2), state, READS, NODES)
    reads = np.concatenate([volts, again]).astype(float)
    assert reads.shape == (2 * READS, NODES)
    mean, variance = np.broadcast_to(source.mean(), NODES), np.broadcast_to(source.variance(), NODES)
    # Correlated reads are worth (1 + ρ)/(1 - ρ) times fewer; 5 standard errors of 50 nodes' means and variances.
    rho = np.max(source.correlation()) if isinstance(source, JunctionNoise) else 0.0
    error = np.sqrt((1 + rho) / (1 - rho) / len(reads))
    assert np.all(np.abs(reads.mean(0) - mean) < 5 * np.sqrt(variance) * error)
    assert np.all(np.abs(reads.var(0) - variance) < 5 * np.sqrt(2) * variance * error)


@pytest.mark.parametrize("name", SOURCES)
def test_posterior_draws_are_mapped(name):
    """Sources of three draws, drawn together, are those drawn one after another."""
    source = SOURCES[name]
    draws = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.1 * leaf, 0.9 * leaf]), source)
    keys = jax.random.split(jax.random.key(3), 3)

    def reads(source, key):
        return source.draw(key, source.init(key, NODES), 7, NODES)[0]

    together = jax.jit(jax.vmap(reads))(draws, keys)
    for index in range(3):
        alone = jax.jit(reads)(jax.tree.map(lambda leaf, index=index: leaf[index], draws), keys[index])
        np.testing.assert_allclose(together[index], alone, rtol=1e-6)


@pytest.mark.parametrize("name", ["Gaussian, one a node", "junction, asymmetric"])
def test_parameters_for_another_number_of_nodes_are_refused(name):
    with pytest.raises(CharzError, match=r"has shape \(50,\); the network has 7 noisy nodes"):
        SOURCES[name].init(jax.random.key(0), 7)


def test_a_bernoulli_source_for_another_number_of_nodes_is_refused():
    with pytest.raises(CharzError, match=r"level of BernoulliNoise has shape \(3,\)"):
        BernoulliNoise(jnp.ones(3)).init(jax.random.key(0), 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(0.0), "deviation is 0; it must be positive"),
        (lambda: BernoulliNoise(-0.01), r"level is -0\.01; it must be positive"),
        (lambda: BernoulliNoise(probability=1.0), r"probability is 1; it must be inside \(0, 1\)"),
        (lambda: JunctionNoise(0.0, 0.0, 0.0, 0.1, 0.1), "separation is 0; it must be positive"),
        (lambda: JunctionNoise(0.0, 1.0, -1.0, 0.1, 0.1), "noise is -1; it must be 0 or more"),
        (lambda: JunctionNoise(0.0, 1.0, 0.0, -0.1, 0.2), r"flip_up is -0\.1; it must be a probability"),
        (lambda: JunctionNoise(0.0, 1.0, 0.0, 0.1, 1.2), r"flip_down is 1\.2; it must be a probability"),
        (lambda: JunctionNoise(0.0, 1.0, 0.0, 0.0, 0.0), r"flip_up \+ flip_down is 0; .* never switches"),
        (lambda: JunctionNoise(0.0, 1.0, 0.0, 0.6, 0.6), r"is 1\.2; .* never anticorrelates"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(CharzError, match=message):
        make()


def test_only_a_junction_has_a_residual():
    assert float(published_junction().residual()) == pytest.approx(0.908e-3, rel=1e-3)
    assert float(BernoulliNoise().residual()) == float(GaussianNoise(1.0).residual()) == 0.0
