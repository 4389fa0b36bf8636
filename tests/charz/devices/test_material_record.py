from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from charz.devices.material import noise_of, synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.errors import CharzError

RATE = 10_000.0
DENSITY = 1e-23  # A²/Hz, that is 1e-5 nA²/Hz


# Compiled as a whole: operation by operation the first call takes several times as long.
make_material = jax.jit(partial(synthetic_material, num_units=8))
record_of = jax.jit(lambda recorded, key, voltage: recorded.measure(key, voltage))


def device(clip=np.inf, density=DENSITY, **options):
    material = eqx.tree_at(lambda one: one.clip, make_material(jax.random.key(1)), jnp.asarray(clip))
    return RecordedMaterial.with_density(material, density, RATE, **options)


def still(samples, level=0.3):
    return jnp.full((samples, 7), level)


def test_without_noise_and_memory_the_record_is_the_current():
    voltage = jnp.asarray(np.random.default_rng(0).uniform(-0.9, 1.2, (50, 7)), jnp.float32)
    quiet = device(density=0.0)
    record = record_of(quiet, jax.random.key(0), voltage)
    np.testing.assert_allclose(record, quiet.material.current(voltage), rtol=1e-5, atol=1e-14)


def test_noise_is_white_with_the_stated_density_and_fresh_in_every_sample():
    recorded = device()
    noise = record_of(recorded, jax.random.key(0), still(2**14)) - recorded.material.current(still(1))[0]
    noise = np.asarray(noise, float)
    assert abs(noise.std() / noise_of(DENSITY, RATE) - 1) < 4 / np.sqrt(2 * noise.size)
    assert stats.kstest(noise / noise_of(DENSITY, RATE), "norm").pvalue > 1e-3
    neighbours = np.corrcoef(noise[1:], noise[:-1])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(noise.size)
    assert not np.any(
        record_of(recorded, jax.random.key(1), still(100))
        == record_of(recorded, jax.random.key(0), still(100))
    )


def test_one_over_f_noise_has_the_stated_spectrum():
    recorded = device(corner_frequency=300.0)
    mean = recorded.material.current(still(1))[0]
    size, records = 4096, 64
    measure = jax.jit(jax.vmap(lambda key: recorded.measure(key, still(size)) - mean))
    noise = np.asarray(measure(jax.random.split(jax.random.key(2), records)), float)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(0) * 2 / (size * RATE)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    for low, high in ((2, 10), (20, 100), (200, 1000), (1000, 2000)):
        band = slice(low, high)
        ratio = power[band] / np.asarray(recorded.spectral_density(frequency[band]))
        # Each value is exponential, an average over the records: relative standard error 1/√(records × bins).
        assert abs(ratio.mean() - 1) < 4 / np.sqrt(records * (high - low))
    assert float(recorded.spectral_density(300.0)) == pytest.approx(2 * DENSITY, rel=1e-5)


def test_the_amplifier_clips_after_the_noise():
    limited = device(clip=2e-9)
    voltage = jnp.asarray(np.random.default_rng(0).uniform(-0.9, 1.2, (500, 7)), jnp.float32)
    free = record_of(device(), jax.random.key(0), voltage)
    limit = np.float32(2e-9)
    np.testing.assert_array_equal(
        record_of(limited, jax.random.key(0), voltage), np.clip(np.asarray(free), -limit, limit)
    )


def loop_area(recorded):
    """Area between the way up and the way down of a slow triangle, in V A."""
    up = np.linspace(-0.5, 0.5, 500)
    voltage = np.tile(np.concatenate([up, up[::-1]])[:, None], (1, 7)).astype(np.float32)
    record = np.asarray(record_of(recorded, jax.random.key(0), jnp.asarray(voltage)), float)
    return np.trapezoid(np.abs(record[:500] - record[500:][::-1]), up)


def test_memory_opens_a_loop_and_forgets_where_it_started():
    with_memory = device(density=0.0, memory_time=0.02, memory_share=0.5)
    without = device(density=0.0)
    assert loop_area(without) < 1e-3 * loop_area(with_memory)
    # At rest from the first sample on: nothing happens until the voltage changes, and a step settles.
    step = jnp.concatenate([still(100, 0.1), still(4000, 0.4)])
    record = np.asarray(record_of(with_memory, jax.random.key(0), step))
    before, after = (float(without.material.current(still(1, level))[0]) for level in (0.1, 0.4))
    np.testing.assert_allclose(record[:100], before, rtol=1e-5)
    assert record[-1] == pytest.approx(after, rel=1e-4)
    half_way = float(without.material.current(still(1, 0.25))[0])
    assert record[100] == pytest.approx(half_way, rel=0.05)


def test_the_late_part_approaches_with_its_time_constant():
    linear = eqx.tree_at(
        lambda recorded: (recorded.material.output_weight, recorded.material.slope),
        device(density=0.0, memory_time=0.01, memory_share=0.3),
        (jnp.zeros(8), jnp.full(7, 1e-9)),
    )
    record = np.asarray(
        record_of(linear, jax.random.key(0), jnp.concatenate([still(1, 0.0), still(400, 1.0)])), float
    )
    time = np.arange(1, 401) / RATE
    np.testing.assert_allclose(record[1:], 7e-9 * (1 - 0.3 * np.exp(-time / 0.01)), rtol=1e-4)


def test_draws_are_recorded_together():
    materials = [make_material(jax.random.key(seed)) for seed in range(3)]
    stacked = RecordedMaterial.with_density(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *materials), DENSITY, RATE, corner_frequency=10.0
    )
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.jit(jax.vmap(lambda one, key: one.measure(key, still(64))))(stacked, keys)
    for row, material, key in zip(together, materials, keys, strict=True):
        alone = RecordedMaterial.with_density(material, DENSITY, RATE, corner_frequency=10.0)
        np.testing.assert_allclose(row, record_of(alone, key, still(64)), rtol=1e-4, atol=1e-13)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampling_rate": 0.0}, "sampling_rate is 0.0 Hz"),
        ({"sampling_rate": np.inf}, "must be positive and finite"),
        ({"corner_frequency": -1.0}, "corner_frequency is -1.0 Hz"),
        ({"memory_time": np.nan}, "memory_time is nan s"),
        ({"memory_share": 1.5}, "memory_share is 1.5"),
    ],
)
def test_impossible_records_are_refused(options, words):
    material = make_material(jax.random.key(0))
    with pytest.raises(CharzError, match=words):
        RecordedMaterial(material, **{"sampling_rate": RATE} | options)
