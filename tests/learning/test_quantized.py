"""Schemes on quantized networks from outside: what is stored, what is read, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.errors import TrainError
from charz.learning import Backprop, Batch, Gxnor, StraightThrough
from charz.learning.architecture import dense, parse_architecture
from charz.learning.grid import Grid
from charz.learning.network import Layer
from charz.learning.writes import latent

SIZES = (64, 48, 10)
STATES = {"ternary": [-1, 0, 1], "binary": [-1, 1]}


@pytest.fixture(scope="module")
def batch(digits):
    data, _ = digits
    return Batch(2 * data.train.x[:100] - 1, data.train.y[:100])


def trained(scheme, batch, num_steps=12):
    rule = scheme.rule(None, num_steps)
    state, step = jax.jit(rule.init)(jax.random.key(0)), jax.jit(rule.step)
    start = state
    for index in range(num_steps):
        state, _ = step(jax.random.key(index), state, batch)
    return start, state


@pytest.mark.parametrize("states", STATES)
def test_discrete_weights_never_leave_their_states(states, batch):
    start, state = trained(Gxnor(SIZES, states=states), batch)
    for before, after in zip(start.weights, state.weights, strict=True):
        assert set(np.unique(before.weight)) == set(STATES[states])
        assert set(np.unique(after.weight)) <= set(STATES[states])
        assert float((after.weight != before.weight).mean()) > 0.1
        assert not np.array_equal(before.scale, after.scale)
        assert len(np.unique(after.shift)) > 3  # real numbers


def test_ternary_weights_start_as_a_quarter_a_half_a_quarter():
    weights = jax.jit(Gxnor((64, 400, 10)).rule(None).init)(jax.random.key(1)).weights
    counts = np.array([np.sum(np.asarray(weights[0].weight) == state) for state in STATES["ternary"]])
    assert stats.chisquare(counts, counts.sum() * np.array([0.25, 0.5, 0.25])).pvalue > 0.01


def test_straight_through_keeps_real_weights_and_uses_their_states(batch):
    scheme = StraightThrough(SIZES, learning_rate=0.1)
    rule = scheme.rule(None)
    _, state = trained(scheme, batch)
    kept = np.asarray(state.weights[0].weight)
    assert len(np.unique(kept)) > 100
    assert np.abs(kept).max() == 1
    as_states = tuple(layer._replace(weight=Grid(1).nearest(layer.weight)) for layer in state.weights)
    predict = jax.jit(rule.predict)
    np.testing.assert_array_equal(
        predict(jax.random.key(0), state, batch.x),
        predict(jax.random.key(1), state._replace(weights=as_states), batch.x),
    )


def test_latent_weights_move_by_what_is_wanted_and_count_new_states():
    write = latent(Grid(1))
    weights = write.init(jax.random.key(0), (Layer(jnp.asarray([-3.0, 0.4, 0.4]), jnp.zeros(2)),))
    np.testing.assert_allclose(write.read(weights)[0].weight, [-1, 0, 0])
    change = (Layer(jnp.asarray([-0.5, 0.2, 0.05]), jnp.asarray([0.25, 3.0])),)
    after, info = write.apply(jax.random.key(0), weights, change)
    np.testing.assert_allclose(after[0].weight, [-1, 0.6, 0.45], rtol=1e-6)
    np.testing.assert_allclose(after[0].bias, [0.25, 3.0])
    np.testing.assert_allclose(write.read(after)[0].weight, [-1, 1, 0])
    assert float(info["writes"]) == 1


def test_validation_judges_by_the_loss_that_training_descends(digits):
    logits, labels = jnp.asarray([[3.0, -3.0]]), jnp.asarray([0])
    assert float(Gxnor((4, 2)).rule(None).loss(logits, labels)[0]) == 0
    assert float(Backprop((4, 2)).rule(None).loss(logits, labels)[0]) > 0
    assert float(Backprop((4, 2), loss="squared-hinge").rule(None).loss(logits, labels)[0]) == 0


@pytest.mark.parametrize("kind", [Gxnor, StraightThrough, Backprop])
def test_a_network_is_built_from_sizes_or_a_description(kind):
    assert kind((64, 48, 10)).architecture == dense(64, 48, 10)
    network = parse_architecture("4C3-MP2-10", (8, 8, 1))
    assert kind.build(network).architecture == kind(network).architecture == network


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gxnor((64,)), r"sizes \(64,\)"),
        (lambda: Gxnor(SIZES, learning_rate=0.0), r"learning_rate is 0\.0"),
        (lambda: Gxnor(SIZES, transition_gain=-1.0), r"transition_gain is -1\.0; it must be positive"),
        (
            lambda: Gxnor(SIZES, states="quaternary"),
            "states 'quaternary' are not known; choose ternary or binary",
        ),
        (lambda: Gxnor(SIZES, window=2.0), r"window is 2\.0"),
        (lambda: StraightThrough(SIZES, threshold=-1.0), r"threshold is -1\.0"),
        (lambda: Backprop(SIZES, activation="step"), "activation 'step'"),
        (lambda: Backprop(SIZES, loss="hinge"), "loss 'hinge'"),
        (lambda: Backprop(SIZES, dropout=1.0), r"dropout is 1\.0"),
    ],
)
def test_a_wrong_scheme_is_refused(make, words):
    with pytest.raises(TrainError, match=words):
        make()
