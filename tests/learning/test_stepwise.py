"""Writes in whole steps: ideal ones, pulses on memristors, and the periodic carry (li2023.md, section 7 F)."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.devices import LinearMemristor, SoftBoundsMemristor
from charz.devices.example_memristor import SPREAD, example_memristor, example_memristors
from charz.errors import TrainError
from charz.learning import Backprop, Batch, BinaryStochastic, Inference, TrainOptions, evaluate, join, train
from charz.learning.architecture import dense
from charz.learning.estimators import autodiff, binary_stochastic
from charz.learning.memristor_weights import Coding, Memristors
from charz.learning.network import Layer
from charz.learning.schemes.binary_stochastic import start_of
from charz.learning.writes import fixed_step, stepwise
from charz.learning.writes.programming import pulse
from charz.learning.writes.whole_steps import whole_steps

STEP = 0.1
# 201 levels of 1 nS around 0.5 µS, without noise.
QUIET = LinearMemristor(
    jnp.asarray(1e-9), jnp.asarray(1e-9), jnp.asarray(0.0), jnp.asarray(0.0),
    conductance_min=jnp.asarray(4e-7), conductance_max=jnp.asarray(6e-7),
)  # fmt: skip
SHAPE = (30, 20)
NUM = SHAPE[0] * SHAPE[1]


def weights_of(value, shape=SHAPE):
    return (Layer(jnp.broadcast_to(value, shape), jnp.zeros(shape[1])),)


def writer(device=QUIET, believed=None, coding=None, **options):
    shapes = weights_of(0.0)
    coding = coding or Coding(STEP)
    write = stepwise(Memristors(device, believed or device), shapes, coding, **options)
    return write._replace(init=jax.jit(write.init), apply=jax.jit(write.apply))


def written(write, start, change, seed=0):
    weights = write.init(jax.random.key(seed), weights_of(start))
    before = write.read(weights)[0].weight
    weights, info = write.apply(jax.random.key(seed + 1), weights, weights_of(change))
    return np.asarray(write.read(weights)[0].weight - before) / STEP, info, weights


def test_a_whole_change_is_exactly_so_many_steps_and_any_other_is_right_on_average():
    num = 40_000
    count = jax.jit(lambda key, change: whole_steps(key, change, 0.1, 5, "stochastic"))
    for change in (-0.4, 0.1, 0.30000001, 0.0):
        steps = np.asarray(count(jax.random.key(0), jnp.full(num, change)))
        np.testing.assert_array_equal(steps, round(change / 0.1))
    for change in (-0.037, 0.26):
        steps = np.asarray(count(jax.random.key(1), jnp.full(num, change)))
        share = abs(change / 0.1) % 1
        assert abs(steps.mean() - change / 0.1) < 4 * np.sqrt(share * (1 - share) / num)
    np.testing.assert_array_equal(
        whole_steps(jax.random.key(0), jnp.asarray([-9.0, 9.0]), 0.1, 2, "nearest"), [-2, 2]
    )


def test_ideal_steps_stay_in_their_range():
    write = fixed_step(0.1, limit=0.25, most=4, rounding="nearest")
    weights = write.init(jax.random.key(0), weights_of(1.0))
    assert float(weights[0].weight.max()) == 0.25
    change = (Layer(jnp.full(SHAPE, -0.3), jnp.full(SHAPE[1], 0.2)),)
    (layer,), info = write.apply(jax.random.key(0), weights, change)
    np.testing.assert_allclose(layer.weight, -0.05, atol=1e-6)
    np.testing.assert_allclose(layer.bias, 0.2, atol=1e-6)
    assert float(info["pulses"]) == 3 * NUM + 2 * SHAPE[1]


@pytest.mark.parametrize(("wires", "digits"), [(2, 2)])
def test_perfect_devices_do_what_is_wanted(wires, digits):
    write = writer(coding=Coding(STEP, wires, digits), most=4)
    moved, info, weights = written(write, 0.5, jnp.asarray([0.3, -0.2, 0.0, 0.9] * 5))
    np.testing.assert_allclose(moved, np.tile([3, -2, 0, 4], (30, 5)), atol=1e-2)
    np.testing.assert_allclose(
        write.read(write.init(jax.random.key(0), weights_of(0.5)))[0].weight, 0.5, atol=1e-3
    )
    assert float(info["pulses"]) == NUM / 4 * 9
    assert int(weights.updates) == 1


def test_a_pair_shares_the_work_between_its_devices_and_polarities():
    write = writer(coding=Coding(STEP, wires=2))
    _, _, weights = written(write, 0.0, STEP)
    plus, minus = (np.asarray(wire - 5e-7) / 1e-9 for wire in weights.arrays[0][0])
    assert set(np.round(plus.ravel())) == {0, 1}
    assert set(np.round(minus.ravel())) == {-1, 0}
    assert abs(np.round(plus).mean() - 0.5) < 4 * 0.5 / np.sqrt(NUM)


def test_pulses_follow_the_actual_device_and_are_read_as_believed():
    """Twice the believed step, with noise of half a step: mean 2, standard deviation 1 per pulse."""
    actual = eqx.tree_at(
        lambda d: (d.step_potentiation, d.cycle_noise), QUIET, (jnp.asarray(2e-9), jnp.asarray(0.5))
    )
    moved, _, _ = written(writer(actual, QUIET), 0.0, STEP)
    assert abs(moved.mean() - 2) < 4 / np.sqrt(NUM)
    assert abs(moved.std() - 1) < 4 / np.sqrt(2 * NUM)


def test_soft_bounds_end_the_range_and_lead_back_to_the_symmetry_point():
    """Without noise a pulse up at position x moves by a(1 - x): 200 of them reach the bound."""
    device = SoftBoundsMemristor(*(jnp.asarray(v) for v in (1e-6, 1e-5, 5e-7, 5e-7, 0.0, 0.0)))
    write = writer(device, most=200)
    moved, _, weights = written(write, 0.0, 200 * STEP)
    # The believed step at the middle is a/2 = 0.25 µS; the bound is 5 µS from it.
    limit = 20 * (1 - (1 - 0.05) ** 200)
    np.testing.assert_allclose(moved, limit, rtol=1e-3)
    weights, _ = write.apply(jax.random.key(2), weights, weights_of(-200 * STEP))
    np.testing.assert_allclose(np.asarray(write.read(weights)[0].weight) / STEP, -limit, rtol=1e-3)


def test_stuck_devices_keep_their_weight():
    stuck = jnp.arange(NUM) % 7 == 0
    device = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, NUM), QUIET)
    device = eqx.tree_at(lambda d: d.stuck, device, stuck, is_leaf=lambda leaf: leaf is None)
    moved, _, _ = written(writer(device, QUIET), 0.0, STEP)
    np.testing.assert_allclose(moved.ravel(), np.where(stuck, 0, 1), atol=1e-2)


def test_open_windows_leave_room_below_the_reference():
    open_window = LinearMemristor(*(jnp.asarray(v) for v in (1e-8, 2e-8, 0.0, 0.0)))
    coding = Coding(STEP, span=3.0)
    assert np.isclose(float(coding.reference(open_window)), 30 * 1.5e-8)
    assert np.isclose(float(coding.conductance_step(open_window)), 1.5e-8)


@pytest.mark.parametrize(("wires", "digits"), [(1, 2), (2, 3)])
def test_a_carry_alone_does_not_change_weights(wires, digits):
    """Acceptance test F: on perfect devices not at all, and the working digit comes back to the middle."""
    coding = Coding(STEP, wires, digits)
    plain, carrying = (writer(coding=coding, carry_period=period, most=30) for period in (None, 3))
    counts = jnp.asarray(np.random.default_rng(0).integers(-25, 26, SHAPE))
    _, _, weights = written(plain, 0.0, counts * STEP)
    before = plain.read(weights)[0].weight
    for index in range(3):
        weights, info = carrying.apply(jax.random.key(index), weights, weights_of(0.0))
        assert float(info["carry_pulses"]) > 0
    np.testing.assert_allclose(carrying.read(weights)[0].weight, before, atol=1e-3 * STEP)
    lowest = coding.count(QUIET, weights.arrays[0][0])
    assert float(jnp.abs(lowest).max()) < coding.base / 2 + 0.1
    _, info = carrying.apply(jax.random.key(9), weights, weights_of(0.0))
    assert float(info["carry_pulses"]) == 0


def test_a_carry_on_noisy_devices_errs_by_rounding_and_one_pulse():
    """Verification stops within half a step, from which noise of one pulse may lead away: rms below one step."""
    device = example_memristor()
    coding = Coding(STEP, digits=2)
    carrying = writer(device, coding=coding, carry_period=1, most=12)
    plain = writer(device, coding=coding, most=12)
    counts = jnp.asarray(np.random.default_rng(0).integers(-12, 13, SHAPE))
    _, _, weights = written(plain, 0.0, counts * STEP)
    before = plain.read(weights)[0].weight
    weights, _ = carrying.apply(jax.random.key(0), weights, weights_of(0.0))
    error = np.asarray(carrying.read(weights)[0].weight - before) / STEP
    assert np.sqrt((error**2).mean()) < 0.5
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(NUM)


def test_student_noise_and_read_noise_are_those_of_the_device():
    nu = jnp.asarray(5.0)
    device = SoftBoundsMemristor(
        *(jnp.asarray(v) for v in (1e-6, 1e-5, 5e-7, 5e-7, 0.3, 0.0)), degrees_of_freedom=nu
    )
    start = jnp.full(40_000, 6e-6)
    moved = np.asarray(jax.jit(pulse)(jax.random.key(0), device, start, jnp.ones(40_000)) - start) / 2.5e-7
    t = (moved - 1) / 0.3
    # Quartiles of Student's t with 5 degrees of freedom: ±0.7267; its 1 % tail begins at 3.365.
    assert abs((abs(t) < 0.7267).mean() - 0.5) < 4 * 0.5 / 200
    assert abs((abs(t) > 3.365).mean() - 0.02) < 4 * np.sqrt(0.02 / 40_000)


def test_devices_can_store_the_weights_of_any_estimator(digits):
    """Biases and other parameters stay real numbers, and changes are rounded at random."""
    data, _ = digits
    sizes, devices = (64, 16, 10), Memristors(example_memristor(), example_memristor())
    network = Backprop(dense(*sizes)).layers()
    plain = start_of(jax.random.key(0), sizes)
    for estimator, theta in (
        (autodiff(network), network.start(jax.random.key(0), jax.nn.initializers.he_normal())),
        (binary_stochastic(), plain),
    ):
        write = stepwise(devices, theta, Coding(0.02, digits=2), carry_period=10, most=5)
        rule = join(estimator, optax.sgd(0.3), write, lambda key, theta=theta: theta)
        state, step = jax.jit(rule.init)(jax.random.key(0)), jax.jit(rule.step)
        for index in range(2):
            state, info = step(jax.random.key(index), state, Batch(data.train.x[:64], data.train.y[:64]))
        assert float(info["pulses"]) > 0
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.weights))


@pytest.mark.slow
def test_carry_makes_learning_on_noisy_devices_possible(digits):
    """Acceptance test F: single devices of 64 pulses hold ±0.5, and steps draw them to the middle."""
    data, test = digits
    data = data._replace(train=Batch(data.train.x[:700], data.train.y[:700]))
    right = {}
    for carry_digits in (1, 2):
        scheme = BinaryStochastic((64, 20, 10), learning_rate=0.04, carry_digits=carry_digits)
        devices = scheme.hardware(
            example_memristors(jax.random.key(5), 1, (scheme.num_devices,)),
            jax.tree.map(lambda leaf: leaf[None], example_memristor()),
        )
        trained = train(jax.random.key(0)[None], scheme, devices, data, TrainOptions(epochs=2, batch_size=1))
        quiet = Inference("deterministic")
        right[carry_digits] = float(
            evaluate(jax.random.key(1)[None], scheme, devices, trained.state, test, 1, quiet)[0, 0]
        )
    assert right[2] > 0.6
    assert right[2] > right[1] + 0.2


def test_transfer_programs_the_same_weights_into_other_devices(digits):
    scheme = BinaryStochastic((64, 10))
    believed = example_memristor()
    as_believed = scheme.hardware(believed, believed)
    other = scheme.hardware(
        jax.tree.map(lambda leaf: leaf[0], example_memristors(jax.random.key(1), 1, (scheme.num_devices,))),
        believed,
    )
    state = jax.jit(scheme.rule(as_believed).init)(jax.random.key(0))
    moved = jax.jit(scheme.transfer)(jax.random.key(2), other, state)
    wanted, got = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(scheme.parameters(hardware, now))])
        for hardware, now in ((as_believed, state), (other, moved))
    )
    error = (got - wanted) / scheme.learning_rate
    assert np.sqrt((error**2).mean()) < 0.6
    conductances = (np.asarray(now.weights.arrays[0][0]) for now in (state, moved))
    assert np.abs(np.subtract(*conductances)).max() > 1e-7  # programmed anew, not copied


def test_example_devices_spread_as_stated():
    devices, typical = example_memristors(jax.random.key(0), 3, (5000,)), example_memristor()
    assert devices.symmetric_step.shape == (3, 5000)
    ratio = np.log(np.asarray(devices.symmetric_step / typical.symmetric_step))
    assert abs(ratio.std() - SPREAD) < 4 * SPREAD / np.sqrt(2 * ratio.size)
    conductance = jnp.asarray(2e-6)
    for _ in range(64):
        conductance = conductance + typical.potentiation(conductance)
    np.testing.assert_allclose(conductance, 20e-6, rtol=0.03)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fixed_step(0.0), r"step is 0\.0"),
        (lambda: fixed_step(0.1, limit=0.0), r"limit is 0\.0"),
        (lambda: fixed_step(0.1, most=0), "most is 0"),
        (lambda: fixed_step(0.1, rounding="down"), "rounding 'down'"),
        (lambda: writer(carry_period=0, coding=Coding(STEP, digits=2)), "carry_period is 0"),
        (lambda: writer(carry_period=5), "needs a second digit"),
        (lambda: Coding(-1.0), r"step is -1\.0"),
        (lambda: Coding(0.1, wires=3), "wires is 3"),
        (lambda: Coding(0.1, digits=0), "digits is 0"),
        (lambda: Coding(0.1, base=1), "base is 1"),
        (lambda: dataclasses.replace(Coding(0.1), digits=-1), "digits is -1"),
    ],
)
def test_impossible_writes_are_refused(make, words):
    with pytest.raises(TrainError, match=words):
        make()
