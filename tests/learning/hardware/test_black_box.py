"""What is asked of a Python function that stands for a device, and of the limits of a bench."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import HardwareError
from charz.learning.hardware import ElectrodeLimits, as_measure

LIMITS = ElectrodeLimits((-0.9,) * 7, (1.2,) * 7, 1e4)
KEY = jax.random.key(0)


def test_a_function_gets_numpy_in_double_precision_and_no_key():
    seen = []

    def device(voltage):
        seen.append(voltage)
        return [1e-9 * row.sum() for row in voltage]

    record = as_measure(device)(KEY, jnp.ones((3, 2)))
    np.testing.assert_allclose(record, 2e-9)
    assert record.dtype == seen[0].dtype == np.float64
    assert isinstance(seen[0], np.ndarray)


@pytest.mark.parametrize(
    ("current", "words"),
    [
        (np.zeros(4), r"shape \(4,\); it must be \(3,\), one current in A for each sample"),
        (np.zeros((3, 1)), r"shape \(3, 1\)"),
        ([0.0, np.nan, np.inf], "has 2 values that are not finite"),
    ],
)
def test_a_current_that_is_none_is_refused(current, words):
    with pytest.raises(HardwareError, match=words):
        as_measure(lambda voltage: current)(KEY, jnp.ones((3, 2)))


def test_controls_leave_room_for_their_tones(task):
    low, high = LIMITS.of_controls(task.waveform, task.wiring)
    np.testing.assert_allclose(low, [-0.87, -0.88, -0.88, -0.89, -0.89], rtol=1e-6)
    np.testing.assert_allclose(high, [1.17, 1.18, 1.18, 1.19, 1.19], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((), (), 1e4), "0 lowest and 0 highest"),
        (((0.0,), (1.0, 1.0), 1e4), "1 lowest and 2 highest"),
        (((0.0, 1.0), (1.0, 1.0), 1e4), r"electrode 1 has the range 1\.0 to 1\.0 V"),
        (((0.0,), (np.inf,), 1e4), "electrode 0 has the range"),
        (((0.0,), (1.0,), 0.0), r"sampling_rate is 0\.0 Hz"),
        (((0.0,), (1.0,), 1e4, 0.0), r"clip 0\.0 A"),
    ],
)
def test_impossible_limits_are_refused(arguments, words):
    with pytest.raises(HardwareError, match=words):
        ElectrodeLimits(*arguments)
