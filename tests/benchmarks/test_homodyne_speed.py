"""Speed and memory of homodyne gradients: 4 cases × 500 samples × 5 tones, against a NumPy loop of the same sums.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_homodyne_speed.py --benchmark-enable

writes the table anew. One extraction is one record of four cases and the gradient of the loss by five controls: all
of it with the simulated device, or from a record that is there. By default everything runs once, untimed.
"""

import os
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.datasets.logic import logic_voltages
from charz.devices.material import synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.learning.estimators.homodyne import gradient_from_record, homodyne
from charz.learning.rule import Batch
from charz.learning.set_losses import cor_sigmoid
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform, Wiring

TABLE = Path(__file__).parents[1] / "results" / "benchmark-homodyne.md"
TONES = Tones((200.0, 360.0, 520.0, 760.0, 920.0), (0.03, 0.02, 0.02, 0.01, 0.01), 0.05, 1e4)
WAVEFORM = Waveform(TONES, 0.0, 0.0)
WIRING = Wiring((0, 1), (2, 3, 4, 5, 6))
TARGET = np.array([0, 1, 1, 0])
NUMBER, CHUNK = 512, 16
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def device():
    return RecordedMaterial(jax.jit(synthetic_material)(jax.random.key(5)), 1e4)


@jax.jit
def simulate(keys, device, theta):
    """Gradients of many control settings, device and noise included, a chunk at a time."""
    estimator = homodyne(device.measure, WAVEFORM, WIRING)
    batch = Batch(jnp.asarray(logic_voltages(), jnp.float32), jnp.asarray(TARGET))

    def one(arguments):
        key, controls = arguments
        return estimator.estimate(key, controls, estimator.init(key, controls), batch)[0]

    return jax.lax.map(one, (keys, theta), batch_size=CHUNK)


@jax.jit
def extract(records):
    """Gradients from records that are there."""
    of_record = partial(gradient_from_record, target=TARGET, waveform=WAVEFORM, loss=cor_sigmoid())
    return jax.lax.map(lambda record: of_record(record).direction, records, batch_size=CHUNK)


def numpy_loop(records):
    """The same sums with NumPy, one record after another."""
    time = np.arange(500) / 1e4
    sines = np.sin(2 * np.pi * time[:, None] * np.array([200, 360, 520, 760, 920])).astype(np.float32)
    amplitudes = np.array([0.03, 0.02, 0.02, 0.01, 0.01], np.float32)
    wanted = TARGET - TARGET.mean()
    result = np.empty((len(records), 5))
    for index, record in enumerate(records):
        windows = record.reshape(4, 500)
        current = windows.mean(1)
        slopes = (windows - current[:, None]) @ sines * (2 / 500) / amplitudes
        amount = current * 1e9
        centred = amount - amount.mean()
        spread = np.sqrt((centred**2).mean())
        rho = (centred * wanted).mean() / (spread * wanted.std())
        of_rho = (wanted / (spread * wanted.std()) - rho * centred / spread**2) / 4
        high, low = np.where(TARGET == 1, amount, np.inf), np.where(TARGET == 1, -np.inf, amount)
        sigmoid = 1 / (1 + np.exp(-(high.min() - low.max() - 5) / 3))
        edge = np.zeros(4)
        edge[high.argmin()] += 1
        edge[low.argmax()] -= 1
        whole = sigmoid + 0.05
        of_current = (-of_rho * whole - (1.1 - rho) * sigmoid * (1 - sigmoid) / 3 * edge) / whole**2
        result[index] = of_current @ slopes * 1e9
    return result


@pytest.fixture(scope="module")
def records(device):
    theta = jax.random.uniform(jax.random.key(1), (NUMBER, 5), minval=-0.8, maxval=1.1)
    x = jnp.asarray(logic_voltages(), jnp.float32)

    def one(arguments):
        key, controls = arguments
        return device.measure(key, WAVEFORM.voltage(WIRING.levels(x, controls), WIRING.controls))

    keys = jax.random.split(jax.random.key(0), NUMBER)
    return keys, theta, jax.jit(lambda pairs: jax.lax.map(one, pairs, batch_size=CHUNK))((keys, theta))


def record_rate(benchmark, name):
    if benchmark.stats is not None:
        measured[name] = 60 * NUMBER / benchmark.stats.stats.min


@pytest.mark.benchmark(group="homodyne, 4 × 500 × 5")
def test_with_the_simulated_device(benchmark, device, records):
    keys, theta, _ = records
    call = lambda: jax.block_until_ready(simulate(keys, device, theta))  # noqa: E731
    call()
    found = benchmark.pedantic(call, rounds=5)
    assert found.shape == (NUMBER, 5)
    record_rate(benchmark, "charz, with the simulated device")


@pytest.mark.benchmark(group="homodyne, 4 × 500 × 5")
def test_from_records(benchmark, records):
    call = lambda: jax.block_until_ready(extract(records[2]))  # noqa: E731
    call()
    found = benchmark.pedantic(call, rounds=5)
    expected = numpy_loop(np.asarray(records[2]))
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    record_rate(benchmark, "charz, from records")


@pytest.mark.benchmark(group="homodyne, 4 × 500 × 5")
def test_numpy_loop(benchmark, records):
    host = np.asarray(records[2])
    benchmark.pedantic(numpy_loop, args=(host,), rounds=5)
    record_rate(benchmark, "NumPy loop, from records")


def test_memory_is_bounded_by_the_chunk(device, records):
    """What XLA reserves: the records of one chunk with their hidden units, however many settings there are."""
    keys, theta, _ = records

    def reserved(number):
        memory = simulate.lower(keys[:number], device, theta[:number]).compile().memory_analysis()
        return memory.temp_size_in_bytes / 2**20

    few, many = reserved(CHUNK), reserved(NUMBER)
    assert many <= 1.2 * few + 1
    measured["memory"] = many


def test_the_table_is_written():
    if "charz, from records" not in measured:
        pytest.skip("timings are taken with --benchmark-enable")
    rates = {name: rate for name, rate in measured.items() if name != "memory"}
    loop = rates["NumPy loop, from records"]
    assert rates["charz, with the simulated device"] > 0
    if os.environ.get("CHARZ_WRITE_RESULTS") != "1":
        return
    lines = "\n".join(f"| {name} | {rate:,.0f} | {rate / loop:.2f} |" for name, rate in rates.items())
    TABLE.write_text(
        f"""# Homodyne gradients a minute, 4 cases × 500 samples × 5 tones

Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_homodyne_speed.py --benchmark-enable`.
{NUMBER} control settings, {CHUNK} at a time, float32; the best of five rounds, all in one run, {os.cpu_count()} CPUs.
One extraction is the gradient of the loss by five controls from one record. The device is a material of two layers
of 40 units. XLA reserves {measured["memory"]:.1f} MB with the device, for any number of settings.

| what | a minute | of the NumPy loop |
|---|---|---|
{lines}
""",
        encoding="utf-8",
    )
