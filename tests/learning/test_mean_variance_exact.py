"""The mean/variance gradient against exact enumeration of every outcome (T1) and its closed-form laws."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.devices import DomainWallSynapses, LogisticSwitching, mean_wire
from charz.learning import Batch
from charz.learning.estimators import mean_variance
from charz.learning.network import Layer
from charz.learning.stochastic_layer import attach_gradient, measure, moments


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def quadratic(logits, labels):
    return ((logits - 0.3) ** 2).sum(-1)


cross_entropy = optax.softmax_cross_entropy_with_integer_labels


def wire():
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), mean_wire())


def problem(seed, shape):
    """Drives over the central range of the curve, inputs in (0, 1], biases, one label."""
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.uniform(0.4, 1.0, (1, shape[1])))
    drive = jnp.asarray(4.63 + rng.normal(0, 0.4, shape))
    bias = jnp.asarray(rng.normal(0, 0.3, shape[2]))
    return x, drive, bias, jnp.asarray([0])


def outcomes(shape, num_reads):
    """Every combination of counts (outcome, *shape) and the log of its multiplicity."""
    size = math.prod(shape)
    counts = np.array(list(itertools.product(range(num_reads + 1), repeat=size)), float)
    ways = np.prod([[math.comb(num_reads, int(k)) for k in range(num_reads + 1)]], axis=0)
    multiplicity = np.prod(ways[counts.astype(int)], axis=1)
    return jnp.asarray(counts.reshape(-1, *shape)), jnp.asarray(multiplicity)


def output_of(counts, num_reads):
    sign = jnp.asarray([1.0, -1.0][: counts.shape[1]]).reshape(-1, 1, 1)
    return (sign * counts).sum((1, 2))[:, None, :] / num_reads


def chances(drive, x):
    return wire().probability(drive) * x[0][None, :, None]


def log_weight(drive, x, counts, num_reads):
    p = chances(drive, x)
    return (counts * jnp.log(p) + (num_reads - counts) * jnp.log1p(-p)).sum((1, 2, 3))


@partial(jax.jit, static_argnums=(4, 7))
def exact_loss(drive, x, bias, label, loss, counts, multiplicity, num_reads):
    """E[L] as a polynomial in the probabilities: differentiable, no sampling."""
    weight = multiplicity * jnp.exp(log_weight(drive, x, counts, num_reads))
    losses = jax.vmap(lambda y: loss(y + bias, label).sum())(output_of(counts, num_reads))
    return (weight * losses).sum()


@partial(jax.jit, static_argnums=(4, 7))
def rule_gradient(drive, x, bias, label, loss, counts, multiplicity, num_reads):
    """E[rule]: the estimator's own surrogate, differentiated at every possible measurement."""
    weight = multiplicity * jnp.exp(log_weight(drive, x, counts, num_reads))

    def at(measured):
        def surrogate(drive, x):
            believed = moments(x, wire().probability(drive))
            return loss(attach_gradient(measured, believed, num_reads, 0.0) + bias, label).sum()

        return jax.grad(surrogate, argnums=(0, 1))(drive, x)

    gradients = jax.vmap(at)(output_of(counts, num_reads))
    return jax.tree.map(lambda g: jnp.tensordot(weight, g, 1), gradients)


@partial(jax.jit, static_argnums=4)
def mean_field_gradient(drive, x, bias, label, loss):
    def at_mean(drive, x):
        return loss(moments(x, wire().probability(drive)).mean + bias, label).sum()

    return jax.grad(at_mean, argnums=(0, 1))(drive, x)


def relative_error(a, b):
    return float(jnp.linalg.norm((a - b).ravel()) / jnp.linalg.norm(b.ravel()))


@pytest.mark.parametrize("num_reads", [1, 2, 4])
@pytest.mark.parametrize("shape", [(1, 4, 1), (1, 2, 2), (2, 2, 1)])
def test_quadratic_loss_is_unbiased_at_any_number_of_reads(shape, num_reads):
    x, drive, bias, label = problem(num_reads, shape)
    counts, multiplicity = outcomes(shape, num_reads)
    arguments = (x, bias, label, quadratic, counts, multiplicity, num_reads)
    exact = jax.grad(exact_loss, argnums=(0, 1))(drive, *arguments)
    rule = rule_gradient(drive, *arguments)
    assert relative_error(rule[0], exact[0]) < 1e-10  # (E5)
    assert relative_error(rule[1], exact[1]) < 1e-10  # (E6), to earlier layers


def test_eight_synapses_single_read():
    x, drive, bias, label = problem(8, (1, 8, 1))
    counts, multiplicity = outcomes((1, 8, 1), 1)
    arguments = (x, bias, label, quadratic, counts, multiplicity, 1)
    exact = jax.grad(exact_loss)(drive, *arguments)
    assert relative_error(rule_gradient(drive, *arguments)[0], exact) < 1e-10


def cross_entropy_errors(num_reads, seed):
    shape = (1, 3, 2)
    x, drive, bias, label = problem(seed, shape)
    x = jnp.ones_like(x)  # the paper's binary inputs, all active
    counts, multiplicity = outcomes(shape, num_reads)
    arguments = (x, bias, label, cross_entropy, counts, multiplicity, num_reads)
    exact = jax.grad(exact_loss)(drive, *arguments)
    rule = rule_gradient(drive, *arguments)[0]
    field = mean_field_gradient(drive, x, bias, label, cross_entropy)[0]
    return relative_error(rule, exact), relative_error(field, exact)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cross_entropy_bias_is_small_and_falls_with_reads(seed):
    errors = {num_reads: cross_entropy_errors(num_reads, seed) for num_reads in (1, 2, 4)}
    assert errors[1][0] < 1e-2
    assert errors[1][0] / errors[4][0] >= 3
    for rule, mean_field in errors.values():
        assert rule < mean_field / 3


@pytest.mark.parametrize("differential", [False, True])
@pytest.mark.parametrize("num_reads", [1, 4])
def test_estimator_gives_the_closed_form_at_its_own_measurement(num_reads, differential):
    """(E5) written out by hand, at the sample the estimator drew."""
    shape = (2 if differential else 1, 5, 3)
    rng = np.random.default_rng(5)
    x = jnp.asarray(rng.integers(0, 2, (6, 5)), jnp.float64)
    y = jnp.asarray(rng.integers(0, 3, 6))
    drive = jnp.asarray(4.63 + rng.normal(0, 0.4, shape))
    bias = jnp.asarray(rng.normal(0, 0.3, 3))
    synapses = DomainWallSynapses(actual=wire(), believed=wire())
    estimator = mean_variance([synapses], num_reads, "exact", variance_floor=0.0)
    key = jax.random.key(11)
    direction, _, info = jax.jit(estimator.estimate)(key, (Layer(drive, bias),), (), Batch(x, y))

    chance = wire().probability(drive)
    measured = jax.jit(measure, static_argnums=(3, 4))(
        jax.random.fold_in(key, 0), x, chance, num_reads, "exact"
    )
    p, slope = wire().probability(drive), wire().slope(drive)
    chance = x[:, None, :, None] * p
    sign = jnp.asarray([1.0, -1.0][: shape[0]]).reshape(-1, 1, 1)
    mean = (sign * chance).sum((1, 2))
    variance = (chance * (1 - chance)).sum((1, 2))
    delta = (jax.nn.softmax(measured + bias) - jax.nn.one_hot(y, 3)) / 6
    ratio = jnp.where(variance > 0, (measured - mean) / jnp.where(variance > 0, variance, 1), 0)
    bracket = sign + ratio[:, None, None] * (0.5 - chance)
    expected = (delta[:, None, None] * x[:, None, :, None] * slope * bracket).sum(0)
    np.testing.assert_allclose(direction[0].weight, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(direction[0].bias, delta.sum(0), rtol=1e-9, atol=1e-12)
    assert float(info["reads"]) == num_reads * float(x.sum()) * 3 * shape[0]


def test_monte_carlo_gradient_of_the_full_layer():
    """T2: 196 -> 10, mean of the rule against the exact finite-difference law of ∇E[L], same number of draws."""
    num_draws, num_outputs = 100_000, 10
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.random((1, 196)) < 0.2, jnp.float64)
    label = jnp.asarray([3])
    drive = jnp.asarray(4.63 + rng.normal(0, 0.5, (1, 196, num_outputs)))
    bias = jnp.zeros(num_outputs)
    synapses = DomainWallSynapses(actual=wire(), believed=wire())
    estimator = mean_variance([synapses], 1, "exact", variance_floor=0.0)

    def mean_rule(key):
        repeated = Batch(jnp.repeat(x, 100, 0), jnp.repeat(label, 100))
        return estimator.estimate(key, (Layer(drive, bias),), (), repeated)[0][0].weight[0]

    keys = jax.random.split(jax.random.key(1), num_draws // 100)
    rule = jax.lax.map(mean_rule, keys).mean(0)

    p = x[0][:, None] * wire().probability(drive[0])

    def law(key):
        """∂E[L]/∂P_ij = E[L(Y | s_ij = 1) - L(Y | s_ij = 0)], all synapses from one draw."""
        s = (jax.random.uniform(key, p.shape) < p).astype(float)
        total = s.sum(0)

        def loss_with(output, value):
            return cross_entropy(total.at[output].set(value)[None], label)[0]

        one = jax.vmap(jax.vmap(loss_with), in_axes=(None, 0))(jnp.arange(num_outputs), total - s + 1)
        zero = jax.vmap(jax.vmap(loss_with), in_axes=(None, 0))(jnp.arange(num_outputs), total - s)
        return (one - zero) * x[0][:, None] * wire().slope(drive[0])

    reference = jax.lax.map(law, jax.random.split(jax.random.key(2), 4000)).mean(0)
    cosine = (rule * reference).sum() / (jnp.linalg.norm(rule) * jnp.linalg.norm(reference))
    assert cosine > 0.99


def test_no_active_input_gives_finite_gradients():
    synapses = DomainWallSynapses(actual=wire(), believed=wire())
    for floor in (0.0, 1e-4):
        estimator = mean_variance([synapses], 1, "exact", variance_floor=floor)
        theta = (Layer(jnp.full((1, 4, 2), 4.6), jnp.zeros(2)),)
        direction, _, _ = jax.jit(estimator.estimate)(
            jax.random.key(0), theta, (), Batch(jnp.zeros((3, 4)), jnp.asarray([0, 1, 1]))
        )
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(direction))
        assert bool((direction[0].weight == 0).all())


def test_gradient_uses_what_is_believed_and_the_measurement_what_is():
    believed = wire()
    actual = LogisticSwitching(believed.location + 5.0, believed.width, believed.floor, believed.ceiling)
    estimator = mean_variance([DomainWallSynapses(actual, believed)], 64, "exact")
    theta = (Layer(jnp.full((1, 30, 2), 4.63), jnp.zeros(2)),)
    batch = Batch(jnp.ones((8, 30)), jnp.zeros(8, int))
    logits = jax.jit(estimator.predict)(jax.random.key(0), theta, (), batch.x)
    # 30 wires at their floor pass 30 × 0.022 walls; the believed wires would pass 15.
    np.testing.assert_allclose(logits.mean(), 30 * float(actual.probability(4.63)), atol=0.1)
    direction, _, _ = jax.jit(estimator.estimate)(jax.random.key(0), theta, (), batch)
    # The actual slope is nothing there; the believed one is at its maximum.
    assert float(jnp.abs(direction[0].weight).max()) > 0.1 * float(believed.slope(believed.location))
