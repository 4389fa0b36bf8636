"""ANP, DANP and node perturbation as estimators: memory, guards, what they may not touch, reading with noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.node_noise import BernoulliNoise, GaussianNoise
from charz.devices.recorded_noise import RecordedNoise
from charz.devices.tunnel_junction import JunctionNoise, published_junction
from charz.errors import CharzError, TrainError
from charz.learning.estimators import activity_perturbation, danp, node_perturbation
from charz.learning.noisy_network import num_nodes, uniform_start
from charz.learning.perturbation import Pass, activity_direction
from charz.learning.rule import Batch

start = jax.jit(uniform_start, static_argnums=1)
SIZES = (12, 8, 5)
THETA = start(jax.random.key(0), SIZES)
BATCH = Batch(jax.random.normal(jax.random.key(1), (64, 12)), jnp.arange(64) % 5)
ESTIMATORS = {
    "ANP": activity_perturbation,
    "DANP": lambda noise: danp(noise, 1e-3),
    "NP, clean": node_perturbation,
    "NP, noisy": lambda noise: node_perturbation(noise, clean_pass=False),
}


def compiled(estimator):
    return estimator._replace(init=jax.jit(estimator.init), estimate=jax.jit(estimator.estimate))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_contract(name):
    estimator = compiled(ESTIMATORS[name](published_junction()))
    state = estimator.init(jax.random.key(2), THETA)
    direction, after, info = estimator.estimate(jax.random.key(3), THETA, state, BATCH)
    assert jax.tree.map(jnp.shape, direction) == jax.tree.map(jnp.shape, THETA)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(direction))
    assert float(info["reads"]) == 2 * 64 * num_nodes(THETA)
    # Of an untrained network with five classes.
    assert float(info["loss"]) == pytest.approx(np.log(5), abs=0.3)


def test_start_is_uniform_within_one_over_root_fan_in():
    first = start(jax.random.key(4), (400, 300))[0]
    for leaf in first:
        assert np.abs(leaf).max() <= 0.05
        assert abs(float(leaf.std()) / (0.05 / np.sqrt(3)) - 1) < 4 / np.sqrt(leaf.size)


def test_without_decorrelation_danp_is_anp_bit_for_bit():
    """T4: R = I and d = 0 held still, over several steps."""
    plain = compiled(activity_perturbation(published_junction()))
    frozen = compiled(danp(published_junction(), 0.0))
    state, other = (estimator.init(jax.random.key(5), THETA) for estimator in (plain, frozen))
    for step in range(3):
        key = jax.random.key(step)
        one, state, _ = plain.estimate(key, THETA, state, BATCH)
        two, other, _ = frozen.estimate(key, THETA, other, BATCH)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_array_equal(a, b)


def test_noise_runs_on_through_both_passes_and_from_step_to_step():
    """Time runs along the batch: a step takes pass 1's reads, then pass 2's, and the next step goes on there."""
    estimator = compiled(activity_perturbation(RecordedNoise(np.linspace(0, 0.01, 10_000))))
    state = estimator.init(jax.random.key(6), THETA)
    begin = int(state.noise.position)
    for step in range(1, 4):
        _, state, _ = estimator.estimate(jax.random.key(step), THETA, state, BATCH)
        assert int(state.noise.position) == (begin + 128 * step) % 10_000


def test_the_passes_are_64_reads_apart():
    """On a record that rises by 1 µV a read, pass 2 is 64 µV above pass 1 at every node of a linear network."""
    theta = start(jax.random.key(0), (3, 4))
    changes = []

    def spy(logits, labels):
        changes.append(logits)
        return logits.sum(-1)

    estimator = compiled(activity_perturbation(RecordedNoise(np.arange(4000) * 1e-6, stride=100), loss=spy))
    state = estimator.init(jax.random.key(1), theta)
    state = state._replace(noise=state.noise._replace(position=np.uint32(17)))
    batch = Batch(jnp.zeros((64, 3)), jnp.zeros(64, int))
    direction, _, _ = estimator.estimate(jax.random.key(2), theta, state, batch)
    # ΔL = 4 Δa and Σ Δa² = 4 Δa²: c Δa = 4 · 4 Δa · Δa / (4 Δa²) = 4 at each node, whatever Δa.
    np.testing.assert_allclose(direction[0].bias, 4.0, rtol=1e-3)
    assert changes[0].shape == (64, 4)


class Unreadable(GaussianNoise):
    """Noise that says nothing about itself, as a device at a node does not."""

    def mean(self):
        raise AssertionError("the noise was read")

    def variance(self):
        raise AssertionError("the noise was read")


def accuracy_on_host(logits, labels):
    """Loss that only the host can compute: jax cannot differentiate it."""

    def compute(logits, labels):
        return np.asarray((logits - np.eye(5)[labels]) ** 2, np.float32).sum(-1)

    shape = jax.ShapeDtypeStruct(labels.shape, jnp.float32)
    return jax.pure_callback(compute, shape, logits, labels, vmap_method="sequential")


def test_neither_noise_nor_derivative_is_needed():
    estimator = compiled(danp(Unreadable(0.01), 1e-3, loss=accuracy_on_host))
    state = estimator.init(jax.random.key(7), THETA)
    direction, _, _ = estimator.estimate(jax.random.key(8), THETA, state, BATCH)
    assert np.abs(direction[1].bias).max() > 0
    with pytest.raises(ValueError, match=r"JVP|differentiat"):
        jax.grad(lambda logits: accuracy_on_host(logits, BATCH.y).sum())(jnp.zeros((64, 5)))


@pytest.mark.parametrize("noise", [published_junction(), BernoulliNoise()], ids=["junction", "Bernoulli"])
def test_samples_in_which_nothing_switched_are_left_out(noise):
    """Three nodes: all equal in both passes with probability 1/8; the rest gives no heavy tails."""
    theta = start(jax.random.key(9), (2, 2, 1))
    estimator = compiled(activity_perturbation(noise, loss=lambda outputs, labels: outputs[:, 0] ** 2))
    batch = Batch(jnp.ones((4096, 2)), jnp.zeros(4096, int))
    state = estimator.init(jax.random.key(10), theta)
    direction, _, info = estimator.estimate(jax.random.key(11), theta, state, batch)
    # Reads of a junction are correlated: 4096 of them are worth (1 + ρ)/(1 - ρ) = 11 times fewer.
    assert abs(float(info["skipped"]) - 1 / 8) < 4 * np.sqrt(7 / 64 / (4096 / 11))
    assert np.isfinite(direction[0].weight).all()


def test_a_sample_without_any_change_counts_as_nothing():
    x, still = [jnp.ones((2, 3))], [jnp.array([[1.0], [1.0]])]
    moved = [jnp.array([[1.0], [1.1]])]
    first, second = Pass(x, moved, jnp.array([5.0, 5.2])), Pass(x, still, jnp.array([1.0, 5.0]))
    direction, used = activity_direction(first, second)
    np.testing.assert_array_equal(used, [False, True])
    # The second sample: 0.2 / 0.1 = 2, halved by the mean over two samples.
    np.testing.assert_allclose(direction[0].bias, [1.0], rtol=1e-5)
    np.testing.assert_allclose(direction[0].weight, np.ones((3, 1)), rtol=1e-5)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_reading_under_noise_scatters_about_reading_without(name):
    """Of a linear network: mean and variance of the outputs are those of the noise."""
    theta = start(jax.random.key(12), (12, 5))
    noise = JunctionNoise(0.03, 0.01, 0.001, flip_up=0.2, flip_down=0.3)
    estimator = ESTIMATORS[name](noise)
    state = estimator.init(jax.random.key(13), theta)
    x = BATCH.x[:3]
    keys = jax.random.split(jax.random.key(14), 4000)
    logits = jax.jit(jax.vmap(lambda key: estimator.predict(key, theta, state, x)))(keys)
    quiet = estimator.deterministic(theta, state, x)
    np.testing.assert_allclose(
        quiet, x @ theta[0].weight + theta[0].bias + noise.mean(), rtol=1e-4, atol=1e-6
    )
    variance = float(noise.variance())
    assert np.abs(logits.mean(0) - quiet).max() < 4.5 * np.sqrt(variance / 4000)
    assert np.abs(logits.var(0) / variance - 1).max() < 4.5 * np.sqrt(2 / 4000)


def test_posterior_draws_are_mapped():
    """Networks on devices of their own, estimated together, are those estimated one after another."""
    low = jnp.linspace(0, 0.1, 3 * 13).reshape(3, 13)
    draws = JunctionNoise(low, jnp.full((3, 13), 0.01), *(jnp.full((3, 13), v) for v in (1e-3, 0.1, 0.05)))
    keys = jax.random.split(jax.random.key(15), 3)

    def one(noise, key):
        estimator = danp(noise, 1e-3)
        state = estimator.init(key, THETA)
        return estimator.estimate(key, THETA, state, BATCH)[0]

    together = jax.jit(jax.vmap(one))(draws, keys)
    for index in range(3):
        alone = jax.jit(one)(jax.tree.map(lambda leaf, index=index: leaf[index], draws), keys[index])
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[index], b, rtol=2e-3, atol=1e-4 * np.abs(b).max())


def test_what_cannot_be_is_refused():
    with pytest.raises(TrainError, match=r"decorrelation_rate is -0\.1; it must be 0 or more"):
        danp(published_junction(), -0.1)
    with pytest.raises(CharzError, match=r"shape \(7,\); the network has 13 noisy nodes"):
        danp(GaussianNoise(jnp.ones(7)), 0.1).init(jax.random.key(0), THETA)
