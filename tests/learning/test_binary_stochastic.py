"""Binary stochastic learning against its acceptance tests (li2023.md, section 7: A, B, C), and event by event."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.errors import TrainError
from charz.learning import Batch, BinaryStochastic, Inference, TrainOptions, evaluate, train
from charz.learning.active_rows import block_rows, over_active
from charz.learning.binary_pass import backward, draw_all, draw_derivative, forward, mean_forward
from charz.learning.estimators import binary_stochastic
from charz.learning.estimators.binary_stochastic import FIRED_LOGIT
from charz.learning.network import Layer
from charz.learning.schemes.binary_stochastic import start_of

NUM = 100_000


def constant_neuron(logit):
    """One input of weight 0 and a bias: the neuron's z is the bias."""
    return (Layer(jnp.zeros((1, 1)), jnp.full(1, logit)),)


@pytest.mark.parametrize("logit", [-3.0, -0.7, 0.0, 1.5])
def test_signals_and_derivatives_are_unbiased_and_independent(logit):
    """Acceptance test A, at 4 standard errors: 20 comparisons are made."""
    _, draws = draw_all(jax.random.key(0), jnp.ones((NUM, 1)), [1], "plain")
    (passed,) = forward(constant_neuron(logit), jnp.ones((NUM, 1)), draws.fire)
    fired, p = np.asarray(passed.fired)[:, 0], 1 / (1 + np.exp(-logit))
    assert set(np.unique(fired)) <= {0.0, 1.0}
    assert abs(fired.mean() - p) < 4 * np.sqrt(p * (1 - p) / NUM)
    for kind, mean in (("plain", p * (1 - p)), ("times-four", 4 * p * (1 - p))):
        drawn = np.asarray(draw_derivative(passed.logit, draws.first[0], draws.second[0], kind))[:, 0]
        assert set(np.unique(drawn)) <= {0.0, 1.0}
        assert abs(drawn.mean() - mean) <= 4 * np.sqrt(mean * (1 - mean) / NUM)
        if 0 < drawn.mean() < 1:
            assert abs(np.corrcoef(fired, drawn)[0, 1]) < 4 / np.sqrt(NUM)


def test_temperature_widens_the_comparators():
    _, draws = draw_all(jax.random.key(0), jnp.ones((NUM, 1)), [1], "plain")
    (passed,) = forward(constant_neuron(2.0), jnp.ones((NUM, 1)), draws.fire, temperature=4.0)
    p = 1 / (1 + np.exp(-0.5))
    assert abs(float(passed.fired.mean()) - p) < 4 * np.sqrt(p * (1 - p) / NUM)


def cosine(key, errors):
    """Cosine between the mean change over 10⁴ draws and minus the gradient of the mean-field loss, δ = p - t."""
    key_net, key_x, key_draw = jax.random.split(key, 3)
    theta = start_of(key_net, (8, 16, 4))
    x, y = jax.random.uniform(key_x, (1, 8)), jnp.asarray([1])

    def loss(theta):
        logit = mean_forward(theta, x)
        return optax.sigmoid_binary_cross_entropy(logit, jax.nn.one_hot(y, 4)).sum()

    estimator = binary_stochastic("plain", errors, "binary")
    batch = Batch(jnp.repeat(x, 10_000, 0), jnp.repeat(y, 10_000))
    direction = estimator.estimate(key_draw, theta, (), batch)[0]
    ours, ideal = (jnp.concatenate([jnp.ravel(a) for a in jax.tree.leaves(tree)])
                   for tree in (direction, jax.grad(loss)(theta)))  # fmt: skip
    return ours @ ideal / jnp.linalg.norm(ours) / jnp.linalg.norm(ideal)


@pytest.mark.parametrize(("errors", "least"), [("linear", 0.98), ("signed", 0.7)])
def test_mean_change_follows_the_gradient(errors, least):
    """Acceptance test B over ten random networks."""
    each = jax.jit(jax.vmap(lambda key: cosine(key, errors)))
    assert float(each(jax.random.split(jax.random.key(3), 10)).min()) > least


def test_no_error_gives_no_error():
    """sign(0) = 0: a hidden neuron that no output's error reaches is left alone."""
    later = (Layer(jnp.asarray([[1.0, -1.0], [1.0, 1.0]]), jnp.zeros(2)),)
    passed = forward(
        (Layer(jnp.zeros((1, 2)), jnp.zeros(2)), *later), jnp.ones((1, 1)),
        [jnp.full((1, 2), 0.9), jnp.asarray([[0.999, 0.999]])],
    )  # fmt: skip
    draws = draw_all(jax.random.key(0), jnp.ones((1, 1)), [2, 2], "plain")[1]._replace(
        first=[jnp.zeros((1, 2))] * 2
    )
    hidden, output = backward(later, passed, jnp.ones((1, 2)), draws, "times-four", "signed")
    np.testing.assert_array_equal(output, [[1, 1]])
    np.testing.assert_array_equal(hidden, [[0, 1]])


@pytest.mark.parametrize(("derivative", "inputs"), [("plain", "binary"), ("times-four", "analog")])
def test_every_change_is_a_step_up_a_step_down_or_nothing(derivative, inputs, digits):
    """Acceptance test C, and that what is reported is what happened."""
    scheme = BinaryStochastic((64, 20, 10), derivative=derivative, input_signals=inputs)
    rule = scheme.rule(None)
    state, step = jax.jit(rule.init)(jax.random.key(0)), jax.jit(rule.step)
    x, y = digits[0].train
    seen = set()
    for index in range(20):
        sample = Batch(0.7 * x[index : index + 1], y[index : index + 1])
        after, info = step(jax.random.key(index), state, sample)
        moves = [
            np.asarray((new - old) / scheme.learning_rate)
            for new, old in zip(*map(jax.tree.leaves, (after.weights, state.weights)), strict=True)
        ]
        whole = [np.round(move) for move in moves]
        assert all(np.abs(a - b).max() < 1e-3 for a, b in zip(moves, whole, strict=True))
        seen |= {float(value) for move in whole for value in np.unique(move)}
        assert sum(np.abs(move).sum() for move in whole) == float(info["pulses"])
        assert float(info["events"]) == np.count_nonzero(whole[1]) + np.count_nonzero(whole[3])
        state = after
    assert seen == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("sizes", [(64, 30, 12, 10), (13, 10)])
def test_the_quick_step_is_the_joined_parts(sizes, digits):
    """Event by event or by passes over all weights: the same draws, the same weights."""
    scheme = BinaryStochastic(sizes, learning_rate=0.05)
    rule, estimator, write = scheme.rule(None), binary_stochastic(fused=True), scheme.write(None)
    quick = jax.jit(rule.init)(jax.random.key(0))
    slow = quick.weights

    def both(key, quick, slow, sample):
        direction, _, info = estimator.estimate(key, slow, (), sample)
        change = jax.tree.map(lambda leaf: -scheme.learning_rate * leaf, direction)
        slow, written = write.apply(key, slow, change)
        return rule.step(key, quick, sample), slow, {**info, **written}

    both = jax.jit(both)
    x, y = digits[0].train
    for index in range(8):
        sample = Batch(0.6 * x[index : index + 1, : sizes[0]], y[index : index + 1])
        (quick, said), slow, wanted = both(jax.random.key(index), quick, slow, sample)
        for name in wanted:
            np.testing.assert_allclose(said[name], wanted[name], rtol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (quick.weights, slow)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_only_blocks_with_a_signal_are_visited():
    signal = jnp.zeros(24).at[jnp.asarray([1, 2, 17])].set(1.0)

    def note(start, rows, visited):
        return visited.at[start].add(rows.sum())

    def visit(wanted):
        return jax.jit(lambda wanted: over_active(signal, note, jnp.zeros(24), 4, wanted))(wanted)

    np.testing.assert_array_equal(np.nonzero(visit(True))[0], [0, 16])
    np.testing.assert_array_equal(visit(True)[jnp.asarray([0, 16])], [2, 1])
    assert not visit(False).any()
    assert [block_rows(784, 300), block_rows(300, 10), block_rows(13, 7)] == [7, 300, 13]
    assert 784 % block_rows(784, 10) == 0


def test_single_shots_tell_only_who_fired_and_break_ties_at_random():
    """With all outputs alike each class wins equally often, whatever its number."""
    estimator = binary_stochastic()
    theta = (Layer(jnp.zeros((2, 4)), jnp.full(4, -1.0)),)
    logits = np.asarray(jax.jit(estimator.predict)(jax.random.key(0), theta, (), jnp.ones((8000, 2))))
    fired = np.asarray(logits >= FIRED_LOGIT)
    assert abs(fired.mean() - 1 / (1 + np.e)) < 4 * np.sqrt(0.2 / fired.size)
    wins = np.bincount(logits.argmax(-1), minlength=4)
    assert (abs(wins / 8000 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 8000)).all()
    # A neuron that fired always beats those that did not.
    assert fired[np.arange(8000), logits.argmax(-1)][fired.any(-1)].all()


def test_a_batch_counts_coincidences(digits):
    x, y = digits[0].train
    scheme = BinaryStochastic((64, 10), max_pulses=3)
    rule = scheme.rule(None)
    state = jax.jit(rule.init)(jax.random.key(0))
    after, info = jax.jit(rule.step)(jax.random.key(1), state, Batch(x[:256], y[:256]))
    moves = np.round(np.asarray((after.weights[0].weight - state.weights[0].weight) / 0.02))
    assert np.abs(moves).max() == 3
    assert {-3, -1, 0, 1, 3} <= set(np.unique(moves)) <= set(range(-3, 4))
    assert float(info["pulses"]) > np.abs(moves).sum()


@pytest.fixture(scope="module")
def gray_digits(load_digits):
    return load_digits(preprocess="gray")


def test_the_fourfold_derivative_learns_depth_sooner_and_votes_beat_single_shots(gray_digits):
    """Two hidden layers (li2023.md, section 8): plain derivatives starve the first one."""
    data, test = gray_digits
    keys = jax.random.split(jax.random.key(0), 2)
    right = {}
    for derivative in ("plain", "times-four"):
        scheme = BinaryStochastic((64, 60, 30, 10), derivative=derivative)
        trained = train(keys, scheme, None, data, TrainOptions(epochs=4, batch_size=1))
        right[derivative] = [
            np.asarray(evaluate(keys, scheme, None, trained.state, test, 2, inference))
            for inference in (Inference(), Inference("votes", 10), Inference("deterministic"))
        ]
    # Binomial standard error of a difference on 360 images: below 0.04.
    assert right["times-four"][2].min() > right["plain"][2].max() + 0.12
    once, ten, quiet = (found.mean() for found in right["times-four"])
    assert ten > once + 0.08
    assert quiet > ten - 0.04


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"derivative": "double"}, "derivative 'double' is not known.*times-four"),
        ({"errors": "round"}, "errors 'round' is not known.*signed"),
        ({"input_signals": "ternary"}, "input_signals 'ternary' is not known.*analog"),
        ({"weight_limit": 0.0}, "weight_limit is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"carry_period": 0}, "carry_period is 0"),
        ({"max_pulses": 0}, "max_pulses is 0"),
        ({"carry_digits": 0}, "digits is 0"),
        ({"carry_base": 1}, "base is 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(TrainError, match=words):
        dataclasses.replace(BinaryStochastic((64, 10)), **options)
