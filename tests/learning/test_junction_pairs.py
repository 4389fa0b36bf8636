"""Writes to pairs of tunnel junctions: transition matrix, codes, the two zeros, and who is pulsed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.devices import (
    InPlaneBallistic,
    LogisticSwitching,
    MacrospinSwitching,
    ThermalActivation,
    TwoDirections,
)
from charz.devices.junction_pair import JunctionPairs, example_junction
from charz.errors import TrainError
from charz.learning.network import Layer
from charz.learning.pulse_code import PulseCode, chances, smallest_share
from charz.learning.writes import junction_pairs

SHAPE = (400, 500)
NUMBER = SHAPE[0] * SHAPE[1]
JUNCTION = example_junction()
WIDTH = jnp.asarray(jnp.nan)
LAWS = {
    "in-plane": InPlaneBallistic(jnp.asarray(50.0), jnp.asarray(1.0), jnp.asarray(1.8e-9), WIDTH),
    "macrospin": MacrospinSwitching(jnp.asarray(60.0), jnp.asarray(1e-4), jnp.asarray(1e-9), WIDTH),
    "thermal": ThermalActivation(jnp.asarray(40.0), jnp.asarray(0.5), jnp.asarray(1e-9), WIDTH),
}


def alike(junction=JUNCTION):
    return JunctionPairs(junction, junction)


def layer(value):
    return (Layer(jnp.full(SHAPE, value), jnp.zeros(3)),)


def written(write, start, change, key=1):
    """Shares of weights -1, 0, 1 after one write to weights that all begin alike, and info."""
    weights = write.init(jax.random.key(0), layer(start))
    moved, info = jax.jit(write.apply)(
        jax.random.key(key), weights, (Layer(jnp.full(SHAPE, change), jnp.ones(3)),)
    )
    theta = write.read(moved)
    np.testing.assert_array_equal(theta[0].bias, 1.0)
    return np.array([(theta[0].weight == state).mean() for state in (-1, 0, 1)]), info


def assert_shares(seen, expected):
    """Chi-square of counts against a distribution; what is impossible does not happen."""
    expected = np.asarray(expected, float)
    assert not seen[expected == 0].any()
    possible = expected > 0
    if possible.sum() == 1:
        return
    counts = np.rint(np.asarray(seen, float)[possible] * NUMBER)
    p = stats.chisquare(counts, expected[possible] / expected.sum() * counts.sum()).pvalue
    assert p > 0.01, (seen, expected)


# Chance p of one junction from a change of u, by the inverse code: tanh(3 u).
@pytest.mark.parametrize("share", [0.02, 0.1, 0.6])
@pytest.mark.parametrize("sign", [1, -1])
def test_transition_matrix_of_both(share, sign):
    """P(ΔW = 1) = 2p(1-p) and P(ΔW = 2) = p² from the far end, p from 0, nothing from the near one (G8)."""
    write, p = junction_pairs([alike()]), np.tanh(3 * share)
    rows = {-1: [(1 - p) ** 2, 2 * p * (1 - p), p**2], 0: [0, 1 - p, p], 1: [0, 0, 1]}
    for start, expected in rows.items():
        seen, _ = written(write, float(sign * start), sign * share)
        assert_shares(seen, expected if sign > 0 else expected[::-1])


@pytest.mark.parametrize(
    ("addressing", "from_end", "from_zero"), [("first", 1.0, 0.5), ("unswitched", 1.0, 1.0)]
)
def test_one_junction_at_a_time(addressing, from_end, from_zero):
    """`unswitched` is the discrete transition itself; `first` finds its junction switched in half of the zeros."""
    write, p = junction_pairs([alike()], addressing=addressing), np.tanh(0.3)
    assert_shares(written(write, -1.0, 0.1)[0], [1 - from_end * p, from_end * p, 0])
    assert_shares(written(write, 0.0, 0.1)[0], [0, 1 - from_zero * p, from_zero * p])
    assert_shares(written(write, 1.0, -0.1)[0], [0, from_end * p, 1 - from_end * p])


FULL = 0.999  # chance of a full pulse


@pytest.mark.parametrize("addressing", ["first", "unswitched"])
def test_whole_steps(addressing):
    write, p = junction_pairs([alike()], addressing=addressing), np.tanh(0.9)
    assert_shares(written(write, -1.0, 1.0)[0], [1 - FULL, FULL, 0])
    # One step for certain, and one more by chance.
    assert_shares(
        written(write, -1.0, 1.3)[0], [(1 - FULL) * (1 - p), FULL * (1 - p) + (1 - FULL) * p, FULL * p]
    )
    assert_shares(written(write, -1.0, 5.0)[0], [(1 - FULL) ** 2, 2 * FULL * (1 - FULL), FULL**2])
    assert_shares(written(write, 0.0, 1.0)[0], [0, 1 - FULL, FULL])
    assert_shares(written(write, 0.0, -3.0)[0], [FULL, 1 - FULL, 0])


def test_a_whole_step_of_both_goes_all_the_way():
    seen, _ = written(junction_pairs([alike()]), -1.0, 1.0)
    assert_shares(seen, [(1 - FULL) ** 2, 2 * FULL * (1 - FULL), FULL**2])


def test_zeros_are_of_two_kinds_and_the_kind_is_kept():
    """Where `first` fails at a zero it fails again: the first junction is the switched one."""
    write = junction_pairs([alike()], addressing="first")
    weights = write.init(jax.random.key(0), layer(0.0))
    change = (Layer(jnp.full(SHAPE, 2.0), jnp.zeros(3)),)
    first = weights[0].weight.bits[0]
    assert abs(float(first.mean()) - 0.5) < 4 * 0.5 / np.sqrt(NUMBER)
    partial = (Layer(jnp.full(SHAPE, 0.9), jnp.zeros(3)),)
    for key in range(3):
        weights, _ = write.apply(jax.random.key(key), weights, partial)
    moved = write.read(weights)[0].weight
    assert not np.asarray(moved)[np.asarray(first) == 1].any()
    assert np.asarray(moved)[np.asarray(first) == 0].mean() > 0.99
    full, _ = write.apply(jax.random.key(9), weights, change)
    assert float(write.read(full)[0].weight.mean()) > 0.998


def test_linear_code_has_a_dead_zone():
    """A tenth of the full width switches nothing; the inverse code switches as wanted."""
    linear = junction_pairs([alike()], PulseCode("linear"))
    assert written(linear, -1.0, 0.1)[0][0] == 1.0
    up, _ = chances(PulseCode("linear"), JUNCTION, JUNCTION)
    half_width = JUNCTION.set.width_for(jnp.asarray(0.5), jnp.asarray(2.0)) / up.code.full
    np.testing.assert_allclose(up.of(half_width, jnp.asarray(False)), 0.5, rtol=5e-3)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("coding", ["inverse", "linear"])
def test_tables_are_the_law(law, coding):
    """Junctions that are alike, by the table, against the same junctions one by one, by their law."""
    code = PulseCode(coding)
    share = jnp.exp(jnp.linspace(jnp.log(1e-4), 0.0, 997))
    never = jnp.zeros(share.shape, bool)
    both = TwoDirections(law, law)
    spread = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, share.shape), both)
    by_table, by_law = (chances(code, actual, both)[0].of(share, never) for actual in (both, spread))
    np.testing.assert_allclose(by_table, by_law, atol=2e-3)
    if coding == "inverse":
        np.testing.assert_allclose(by_table, np.minimum(np.tanh(3 * share), FULL), atol=1e-3)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_width_is_the_inverse_of_the_probability(law):
    """Round trip to 1e-10 in double precision (D)."""
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), law)
        probability = jnp.asarray([0.01, 0.3, 0.5, 0.9, 0.99])
        drive = jnp.asarray(0.9 if isinstance(law, ThermalActivation) else 2.0) * law.critical
        width = law.width_for(probability, drive)
        np.testing.assert_allclose(law.for_width(width).probability(drive), probability, atol=1e-10)


def test_no_width_for_an_impossible_probability():
    """Half of the critical current of a high barrier: not even 1e5 s are enough."""
    law = MacrospinSwitching(jnp.asarray(200.0), jnp.asarray(1.0), jnp.asarray(1e-9), WIDTH)
    assert np.isnan(law.width_for(jnp.asarray(0.5), jnp.asarray(0.1)))


def test_each_junction_obeys_its_own_law_and_the_code_the_believed_one():
    """A critical current 10 % above the believed one switches less often; directions are kept apart."""
    harder = InPlaneBallistic(jnp.asarray(50.0), jnp.full(SHAPE, 1.1), jnp.asarray(1.81e-9), WIDTH)
    easy = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, SHAPE), JUNCTION.set)
    stacked = [jax.tree.map(lambda a, b: jnp.stack([jnp.broadcast_to(a, SHAPE), jnp.broadcast_to(b, SHAPE)]), one, two)
               for one, two in ((easy, easy), (easy, harder))]  # fmt: skip
    # Second junctions are hard to reset, which is their way up.
    actual = TwoDirections(stacked[0], stacked[1])
    write = junction_pairs([JunctionPairs(actual, JUNCTION)])
    width = JUNCTION.set.width_for(jnp.tanh(0.3), jnp.asarray(2.0))
    p, q = (float(law.for_width(width).probability(jnp.asarray(2.0))) for law in (
        JUNCTION.set, InPlaneBallistic(jnp.asarray(50.0), jnp.asarray(1.1), jnp.asarray(1.81e-9), WIDTH)))  # fmt: skip
    assert q < 0.7 * p
    seen, _ = written(write, -1.0, 0.1)
    assert_shares(seen, [(1 - p) * (1 - q), p * (1 - q) + q * (1 - p), p * q])
    # Down: first junctions are reset by the easy law, second ones set.
    assert_shares(written(write, 1.0, -0.1)[0], [p * p, 2 * p * (1 - p), (1 - p) ** 2])


def test_pulses_and_their_time_are_counted():
    width = float(JUNCTION.set.width_for(jnp.tanh(0.3), jnp.asarray(2.0)))
    _, info = written(junction_pairs([alike()]), -1.0, 0.1)
    assert info["pulses"] == 2 * NUMBER
    np.testing.assert_allclose(info["pulse_time"], 2 * NUMBER * width, rtol=1e-3)
    _, info = written(junction_pairs([alike()]), -1.0, 0.3 * smallest_share())
    assert info["pulses"] == info["writes"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coding": "log"}, "coding 'log' is not known"),
        ({"gain": 0.0}, "gain is 0.0; it must be positive"),
        ({"overdrive": -1.0}, "overdrive is -1.0"),
        ({"full_width": 0.0}, "full_width is 0.0"),
    ],
)
def test_impossible_codes(options, message):
    with pytest.raises(TrainError, match=message):
        PulseCode(**options)


def test_thermal_activation_ends_at_the_critical_drive():
    both = TwoDirections(LAWS["thermal"], LAWS["thermal"])
    with pytest.raises(TrainError, match=r"overdrive is 1\.5; a law of thermal activation ends"):
        chances(PulseCode(overdrive=1.5), both, both)


def test_what_cannot_be_written():
    with pytest.raises(
        TrainError, match="addressing 'all' is not known; choose one of both, first, unswitched"
    ):
        junction_pairs([alike()], addressing="all")
    with pytest.raises(TrainError, match="2 layers of junctions for a network with 1 arrays"):
        junction_pairs([alike(), alike()]).init(jax.random.key(0), layer(0.0))
    curve = LogisticSwitching(*map(jnp.asarray, (1.0, 0.1, 0.0, 1.0)))
    with pytest.raises(
        TrainError, match=r"LogisticSwitching says nothing of the width of a pulse.*thermal-directions"
    ):
        junction_pairs([alike(TwoDirections(curve, curve))])
