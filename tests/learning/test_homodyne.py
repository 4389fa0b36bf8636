"""The homodyne estimator: from records alone, in JAX or not, within ranges, and aware of the amplifier's limit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.material import synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.errors import TrainError
from charz.learning.estimators.homodyne import gradient_from_record, homodyne
from charz.learning.estimators.material_oracle import material_oracle
from charz.learning.gate_reading import GateCriterion, GateReading, read_gate
from charz.learning.gates import step_rule
from charz.learning.rule import Batch, join
from charz.learning.set_losses import cor_sigmoid, corrsig
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform, Wiring
from charz.learning.writes.electrodes import electrodes

RATE = 1e4
TONES = Tones((260.0, 300.0, 380.0, 540.0, 740.0), (0.01,) * 5, 0.05, RATE)
WAVEFORM = Waveform(TONES, slope=0.001, ramp=0.001)
WIRING = Wiring((0, 1), (2, 3, 4, 5, 6))
X = jnp.asarray([[-0.9, -0.9], [-0.9, 0.9], [0.9, -0.9], [0.9, 0.9]])
XOR = Batch(X, jnp.asarray([0, 1, 1, 0]))
THETA = jnp.asarray([0.2, -0.3, 0.5, 0.1, -0.1])
KEY = jax.random.key(0)


# Compiled as a whole: operation by operation the first call takes twice as long.
make_material = jax.jit(synthetic_material)


def device(noise=0.0, clip=np.inf, seed=5):
    material = make_material(jax.random.key(seed))
    limits = jnp.asarray(noise), jnp.asarray(clip)
    return RecordedMaterial(eqx.tree_at(lambda one: (one.noise, one.clip), material, limits), RATE)


def estimate(estimator, theta=THETA, key=KEY):
    # Compiled as a whole: operation by operation the first call takes several times as long.
    return jax.jit(lambda theta, key: estimator.estimate(key, theta, estimator.init(key, theta), XOR))(
        theta, key
    )


@pytest.mark.parametrize("loss", [cor_sigmoid(), corrsig()], ids=["cor_sigmoid", "corrsig"])
def test_the_direction_is_the_gradient_of_the_loss(loss):
    quiet = device()
    found, _, info = estimate(homodyne(quiet.measure, WAVEFORM, WIRING, loss))

    def of_loss(theta):
        return loss(quiet.material.current(WIRING.levels(X, theta)), XOR.y)[0]

    exact = jax.jit(jax.grad(of_loss))(THETA)
    # Bias A²/8 f''' and A²/4 of the neighbours: 1e-4 V² of tones against a volt of the device's scale.
    np.testing.assert_allclose(found, exact, atol=0.01 * float(jnp.abs(exact).max()))
    assert float(info["loss"]) == pytest.approx(float(of_loss(THETA)), rel=1e-2)
    assert float(info["reads"]) == WAVEFORM.num_samples(4) == 2 * 10 + 4 * 500 + 3 * 10


def test_the_oracle_differentiates_the_same_loss():
    quiet = device()
    by_oracle, _, seen = estimate(material_oracle(quiet.material, WIRING))
    by_record, _, info = estimate(homodyne(quiet.measure, WAVEFORM, WIRING))
    np.testing.assert_allclose(by_record, by_oracle, atol=0.01 * float(jnp.abs(by_oracle).max()))
    for name in ("correlation", "separation"):
        assert float(info[name]) == pytest.approx(float(seen[name]), rel=0.02)
    assert float(seen["reads"]) == 0


def test_an_instrument_that_is_not_jax_gives_the_same():
    """The device is a NumPy function, opaque to differentiation; called inside a compiled step, and by hand."""
    quiet = device()
    weights = [np.asarray(w, float) for w in quiet.material.hidden_weights]
    offsets = [np.asarray(b, float) for b in quiet.material.hidden_offsets]
    calls = []

    def instrument(voltage):
        calls.append(voltage.shape)
        hidden = np.asarray(voltage, float)
        for weight, offset in zip(weights, offsets, strict=True):
            hidden = np.tanh(hidden @ weight.T + offset)
        return hidden @ np.asarray(quiet.material.output_weight, float)

    def measure(key, voltage):
        shape = jax.ShapeDtypeStruct(voltage.shape[:1], jnp.float32)
        return jax.pure_callback(lambda v: instrument(v).astype(np.float32), shape, voltage)

    expected, _, _ = estimate(homodyne(quiet.measure, WAVEFORM, WIRING))
    scale = float(jnp.abs(expected).max())
    found, _, _ = estimate(homodyne(measure, WAVEFORM, WIRING))
    np.testing.assert_allclose(found, expected, atol=1e-3 * scale)
    voltage = np.asarray(WAVEFORM.voltage(WIRING.levels(X, THETA), WIRING.controls))
    by_hand = gradient_from_record(instrument(voltage), np.asarray(XOR.y), WAVEFORM, cor_sigmoid())
    np.testing.assert_allclose(by_hand.direction, expected, atol=1e-3 * scale)
    assert calls == [(2050, 7)] * 2


def test_at_the_amplifiers_limit_nothing_moves_and_it_is_said():
    # Every current is beyond ±10 pA: the record is flat, and so is the loss.
    limited = device(clip=1e-11)
    found, _, info = estimate(homodyne(limited.measure, WAVEFORM, WIRING, clip=limited.material.clip))
    np.testing.assert_allclose(np.asarray(found) / 1e3, 0.0, atol=1e-6)
    assert float(info["clipped"]) == 1
    free = device(clip=1e-6)
    _, _, info = estimate(homodyne(free.measure, WAVEFORM, WIRING, clip=free.material.clip))
    assert float(info["clipped"]) == 0


def test_a_control_at_the_end_of_its_range_sticks_and_the_others_move():
    write = electrodes(jnp.full(3, -0.9), jnp.asarray([1.2, 1.0, 1.0]))
    weights = write.init(KEY, jnp.asarray([5.0, 0.0, -5.0]))
    np.testing.assert_allclose(weights, [1.2, 0.0, -0.9])
    outward, info = write.apply(KEY, weights, jnp.asarray([0.1, 0.1, -0.1]))
    np.testing.assert_allclose(outward, [1.2, 0.1, -0.9])
    assert (float(info["writes"]), float(info["at_end"])) == (1, 2)
    inward, info = write.apply(KEY, write.read(outward), jnp.asarray([-0.1, 0.1, 0.1]))
    np.testing.assert_allclose(inward, [1.1, 0.2, -0.8], rtol=1e-6)
    assert (float(info["writes"]), float(info["at_end"])) == (3, 0)


def test_ranges_of_different_shapes_are_refused():
    with pytest.raises(TrainError, match=r"lowest has shape \(3,\) and highest \(2,\)"):
        electrodes(jnp.zeros(3), jnp.ones(2))


def test_the_joined_rule_steps_predicts_and_stays_in_range():
    noisy = device(noise=0.3e-9)
    low, high = jnp.full(5, -0.9), jnp.full(5, 1.2)

    def rule_of(recorded):
        estimator = homodyne(recorded.measure, WAVEFORM, WIRING, current=recorded.material.current)
        return join(estimator, step_rule(0.4, 0.1), electrodes(low, high), lambda key: THETA)

    rule = rule_of(noisy)
    state = rule.init(KEY)
    step = jax.jit(rule.step)
    losses = []
    for number in range(25):
        before = state.weights
        state, info = step(jax.random.fold_in(KEY, number), state, XOR)
        assert float(jnp.abs(state.weights - before).max()) <= 0.1 + 1e-6
        losses.append(float(info["loss"]))
    assert min(losses) < 0.6 * losses[0]
    assert float(state.weights.min()) >= -0.9
    assert float(state.weights.max()) <= 1.2
    logits = rule.predict(jax.random.key(1), state, X)
    assert logits.shape == (4, 2)
    assert not np.array_equal(logits, rule.predict(jax.random.key(2), state, X))
    clean = rule.deterministic(state, X)
    # Case means of 500 samples of 0.3 nA: standard error 0.013 nA on either logit.
    np.testing.assert_allclose(logits, clean, atol=5 * 0.3 / np.sqrt(500))
    np.testing.assert_allclose(logits[:, 0], -logits[:, 1])
    assert homodyne(noisy.measure, WAVEFORM, WIRING).deterministic is None


def test_draws_are_estimated_together():
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(device(seed=seed) for seed in (1, 2, 3)))
    together = jax.jit(jax.vmap(lambda one: estimate(homodyne(one.measure, WAVEFORM, WIRING))[0]))(stacked)
    for row, seed in zip(together, (1, 2, 3), strict=True):
        alone, _, _ = estimate(homodyne(device(seed=seed).measure, WAVEFORM, WIRING))
        np.testing.assert_allclose(row, alone, rtol=1e-3, atol=1e-3 * float(jnp.abs(alone).max()))


def test_signed_magnitude_is_there_to_compare():
    noisy = device(noise=0.5e-9)
    exact, _, _ = estimate(material_oracle(noisy.material, WIRING))

    def miss(demodulation):
        estimator = homodyne(noisy.measure, WAVEFORM, WIRING, demodulation=demodulation)
        keys = jax.random.split(KEY, 200)
        found = jax.jit(jax.vmap(lambda key: estimate(estimator, key=key)[0]))(keys)
        return float(jnp.sqrt(((found - exact) ** 2).mean()))

    # It adds the noise of the quadrature, so it is the worse estimator.
    assert miss("in-phase") < miss("signed-magnitude")


def test_a_reading_is_what_the_currents_say():
    target = jnp.asarray([0, 1, 1, 0])
    current = jnp.asarray([1.0, 7.0, 6.0, 2.0]) * 1e-9
    reading = read_gate(current, jnp.asarray(0.3e-9), target)
    assert float(reading.correlation) == pytest.approx(np.corrcoef(current, target)[0, 1], rel=1e-5)
    assert float(reading.separation) == pytest.approx(4e-9)
    assert float(reading.threshold) == pytest.approx(4e-9)


@pytest.mark.parametrize(
    ("correlation", "separation", "noise", "solved"),
    [
        (0.96, 3.1e-9, 0.3e-9, True),
        (0.94, 9e-9, 0.3e-9, False),
        (0.99, 2.9e-9, 0.1e-9, False),
        (0.99, 4e-9, 0.9e-9, False),
        (-0.99, -5e-9, 0.3e-9, False),
    ],
)
def test_success_needs_all_three_conditions(correlation, separation, noise, solved):
    reading = GateReading(*map(jnp.asarray, (correlation, separation, noise, 0.0)))
    assert bool(GateCriterion().solved(reading)) is solved


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"correlation": 1.1}, r"correlation is 1\.1"),
        ({"correlation": 0.0}, "no correlation is above 1"),
        ({"separation": 0.0}, r"separation is 0\.0 A"),
        ({"noise_multiple": -1.0}, r"noise_multiple is -1\.0;"),
    ],
)
def test_impossible_criteria_are_refused(options, words):
    with pytest.raises(TrainError, match=words):
        GateCriterion(**options)


def test_the_measured_noise_is_that_of_a_sample():
    noisy = eqx.tree_at(lambda recorded: recorded.material.noise, device(), jnp.asarray(0.3e-9))
    voltage = WAVEFORM.voltage(WIRING.levels(X, THETA), WIRING.controls, perturbed=False)
    found = gradient_from_record(noisy.measure(KEY, voltage), XOR.y, WAVEFORM, cor_sigmoid())
    assert float(found.reading.noise) == pytest.approx(0.3e-9, rel=4 / np.sqrt(2 * 2000))
