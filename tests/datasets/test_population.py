import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.datasets import WirePopulation, count_passes, draw_wires, simulate_population
from charz.devices import LogisticSwitching, mean_wire

AMPLITUDE = jnp.linspace(2.63, 6.63, 5)
POPULATION = WirePopulation.around_mean_wire(0.3, 0.2, 0.4)


def test_population_is_centred_on_the_mean_wire():
    wire = mean_wire()
    assert float(POPULATION.location_mean) == pytest.approx(4.63168, rel=1e-6)
    assert float(jnp.exp(POPULATION.log_width_mean)) == pytest.approx(1 / 2.72741, rel=1e-6)
    assert float(jax.nn.sigmoid(POPULATION.logit_floor_mean)) == pytest.approx(float(wire.floor), rel=1e-5)


def test_drawn_wires_follow_the_population():
    # Kolmogorov-Smirnov with a fixed key; 4000 wires, p > 0.001 for each of three exact laws.
    law = draw_wires(jax.random.key(11), POPULATION, (4000,))
    linked = {
        "location": np.asarray(law.location),
        "log_width": np.log(law.width),
        "logit_floor": np.log(law.floor / (1 - law.floor)),
    }
    for name, values in linked.items():
        mean, sd = (float(getattr(POPULATION, f"{name}_{what}")) for what in ("mean", "sd"))
        assert stats.kstest(values, "norm", args=(mean, sd)).pvalue > 1e-3, name
    independent = np.corrcoef(list(linked.values()))[np.triu_indices(3, 1)]
    assert np.abs(independent).max() < 4 / np.sqrt(4000)
    np.testing.assert_array_equal(law.ceiling, 1.0)


def test_no_spread_gives_identical_wires():
    law = draw_wires(jax.random.key(0), WirePopulation.around_mean_wire(0.0, 0.0, 0.0), (3,))
    for name in ("location", "width", "floor"):
        np.testing.assert_allclose(getattr(law, name), float(getattr(mean_wire(), name)), rtol=1e-5)


@pytest.mark.parametrize("num_trials", [1, 7, 20])
def test_counts_are_binomial(num_trials):
    # 3000 identical wires at 5 settings: chi-squared against the exact probabilities, p > 0.001, fixed key.
    num_wires = 3000
    wire = mean_wire()
    law = LogisticSwitching(*(jnp.full(num_wires, leaf) for leaf in jax.tree.leaves(wire)))
    counts = np.asarray(count_passes(jax.random.key(5), law, AMPLITUDE, num_trials))
    assert counts.shape == (num_wires, len(AMPLITUDE))
    assert counts.dtype == np.int32
    assert counts.min() >= 0
    assert counts.max() <= num_trials
    for column, drive in zip(counts.T, AMPLITUDE, strict=True):
        exact = stats.binom(num_trials, float(wire.probability(drive)))
        error = (column.mean() - exact.mean()) / (exact.std() / np.sqrt(num_wires))
        assert abs(error) < 4
        expected = num_wires * exact.pmf(np.arange(num_trials + 1))
        found = np.bincount(column, minlength=num_trials + 1)
        common = expected >= 5
        expected = np.append(expected[common], expected[~common].sum())
        found = np.append(found[common], found[~common].sum())
        if len(expected) > 2:
            keep = expected > 0
            assert stats.chisquare(found[keep], expected[keep], sum_check=False).pvalue > 1e-3


def test_simulation_vmaps_over_truths():
    spreads = jnp.asarray([0.0, 0.5])
    populations = jax.vmap(lambda sd: POPULATION._replace(location_sd=sd))(spreads)
    keys = jax.random.split(jax.random.key(2), 2)

    def simulate(key, population):
        return simulate_population(key, population, AMPLITUDE, num_wires=50, num_trials=10)

    law, counts = jax.jit(jax.vmap(simulate))(keys, populations)
    assert counts.shape == (2, 50, 5)
    assert law.location.shape == law.width.shape == law.floor.shape == law.ceiling.shape == (2, 50)
    np.testing.assert_allclose(law.location[0], 4.63168, rtol=1e-6)
    # sd of the sample sd of 50 is 10 %
    assert float(law.location[1].std()) == pytest.approx(0.5, rel=0.4)
    alone = simulate(keys[1], jax.tree.map(lambda leaf: leaf[1], populations))[1]
    np.testing.assert_array_equal(counts[1], alone)


def test_wires_and_trials_have_their_own_randomness():
    def simulate(num_trials):
        return simulate_population(
            jax.random.key(0), POPULATION, AMPLITUDE, num_wires=8, num_trials=num_trials
        )

    # the wires do not change with the number of trials: their randomness is their own
    (law, counts), (same, fewer) = simulate(16), simulate(8)
    np.testing.assert_array_equal(law.location, same.location)
    assert not np.array_equal(counts, 2 * fewer)


def test_double_precision():
    with jax.enable_x64(True):
        population = WirePopulation(*(jnp.asarray(float(leaf), jnp.float64) for leaf in POPULATION))
        law, counts = simulate_population(
            jax.random.key(0), population, jnp.asarray(AMPLITUDE, jnp.float64), num_trials=10
        )
        assert law.location.dtype == jnp.float64
        assert counts.dtype == jnp.int32
