"""The laws of homodyne derivatives: exact, biased, noisy and leaking just as theory says (Boon et al. 2025)."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.material import MaterialSurrogate, noise_of, synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.errors import TrainError
from charz.learning.demodulation import calibrate_delay, derivatives, measure_derivatives, quadratures
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform

RATE = 1e4
DENSITY = 1e-23  # A²/Hz: 1e-5 nA²/Hz
AUTHORS = (0.05, 0.03, 0.03, 0.02, 0.02, 0.01, 0.01)  # V, their quantitative comparison
MULTIPLES = (31, 33, 37, 45, 55, 71, 91)  # no hit of second or third order
KEY = jax.random.key(0)


def tones(multiples, amplitudes, base=20.0, window=0.05, **options):
    return Tones(tuple(base * multiple for multiple in multiples), tuple(amplitudes), window, RATE, **options)


def measured(current, voltage, chosen, delay=0.0, **waveform):
    """Derivatives of a black box at one point, in double precision and without noise."""
    with jax.enable_x64(True):
        levels = jnp.asarray(np.atleast_2d(voltage), jnp.float64)
        controls = tuple(range(len(chosen.frequencies)))
        return np.asarray(
            measure_derivatives(
                KEY, lambda key, v: current(v), Waveform(chosen, **waveform), levels, controls, delay=delay
            )
        )


def linear_material(noise=0.0, electrodes=7):
    slope = 1e-9 * np.arange(-3.0, electrodes - 3.0)
    return MaterialSurrogate(
        (), (), jnp.zeros(0), jnp.asarray(slope, jnp.float32), jnp.asarray(2e-9), jnp.asarray(noise),
        jnp.full(electrodes, -1.0), jnp.full(electrodes, 1.0),
    )  # fmt: skip


def test_a_linear_device_is_exact():
    slope = 1e-9 * np.array([4.0, -3.0, 0.5, 0.0, 10.0])
    points = np.random.default_rng(0).uniform(-0.9, 1.2, (4, 5))
    found = measured(
        lambda v: 3e-9 + v @ slope, points, tones((5, 9, 13, 19, 23), (0.03, 0.01, 0.01, 0.005, 0.005), 40.0)
    )
    np.testing.assert_allclose(found, np.broadcast_to(slope, (4, 5)), rtol=1e-9, atol=1e-18)


def test_single_precision_is_enough_at_the_smallest_amplitudes():
    # The mean is subtracted first; what is left is rounding of voltages of 1 V, 6e-8, against 5 mV over 500 samples.
    slope = jnp.asarray(1e-9 * np.array([4.0, -3.0, 0.5, 10.0]), jnp.float32)
    chosen = tones((13, 15, 19, 27), (0.005,) * 4)
    found = measure_derivatives(
        KEY, lambda key, v: 3e-9 + v @ slope, Waveform(chosen), jnp.ones((1, 4)), (0, 1, 2, 3)
    )
    np.testing.assert_allclose(found[0], slope, atol=2e-5 * 1e-8)


def test_numpy_records_take_the_same_way():
    chosen = tones((5, 9), (0.03, 0.02))
    record = np.random.default_rng(1).normal(0, 1e-9, (3, 500))
    for demodulation in ("in-phase", "signed-magnitude"):
        measured_by_instrument = derivatives(record, chosen, 1e-4, demodulation)
        assert measured_by_instrument.dtype == np.float64
        simulated = derivatives(jnp.asarray(record, jnp.float32), chosen, 1e-4, demodulation)
        np.testing.assert_allclose(simulated, measured_by_instrument, rtol=1e-3, atol=1e-12)


def test_the_bias_of_a_cubic_is_an_eighth_of_the_amplitude_squared():
    chosen = tones((5,), (0.05,))
    for point in (-0.4, 0.0, 0.7):
        (found,) = measured(lambda v: v[:, 0] ** 3, [point], chosen)[0]
        assert found - 3 * point**2 == pytest.approx(0.05**2 / 8 * 6, rel=1e-2)


def test_a_neighbour_biases_by_a_quarter_of_its_amplitude_squared():
    chosen = tones((13, 19), (0.02, 0.06))
    found = measured(lambda v: v[:, 0] * v[:, 1] ** 2, [0.3, 0.5], chosen)[0]
    assert found[0] - 0.25 == pytest.approx(0.06**2 / 4 * 2, rel=1e-2)
    assert found[1] - 2 * 0.3 * 0.5 == pytest.approx(0.0, abs=1e-9)


# Amplitudes of electrodes a, b, c and of the tone that is hit.
A, B, C, K = 0.05, 0.04, 0.03, 0.02


@pytest.mark.parametrize(
    ("multiples", "amplitudes", "current", "expected"),
    [
        # f_k = f_a + f_b - f_c; a + b + c; 2a - c; 2a + c; 3a. The electrode of the last tone does nothing.
        ((5, 15, 9, 11), (A, B, C, K), lambda v: v[:, 0] * v[:, 1] * v[:, 2], A * B * C / (4 * K)),
        ((5, 7, 9, 21), (A, B, C, K), lambda v: v[:, 0] * v[:, 1] * v[:, 2], -A * B * C / (4 * K)),
        ((13, 9, 17), (A, C, K), lambda v: v[:, 0] ** 2 * v[:, 1], A**2 * C / (8 * K) * 2),
        ((5, 9, 19), (A, C, K), lambda v: v[:, 0] ** 2 * v[:, 1], -(A**2) * C / (8 * K) * 2),
        ((5, 15), (A, K), lambda v: v[:, 0] ** 3, -(A**3) / (24 * K) * 6),
    ],
)
def test_products_of_third_order_hit_with_their_sign(multiples, amplitudes, current, expected):
    found = measured(current, [0.0] * len(multiples), tones(multiples, amplitudes))[0]
    assert found[-1] == pytest.approx(expected, rel=1e-2)


def test_products_of_second_order_are_in_quadrature_and_need_even_sets():
    def response(multiples):
        chosen = tones(multiples, (0.05, 0.04, 0.01))
        with jax.enable_x64(True):
            waveform = Waveform(chosen)
            voltage = waveform.voltage(jnp.zeros((1, 3), jnp.float64), (0, 1, 2))
            windows = waveform.windows(voltage[:, 0] * voltage[:, 1], 1)
            return [np.asarray(part)[0, 2] for part in quadratures(windows, chosen)]

    in_phase, quadrature = response((2, 3, 5))
    assert abs(in_phase) < 1e-12
    # sin a sin b has -½ cos(a + b).
    assert quadrature == pytest.approx(-0.05 * 0.04 / 2, rel=1e-6)
    assert np.abs(response((5, 9, 13))).max() < 1e-12


def test_unfinished_periods_leak_as_a_sinc():
    def leak(window, second):
        chosen = Tones((200.0, second), (0.03, 0.03), window, RATE, orthogonal=False)
        # Only the second electrode conducts: what the first one shows has leaked.
        return measured(lambda v: v[:, 1], [0.0, 0.0], chosen)[0, 0]

    for window, second in itertools.product((0.1, 0.4), (212.5, 217.5, 233.75)):
        difference, total = (second - 200) * window, (second + 200) * window
        # (2/T)∫ sin sin; the mean of the window, subtracted, takes out less than the second line allows for.
        expected = np.sinc(2 * difference) - np.sinc(2 * total)
        assert leak(window, second) == pytest.approx(expected, abs=2 / (np.pi * 200 * window) ** 2 + 1e-3)
        assert abs(leak(window, second)) < 1 / (np.pi * difference) + 0.01
    assert abs(leak(0.1, 212.5)) > 1e-3
    assert abs(leak(0.1, 210.0)) < 1e-9


@pytest.mark.parametrize("corner", [0.0, 400.0])
def test_noise_follows_the_spectral_density(corner):
    amplitudes = (0.03, 0.02, 0.01)
    chosen = tones((5, 19, 71), amplitudes, 40.0)
    recorded = RecordedMaterial.with_density(
        linear_material(electrodes=3), DENSITY, RATE, corner_frequency=corner
    )
    cases = 800
    levels = jnp.zeros((cases, 3))
    found = jax.jit(
        lambda key: measure_derivatives(key, recorded.measure, Waveform(chosen, 0.0, 0.0), levels, (0, 1, 2))
    )(KEY)
    density = np.asarray(recorded.spectral_density(np.asarray(chosen.frequencies)))
    expected = np.sqrt(density / chosen.window) / np.asarray(amplitudes)
    spread = np.asarray(found).std(0)
    np.testing.assert_allclose(spread / expected, 1, atol=0.15)
    bias = np.asarray(found).mean(0) - np.asarray(recorded.material.slope)
    assert np.all(np.abs(bias) < 4 * spread / np.sqrt(cases))
    if corner == 0:
        np.testing.assert_allclose(
            expected, noise_of(DENSITY, RATE) * np.sqrt(2 / 500) / np.asarray(amplitudes), rtol=1e-5
        )


def test_the_magnitude_of_nothing_is_not_nothing():
    sigma, amplitude, cases = 0.5e-9, 0.01, 4000
    chosen = tones((9,), (amplitude,))
    noise = np.random.default_rng(2).normal(0, sigma, (cases, 500))
    of_slope = sigma / amplitude * np.sqrt(2 / 500)
    in_phase = derivatives(noise, chosen)
    assert abs(in_phase.mean()) < 4 * of_slope / np.sqrt(cases)
    magnitude = np.abs(derivatives(noise, chosen, demodulation="signed-magnitude"))
    error = of_slope * np.sqrt((2 - np.pi / 2) / cases)
    assert abs(magnitude.mean() - of_slope * np.sqrt(np.pi / 2)) < 4 * error
    # Far from zero both agree, sign included.
    time = np.arange(500) / RATE
    signal = noise[:50] - 2e-9 * np.sin(2 * np.pi * 180 * time)
    assert np.all(derivatives(signal, chosen, demodulation="signed-magnitude") < 0)
    np.testing.assert_allclose(
        derivatives(signal, chosen, demodulation="signed-magnitude"), derivatives(signal, chosen), rtol=0.02
    )


def delayed(current, samples):
    """A set-up that shows every current some samples late."""
    return lambda v: current(v)[np.maximum(np.arange(v.shape[0]) - samples, 0)]


def test_a_calibrated_delay_restores_the_derivatives():
    slope = 1e-9 * np.array([4.0, -3.0, 1.5])
    chosen = tones((5, 9, 13), (0.03, 0.02, 0.02), 40.0)
    device = delayed(lambda v: v @ slope, 7)
    found = measured(device, [0.1, 0.2, 0.3], chosen, settle=1e-3)[0]
    phases = 2 * np.pi * np.asarray(chosen.frequencies) * 7e-4
    np.testing.assert_allclose(found, slope * np.cos(phases), rtol=1e-9)
    restored = measured(device, [0.1, 0.2, 0.3], chosen, delay=7e-4, settle=1e-3)[0]
    np.testing.assert_allclose(restored, slope, rtol=1e-9)
    # Calibrated from a noisy record, both signs of slope in it.
    waveform = Waveform(chosen, settle=1e-3)
    clean = np.asarray(device(waveform.voltage(jnp.zeros((4, 3)), (0, 1, 2))))
    generator, sigma = np.random.default_rng(3), 0.05e-9
    delays = [
        calibrate_delay(waveform.windows(clean + generator.normal(0, sigma, clean.size), 4), chosen)
        for _ in range(30)
    ]
    # Fisher information of a phase: sd⁻² = Σ (2πf R)² / σ_X², σ_X² = 2σ²/N, over 4 cases.
    strength = (2 * np.pi * np.asarray(chosen.frequencies) * slope * np.asarray(chosen.amplitudes)) ** 2
    sd = sigma * np.sqrt(2 / 500) / np.sqrt(4 * strength.sum())
    assert abs(np.mean(delays) - 7e-4) < 4 * sd / np.sqrt(30)
    assert np.std(delays) == pytest.approx(sd, rel=4 / np.sqrt(60))


def test_the_mean_of_each_case_is_its_own():
    slope = 1e-9 * np.array([1.0, 2.0])
    chosen = tones((5, 9), (0.03, 0.02), window=0.05)
    alone = measured(lambda v: v @ slope, [0.3, -0.2], chosen)
    # Other cases, and their distance in current, change nothing: 1 µA apart.
    together = measured(lambda v: v @ slope + 1e-6 * (v[:, 0] > 0.5), [[0.3, -0.2], [0.9, -0.2]], chosen)
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-9)
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-6)


@pytest.fixture(scope="module")
def comparison():
    """1000 random points on a smooth device: derivatives in parallel, and by autodiff, in A/V."""
    material = synthetic_material(jax.random.key(1))
    recorded = RecordedMaterial.with_density(material, DENSITY, RATE)
    points = jnp.asarray(np.random.default_rng(0).uniform(-0.5, 1.2, (20, 50, 7)), jnp.float32)
    exact = np.asarray(jax.vmap(jax.grad(material.current))(points.reshape(-1, 7)), float)

    def measure(amplitudes, seed, controls=tuple(range(7)), portions=20):
        chosen = tones([MULTIPLES[k] for k in controls], [amplitudes[k] for k in controls], 10.0, 0.1)
        waveform = Waveform(chosen, 0.0, 0.0)

        def portion(arguments):
            return measure_derivatives(arguments[0], recorded.measure, waveform, arguments[1], controls)

        keys = jax.random.split(jax.random.key(seed), portions)
        found = jax.jit(lambda keys, points: jax.lax.map(portion, (keys, points)))(keys, points[:portions])
        return np.asarray(found, float).reshape(-1, len(controls))

    return measure, exact


def test_derivatives_agree_with_autodiff_at_a_thousand_points(comparison):
    measure, exact = comparison
    found = measure(AUTHORS, 1)
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] >= 0.99
    expected = np.sqrt(DENSITY / 0.1) / np.asarray(AUTHORS)
    np.testing.assert_allclose((found - exact).std(0) / expected, 1, atol=0.15)


def test_smaller_amplitudes_correlate_as_the_noise_predicts(comparison):
    measure, exact = comparison
    amplitudes = np.array([0.03, 0.02, 0.02, 0.01, 0.01, 0.005, 0.005])
    found = measure(tuple(amplitudes.tolist()), 2)
    noise = (DENSITY / 0.1 / amplitudes**2).mean()
    expected = np.sqrt(exact.var() / (exact.var() + noise))
    # Standard error of a correlation, (1 - r²)/√n.
    assert abs(np.corrcoef(found.ravel(), exact.ravel())[0, 1] - expected) < 4 * (1 - expected**2) / np.sqrt(
        7000
    )
    assert expected < 0.99


def test_parallel_and_sequential_derivatives_lie_on_the_diagonal(comparison):
    measure, _ = comparison
    chosen = [0, 3, 6]
    parallel = measure(AUTHORS, 3, portions=8)[:, chosen]
    sequential = np.concatenate([measure(AUTHORS, 10 + k, (k,), portions=8) for k in chosen], axis=1)
    # Both are noisy alike, so neither is the abscissa: the main axis of the cloud (orthogonal regression).
    spread = np.cov(parallel.ravel() * 1e9, sequential.ravel() * 1e9)
    axis = np.linalg.eigh(spread)[1][:, -1]
    assert abs(axis[1] / axis[0] - 1) < 0.02


def test_memory_of_the_device_is_noticed():
    """Negative test: with a slow state, derivatives under fast tones are not those of slow voltages."""
    share, time = 0.4, 0.05
    slow = RecordedMaterial(linear_material(), RATE, memory_time=time, memory_share=share)
    chosen = tones(MULTIPLES, AUTHORS, 10.0, 0.1)
    found = measure_derivatives(
        KEY, slow.measure, Waveform(chosen, settle=0.1), jnp.zeros((2, 7)), tuple(range(7))
    )
    exact = np.asarray(slow.material.slope)
    ratio = np.asarray(found)[:, exact != 0] / exact[exact != 0]
    # First-order low-pass: 1 - m + m/(1 + (2πfτ)²), far from the 1 ± 0.02 of a device without memory.
    omega = 2 * np.pi * np.asarray(chosen.frequencies)[exact != 0] * time
    np.testing.assert_allclose(
        ratio, np.broadcast_to(1 - share + share / (1 + omega**2), ratio.shape), atol=0.01
    )
    assert np.all(np.abs(ratio - 1) > 0.02)


def test_unknown_ways_and_silent_records_are_refused():
    chosen = tones((5, 9), (0.03, 0.02))
    with pytest.raises(TrainError, match="demodulation 'magic' is not known"):
        derivatives(np.zeros((1, 500)), chosen, demodulation="magic")
    with pytest.raises(TrainError, match="does not oscillate at any tone"):
        calibrate_delay(np.zeros((4, 500)), chosen)
