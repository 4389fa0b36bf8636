"""The junction as node noise: published constants, laws of telegraph noise (T5), memory, conversion from a fit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.devices.telegraph import ArrheniusTelegraph, DrivenTelegraph, TelegraphJunction
from charz.devices.telegraph_levels import ThreeLevelTelegraph
from charz.devices.tunnel_junction import JunctionNoise, junction_noise, published_junction
from charz.errors import CharzError

NODES, READS = 200, 3000
ASYMMETRIC = JunctionNoise(0.0, 0.01, 0.0005, flip_up=0.12, flip_down=0.03)
JUNCTIONS = {"published": published_junction(), "asymmetric": ASYMMETRIC}


draw = eqx.filter_jit(lambda source, *arguments: source.draw(*arguments))


def record(junction):
    volts, last = draw(junction, jax.random.key(1), junction.init(jax.random.key(0), NODES), READS, NODES)
    volts = np.asarray(volts, float)
    middle = float(junction.low + junction.separation / 2)
    high = volts > middle  # the levels are 13 or more standard deviations apart
    np.testing.assert_array_equal(high[-1], np.asarray(last.high) == 1)
    return volts, high


def test_published_constants():
    junction = published_junction()
    levels = junction.low + junction.separation * jnp.array([0, 1])
    np.testing.assert_allclose(levels, [36.1605e-3, 48.0237e-3], rtol=1e-5)
    assert float(junction.fraction_high()) == 0.5
    assert float(junction.correlation()) == pytest.approx(0.8382, rel=1e-6)
    assert -1 / np.log(float(junction.correlation())) == pytest.approx(5.67, abs=0.005)
    # Difference of two independent reads: rms 8.49 mV (paper's file, section 2).
    assert np.sqrt(2 * float(junction.variance())) == pytest.approx(8.49e-3, abs=0.005e-3)


@pytest.mark.parametrize("name", JUNCTIONS)
def test_levels_noise_and_flip_rates(name):
    junction = JUNCTIONS[name]
    volts, high = record(junction)
    for state, flip in ((False, junction.flip_up), (True, junction.flip_down)):
        level = float(junction.low + state * junction.separation)
        reads = volts[high == state] - level
        assert abs(reads.mean()) < 4 * float(junction.noise) / np.sqrt(reads.size)
        assert abs(reads.std() / float(junction.noise) - 1) < 4 / np.sqrt(2 * reads.size)
        left = high[1:][high[:-1] == state] != state
        assert abs(left.mean() - float(flip)) < 4 * np.sqrt(flip * (1 - flip) / left.size)


@pytest.mark.parametrize("name", JUNCTIONS)
def test_autocorrelation_is_a_power_of_rho(name):
    junction = JUNCTIONS[name]
    _, high = record(junction)
    share, rho = float(junction.fraction_high()), float(junction.correlation())
    centred = (high - share) / np.sqrt(share * (1 - share))
    for lag in (1, 2, 3, 5, 8, 13, 30):
        per_node = (centred[lag:] * centred[:-lag]).mean(0)
        error = per_node.std(ddof=1) / np.sqrt(NODES)
        assert abs(per_node.mean() - rho**lag) < 4 * error


@pytest.mark.parametrize("name", JUNCTIONS)
def test_dwells_are_geometric(name):
    junction = JUNCTIONS[name]
    _, high = record(junction)
    for state, flip in ((True, float(junction.flip_down)), (False, float(junction.flip_up))):
        dwells = []
        for trace in high.T:
            change = np.flatnonzero(np.diff(trace.astype(int))) + 1
            lengths, kinds = np.diff(change), trace[change[:-1]]
            # Long dwells are lost at the end of a record: those that begin early enough are all complete.
            dwells.append(lengths[(kinds == state) & (change[:-1] < READS - 10 / flip)])
        dwells = np.concatenate(dwells)
        edges = np.unique(stats.geom.ppf(np.linspace(0, 1, 21)[1:-1], flip))
        shares = np.diff(np.concatenate([[0], stats.geom.cdf(edges, flip), [1]]))
        counts = np.bincount(np.searchsorted(edges, dwells), minlength=len(shares))
        assert stats.chisquare(counts, shares * dwells.size).pvalue > 0.01


def test_nodes_are_independent():
    """Correlation between nodes stays within that of independent chains of the same memory."""
    volts, _ = record(published_junction())
    rho2 = 0.8382**2
    effective = READS * (1 - rho2) / (1 + rho2)
    correlation = np.corrcoef(volts.T)[np.triu_indices(NODES, 1)]
    assert abs((correlation**2).mean() * effective - 1) < 0.1
    assert np.abs(correlation).max() < 5.5 / np.sqrt(effective)


def test_the_state_goes_on_from_call_to_call():
    """Flips across the border between two calls are as rare as within one."""
    junction = published_junction()
    state = junction.init(jax.random.key(4), 20_000)
    before = np.asarray(state.high)
    for index in range(3):
        volts, state = draw(junction, jax.random.key(5 + index), state, 2, 20_000)
        flipped = (np.asarray(volts[0]) > 0.0421) != (before == 1)
        assert abs(flipped.mean() - 0.0809) < 4 * np.sqrt(0.0809 * 0.9191 / 20_000)
        before = np.asarray(state.high)


@pytest.mark.parametrize("interval", [1e-7, 5e-6, 1e-3])
def test_a_fitted_telegraph_at_any_read_interval(interval):
    """Probabilities over many small intervals, multiplied as matrices, are those of the interval."""
    telegraph = TelegraphJunction(*(jnp.asarray(v) for v in (1e-6, 2e-6, 1e-7, 1.2e4, 3e3)))
    noise = junction_noise(telegraph, interval, gain=1e4)
    np.testing.assert_allclose([noise.low, noise.separation, noise.noise], [0.01, 0.02, 0.001], rtol=1e-6)
    small = interval / 2**20
    step = np.array([[1 - 1.2e4 * small, 1.2e4 * small], [3e3 * small, 1 - 3e3 * small]])
    exact = np.linalg.matrix_power(step, 2**20)
    np.testing.assert_allclose([noise.flip_up, noise.flip_down], [exact[0, 1], exact[1, 0]], rtol=1e-5)
    assert float(noise.fraction_high()) == pytest.approx(0.8, rel=1e-5)


def test_the_published_telegraph_gives_the_published_junction():
    converted = junction_noise(TelegraphJunction.koenders2025(), 5e-6)
    for ours, published in zip(
        jax.tree.leaves(converted), jax.tree.leaves(published_junction()), strict=True
    ):
        assert float(ours) == pytest.approx(float(published), rel=1e-5)


def test_one_junction_a_node_in_every_draw():
    """Leaves (draw, nodes) as a posterior's new devices have them: each node has its own levels."""
    low = jnp.linspace(0, 1, 12).reshape(3, 4)
    filled = [jnp.full((3, 4), value) for value in (0.1, 1e-4, 1e4, 1e4)]
    noise = junction_noise(TelegraphJunction(low, *filled), 5e-6)

    def reads(noise, key):
        return noise.draw(key, noise.init(key, 4), 100, 4)[0]

    volts = jax.jit(jax.vmap(reads))(noise, jax.random.split(jax.random.key(0), 3))
    np.testing.assert_allclose(volts.min(1), low, atol=1e-3)
    np.testing.assert_allclose(volts.max(1), low + 0.1, atol=1e-3)


def test_a_device_that_follows_a_drive_or_temperature_stands_at_its_reference():
    telegraph = TelegraphJunction.koenders2025()
    reference = junction_noise(telegraph, 5e-6)
    for device in (
        DrivenTelegraph(telegraph, jnp.asarray(2.0), jnp.asarray(-2.0)),
        ArrheniusTelegraph(telegraph, jnp.asarray(12.0), jnp.asarray(12.0)),
    ):
        assert junction_noise(device, 5e-6).flip_up == reference.flip_up
    tilted = junction_noise(DrivenTelegraph(telegraph, 2.0, -2.0).at(0.5), 5e-6)
    assert float(tilted.fraction_high()) == pytest.approx(np.e**2 / (1 + np.e**2), rel=1e-4)


def test_what_is_no_junction_is_refused():
    telegraph = TelegraphJunction.koenders2025()
    with pytest.raises(CharzError, match="read_interval is 0; it must be positive"):
        junction_noise(telegraph, 0.0)
    with pytest.raises(CharzError, match="gain is -1; it must be positive"):
        junction_noise(telegraph, 5e-6, gain=-1.0)
    three = ThreeLevelTelegraph(*(jnp.asarray(1.0) for _ in range(10)))
    with pytest.raises(CharzError, match="ThreeLevelTelegraph; it must be a junction of two levels"):
        junction_noise(three, 5e-6)
