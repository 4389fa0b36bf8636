"""Each estimator around a measured device says what its simulated twin says of the same records."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import DomainWallSynapses, mean_wire
from charz.devices.node_noise import GaussianNoise
from charz.errors import HardwareError, TrainError
from charz.learning.estimators import activity_perturbation, danp, mean_variance
from charz.learning.estimators.homodyne import homodyne
from charz.learning.hardware import as_measure, measured_mean_variance, measured_perturbation
from charz.learning.hardware.scpi_server import simulated_device
from charz.learning.network import Layer
from charz.learning.noisy_network import forward, num_nodes, split_nodes, uniform_start
from charz.learning.rule import Batch
from charz.learning.stochastic_layer import measure

KEY = jax.random.key(3)
SIZES = (5, 4, 3)
BATCH = Batch(jax.random.uniform(jax.random.key(1), (6, 5)), jnp.asarray([0, 1, 2, 0, 1, 2]))
NOISE = GaussianNoise(0.05)
# Compiled as a whole: operation by operation the first call takes many times as long.
start = jax.jit(lambda: uniform_start(jax.random.key(2), SIZES))


def network_of(noise, key):
    """A network of software nodes with the noise that the simulated estimator draws, pass after pass."""
    passes = []
    draw = jax.jit(lambda batch, nodes: noise.draw(key, (), batch, nodes)[0], static_argnums=(0, 1))
    run = jax.jit(lambda theta, x, volts, maps: forward(theta, x, split_nodes(volts, theta), maps))

    def network(theta, decorrelations, x):
        if not passes:
            volts = draw(2 * x.shape[0], num_nodes(theta))
            passes.extend(volts.reshape(2, x.shape[0], -1))
        inputs, activities = run(theta, x, passes.pop(0)[None], decorrelations)
        return [np.asarray(value[0]) for value in inputs], [np.asarray(value[0]) for value in activities]

    return network


def perturbation(simulated, rate):
    theta = start()
    return simulated, measured_perturbation(network_of(NOISE, KEY), rate), theta, BATCH


def synapses(num_reads):
    wire = mean_wire()
    layers = [DomainWallSynapses(actual=wire, believed=wire)] * 2
    drives = [
        4.6 + 0.4 * jax.random.normal(jax.random.key(n), (2, *shape))
        for n, shape in ((0, (5, 4)), (1, (4, 3)))
    ]
    theta = tuple(Layer(drive, jnp.zeros(drive.shape[2])) for drive in drives)

    compiled = jax.jit(lambda key, drive, x: measure(key, x, wire.probability(drive), num_reads, "gaussian"))

    def read(index, drive, x):
        return compiled(jax.random.fold_in(KEY, index), drive, x)

    measured = measured_mean_variance(read, [wire] * 2, num_reads)
    return mean_variance(layers, num_reads, "gaussian"), measured, theta, BATCH


def material(task):
    device = simulated_device(46, 1e4)

    compiled = jax.jit(lambda voltage: device.measure(KEY, voltage))

    def noisy(voltage):
        return compiled(voltage.astype(np.float32))

    estimators = [homodyne(one, task.waveform, task.wiring) for one in (device.measure, as_measure(noisy))]
    x = jnp.asarray([[-0.9, -0.9], [-0.9, 0.9], [0.9, -0.9], [0.9, 0.9]])
    return *estimators, jnp.asarray([0.2, -0.3, 0.5, 0.1, -0.1]), Batch(x, jnp.asarray([0, 1, 1, 0]))


CASES = {
    "homodyne": lambda task: material(task),
    "ANP": lambda task: perturbation(activity_perturbation(NOISE), None),
    "DANP": lambda task: perturbation(danp(NOISE, 1e-3), 1e-3),
    "mean/variance, four reads": lambda task: synapses(4),
    "mean/variance, mean field": lambda task: synapses(None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_same_records_give_the_same_numbers(name, task):
    simulated, measured, theta, batch = CASES[name](task)
    expected = jax.jit(lambda: simulated.estimate(KEY, theta, simulated.init(KEY, theta), batch))()
    found = measured.estimate(KEY, theta, measured.init(KEY, theta), batch)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # Single precision, summed in another order: relative to the largest of an array.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(jnp.abs(other).max()))
    assert float(jnp.abs(jax.tree.leaves(found[0])[0]).max()) > 0


def test_predictions_are_one_pass_of_the_hardware():
    _, measured, theta, batch = perturbation(None, 1e-3)
    state = measured.init(KEY, theta)
    logits = measured.predict(KEY, theta, state, batch.x)
    expected = network_of(NOISE, KEY)(theta, state.decorrelation, batch.x)[1][-1]
    np.testing.assert_allclose(logits, expected, rtol=1e-6)
    _, measured, theta, batch = synapses(4)
    assert measured.predict(KEY, theta, (), batch.x).shape == (6, 3)
    assert measured.deterministic is None


def test_passes_that_differ_by_reading_alone_are_left_out():
    theta = start()
    # Ten times the noise that there is: by its own account nothing ever switches.
    blunt = measured_perturbation(network_of(NOISE, KEY), None, residual=0.5)
    direction, _, info = blunt.estimate(KEY, theta, blunt.init(KEY, theta), BATCH)
    assert float(info["skipped"]) == 1
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(direction))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda inputs, activities: (inputs[:1], activities), "inputs of 1 and activities of 2 layers; it has 2"),
        (lambda inputs, activities: (inputs, [activities[0][:, :2], activities[1]]),
         r"activities of layer 0 .* shape \(6, 2\); it must be \(6, 4\)"),
        (lambda inputs, activities: (inputs, [activities[0], np.nan * activities[1]]),
         "activities of layer 1 .* has 18 values that are not finite"),
    ],
)  # fmt: skip
def test_answers_that_are_not_those_of_the_network_are_refused(change, words):
    network = network_of(NOISE, KEY)
    estimator = measured_perturbation(lambda *asked: change(*network(*asked)))
    theta = start()
    with pytest.raises(HardwareError, match=words):
        estimator.estimate(KEY, theta, estimator.init(KEY, theta), BATCH)


def test_outputs_of_other_neurons_are_refused():
    _, _, theta, batch = synapses(1)
    estimator = measured_mean_variance(lambda index, drive, x: np.zeros((6, 9)), [mean_wire()] * 2, 1)
    with pytest.raises(HardwareError, match=r"outputs of layer 0 .* shape \(6, 9\); it must be \(6, 4\)"):
        estimator.estimate(KEY, theta, (), batch)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decorrelation_rate": -1.0}, r"decorrelation_rate is -1\.0"),
        ({"residual": -1e-3}, r"residual is -0\.001 V"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(TrainError, match=words):
        measured_perturbation(network_of(NOISE, KEY), **options)
