import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import erf

from charz.devices.material import MaterialSurrogate, noise_of, synthetic_material
from charz.errors import CharzError

VOLTAGE = np.random.default_rng(0).uniform(-0.9, 1.2, (50, 3))


def material(activation="tanh", clip=np.inf, **changes):
    generator = np.random.default_rng(1)
    leaves = {
        "hidden_weights": (generator.normal(size=(5, 3)), generator.normal(size=(4, 5))),
        "hidden_offsets": (generator.normal(size=5), generator.normal(size=4)),
        "output_weight": 1e-9 * generator.normal(size=4),
        "slope": 1e-9 * generator.normal(size=3),
        "intercept": 2e-9,
        "noise": 0.3e-9,
        "lowest": np.full(3, -0.9),
        "highest": np.array([1.2, 1.0, 1.0]),
        "clip": clip,
    }
    arrays = jax.tree.map(jnp.asarray, leaves | changes)
    return MaterialSurrogate(**arrays, activation=activation)


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("erf", erf)])
def test_current_is_the_formula(activation, function):
    device = material(activation)
    first, second = map(np.asarray, device.hidden_weights)
    hidden = function(
        function(VOLTAGE @ first.T + device.hidden_offsets[0]) @ second.T + device.hidden_offsets[1]
    )
    expected = 2e-9 + VOLTAGE @ np.asarray(device.slope) + hidden @ np.asarray(device.output_weight)
    np.testing.assert_allclose(device.current(VOLTAGE), expected, rtol=1e-4, atol=1e-14)
    assert device.current(VOLTAGE.reshape(5, 10, 3)).shape == (5, 10)
    assert device.current(VOLTAGE[0]).shape == ()


def test_without_layers_it_is_linear():
    device = material(hidden_weights=(), hidden_offsets=(), output_weight=np.zeros(0))
    expected = 2e-9 + VOLTAGE @ np.asarray(device.slope)
    np.testing.assert_allclose(device.current(VOLTAGE), expected, rtol=1e-4, atol=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "erf"])
def test_three_derivatives_agree_with_differences(activation):
    # The bias of homodyne gradients is the third derivative: it must be there.
    device = material(activation)
    with jax.enable_x64(True):
        device = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), device)
        direction = jnp.array([0.3, -0.5, 0.8])

        def along(step):
            return device.current(jnp.asarray(VOLTAGE[3]) + step * direction) * 1e9

        function = along
        for _ in range(3):
            slope = jax.grad(function)
            difference = (function(1e-5) - function(-1e-5)) / 2e-5
            np.testing.assert_allclose(slope(0.0), difference, rtol=1e-5, atol=1e-7)
            function = slope


def test_reads_scatter_about_the_current_with_the_stated_noise():
    device = material()
    voltage = np.broadcast_to(VOLTAGE[0], (20_000, 3))
    reads = np.asarray(device.read(jax.random.key(0), voltage), float)
    mean, sd = float(device.current(VOLTAGE[0])), float(device.noise)
    assert abs(reads.mean() - mean) < 4 * sd / np.sqrt(reads.size)
    assert abs(reads.std() / sd - 1) < 4 / np.sqrt(2 * reads.size)
    assert stats.kstest((reads - mean) / sd, "norm").pvalue > 1e-3


def test_the_key_fixes_a_read_and_another_key_changes_it():
    device = material()
    one, again, other = (device.read(jax.random.key(k), VOLTAGE) for k in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.any(np.asarray(one) == np.asarray(other))


def test_clipping_limits_reads_and_not_the_current():
    free, limited = material(), material(clip=1e-9)
    reads = np.asarray(limited.read(jax.random.key(0), VOLTAGE))
    unlimited = np.asarray(free.read(jax.random.key(0), VOLTAGE))
    np.testing.assert_array_equal(reads, np.clip(unlimited, -np.float32(1e-9), np.float32(1e-9)))
    assert np.array_equal(np.asarray(limited.clips(reads)), np.abs(unlimited) >= np.float32(1e-9))
    assert np.asarray(limited.clips(reads)).any()
    np.testing.assert_array_equal(limited.current(VOLTAGE), free.current(VOLTAGE))
    assert not np.asarray(free.clips(unlimited)).any()


def test_voltages_are_brought_into_the_range_of_each_electrode():
    device = material()
    far = np.array([[2.0, -3.0, 0.5], [0.0, 1.1, 0.0]])
    np.testing.assert_allclose(device.project(far), [[1.2, -0.9, 0.5], [0.0, 1.0, 0.0]], rtol=1e-6)
    assert list(
        np.asarray(device.inside(np.array([[0.1, 0.2, 0.3], [2.0, 0.0, 0.0], [0.0, 0.0, -1.0]])))
    ) == [
        True,
        False,
        False,
    ]


def test_a_leading_draw_axis_is_for_vmap():
    draws = [material(intercept=value) for value in (1e-9, 2e-9, 3e-9)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)
    together = eqx.filter_vmap(lambda device: device.current(VOLTAGE))(stacked)
    for row, device in zip(together, draws, strict=True):
        np.testing.assert_allclose(row, device.current(VOLTAGE), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lowest": np.zeros(2)}, r"have \[3, 2, 3\] electrodes"),
        (
            {"hidden_offsets": (np.zeros(5), np.zeros(3))},
            r"hidden layer 1 has weights \(4, 5\) and 3 offsets",
        ),
        ({"hidden_weights": (np.zeros((5, 2)), np.zeros((4, 5)))}, r"must be \(units, 3\)"),
        ({"output_weight": np.zeros(3)}, "3 output weights"),
        ({"hidden_offsets": (np.zeros(5),)}, "2 layers of weights, 1 of offsets"),
        ({"activation": "relu"}, "activation 'relu' is not known"),
    ],
)
def test_leaves_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(CharzError, match=words):
        material(**changes)


def test_noise_of_a_spectral_density():
    # White noise: one-sided density times half the sampling rate is the variance.
    assert noise_of(2e-22, 10_000) == pytest.approx(1e-9)
    generator = np.random.default_rng(2)
    samples = generator.normal(0, noise_of(3e-4, 1000.0), 2**14)
    power = (np.abs(np.fft.rfft(samples)) ** 2)[1:-1] * 2 / (samples.size * 1000.0)
    assert abs(power.mean() / 3e-4 - 1) < 4 / np.sqrt(power.size)


@pytest.mark.parametrize(("density", "rate"), [(-1e-9, 1.0), (1.0, 0.0)])
def test_impossible_noise_is_refused(density, rate):
    with pytest.raises(CharzError, match="the density must be at least 0 and the rate above 0"):
        noise_of(density, rate)


def test_a_synthetic_material_has_the_published_scales_and_folds():
    device = synthetic_material(jax.random.key(1))
    voltage = np.random.default_rng(3).uniform(-0.9, 1.2, (4000, 7))
    current = np.asarray(device.current(voltage))
    # 1 % beyond the scale: binomial standard error 0.16 %, twice (its scale has one, too).
    assert abs(np.mean(np.abs(current) > 15e-9) - 0.01) < 4 * 0.0016 * np.sqrt(2)
    assert np.asarray(device.inside(voltage)).all()
    slopes = np.asarray(jax.vmap(jax.grad(device.current))(jnp.asarray(voltage[:500], jnp.float32)))
    assert ((slopes > 0).mean(0) > 0.02).all()
    assert ((slopes < 0).mean(0) > 0.02).all()
    other = synthetic_material(jax.random.key(2), num_electrodes=3, num_units=10, noise=0.0, clip=1e-8)
    assert other.slope.shape == (3,)
    np.testing.assert_array_equal(
        other.read(jax.random.key(0), VOLTAGE), jnp.clip(other.current(VOLTAGE), -1e-8, 1e-8)
    )
