"""Discrete state transition against its formula (greenberg2021, section 7 A), state by state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.errors import TrainError
from charz.learning.grid import Grid
from charz.learning.network import Layer
from charz.learning.writes import transition

NUM = 20_000
STATES = (-1.0, 0.0, 1.0)
CHANGES = (-2.0, -1.3, -0.4, -0.05, 0.0, 0.02, 0.3, 0.9, 1.0, 1.6)


def moved(write, state, change, seed=0, num=NUM):
    weights = (Layer(jnp.full(num, state), jnp.zeros(2)),)
    wanted = (Layer(jnp.full(num, change), jnp.asarray([0.25, -0.5])),)
    (after,), info = write.apply(jax.random.key(seed), weights, wanted)
    np.testing.assert_array_equal(after.bias, [0.25, -0.5])
    assert float(info["writes"]) == np.sum(np.asarray(after.weight) != state)
    return np.asarray(after.weight)


def law(state, change, gain):
    """End states and their probabilities, written apart from the code."""
    rho = min(max(change, -1 - state), 1 - state)
    kappa = int(rho)
    nu = rho - kappa
    chance = abs(nu) if gain is None else np.tanh(gain * abs(nu))
    if nu == 0:
        return {state + kappa: 1.0}
    return {state + kappa: 1 - chance, state + kappa + np.sign(nu): chance}


@pytest.mark.parametrize("gain", [1.0, 3.0, None], ids=["m1", "m3", "linear"])
def test_jumps_follow_their_law(gain):
    write = transition(chance="linear") if gain is None else transition(gain=gain)
    p_values = []
    for seed, (state, change) in enumerate((s, c) for s in STATES for c in CHANGES):
        after = moved(write, state, change, seed)
        assert set(np.unique(after)) <= set(STATES)
        expected = law(state, change, gain)
        likely = {end: p for end, p in expected.items() if p > 0}
        counts = {end: int(np.sum(after == end)) for end in likely}
        assert sum(counts.values()) == NUM, (state, change)
        if len(likely) == 2:
            p_values.append(stats.chisquare(list(counts.values()), [p * NUM for p in likely.values()]).pvalue)
    assert len(p_values) >= 10
    assert min(p_values) > 0.01 / len(p_values)


def test_linear_chance_is_unbiased():
    for change in (-0.7, 0.05, 0.45):
        after = moved(transition(chance="linear"), 0.0, change)
        error = np.sqrt(abs(change) * (1 - abs(change)) / NUM)
        assert abs(after.mean() - change) < 4 * error


def test_small_changes_are_accelerated_by_the_gain():
    after = moved(transition(gain=3.0), 0.0, 0.01, num=400_000)
    assert abs(after.mean() - 0.03) < 4 * np.sqrt(0.03 / 400_000)


@pytest.mark.parametrize("grid", [Grid(0), Grid(1), Grid(2, 0.5), Grid(4, 2.0)])
def test_weights_stay_on_their_grid(grid):
    write = transition(grid)
    key = jax.random.key(1)
    start = (Layer(3 * jax.random.normal(key, (50, 40)), jnp.zeros(40)),)
    weights = write.init(key, start)
    states = -grid.limit + grid.step * np.arange(2**grid.doublings + 1)
    for seed in range(3):
        change = (Layer(jax.random.normal(jax.random.key(seed), (50, 40)), jnp.ones(40)),)
        weights, _ = write.apply(jax.random.key(seed), weights, change)
        distance = np.abs(np.asarray(write.read(weights)[0].weight)[..., None] - states).min(-1)
        assert distance.max() < 1e-6
    assert len(np.unique(np.round(np.asarray(weights[0].weight), 5))) == len(states)


def test_rounding_of_the_start_goes_to_the_nearest_state():
    grid = Grid(1)
    np.testing.assert_array_equal(
        grid.nearest(jnp.asarray([-3.0, -0.6, -0.4, 0.49, 0.51, 2.0])), [-1, -1, 0, 0, 1, 1]
    )
    # A uniform start in (-1, 1) gives a quarter, a half, a quarter.
    drawn = grid.nearest(jax.random.uniform(jax.random.key(0), (40_000,), minval=-1))
    counts = [int(np.sum(np.asarray(drawn) == state)) for state in STATES]
    assert stats.chisquare(counts, [10_000, 20_000, 10_000]).pvalue > 0.01


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Grid(-1), "doublings is -1"),
        (lambda: Grid(1, 0.0), r"limit is 0\.0"),
        (lambda: transition(gain=0.0), r"gain is 0\.0"),
        (lambda: transition(chance="often"), "chance 'often'"),
    ],
)
def test_impossible_writes_are_refused(make, words):
    with pytest.raises(TrainError, match=words):
        make()
