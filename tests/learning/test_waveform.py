"""Voltages over time: where each case is, what is masked, and which electrode carries what."""

import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform, Wiring

TONES = Tones((100.0, 300.0), (0.02, 0.01), 0.02, 1e4)
WAVEFORM = Waveform(TONES, slope=0.001, ramp=0.002, settle=0.0005)
LEVELS = np.array([[0.5, -0.2, 0.1], [-0.3, 0.4, 0.1], [0.8, 0.0, 0.1]], np.float32)


def test_plateaus_hold_the_levels_and_everything_else_is_straight():
    voltage = np.asarray(WAVEFORM.voltage(jnp.asarray(LEVELS), (1, 2), perturbed=False))
    assert voltage.shape == (WAVEFORM.num_samples(3), 3) == (2 * 20 + 3 * 205 + 2 * 10, 3)
    np.testing.assert_allclose(voltage[0], 0.0)
    np.testing.assert_allclose(voltage[-1], 0.0, atol=1e-7)
    windows = WAVEFORM.windows(voltage.T, 3)
    assert windows.shape == (3, 3, 200)
    np.testing.assert_allclose(windows, np.broadcast_to(LEVELS.T[:, :, None], windows.shape), rtol=1e-6)
    # Ramp, and the first slope: straight lines that join the plateaus without a jump.
    np.testing.assert_allclose(voltage[:21], np.linspace(0, 1, 21)[:, None] * LEVELS[0], atol=1e-6)
    first_slope = voltage[20 + 204 : 20 + 205 + 11]
    np.testing.assert_allclose(first_slope, np.linspace(LEVELS[0], LEVELS[1], 12), atol=1e-6)


def test_sines_restart_at_phase_zero_in_every_window_and_only_on_controls():
    with_tones = np.asarray(WAVEFORM.voltage(jnp.asarray(LEVELS), (2, 1)))
    without = np.asarray(WAVEFORM.voltage(jnp.asarray(LEVELS), (2, 1), perturbed=False))
    added = WAVEFORM.windows((with_tones - without).T, 3)
    time = np.arange(200) / 1e4
    np.testing.assert_array_equal(added[0], 0.0)
    for case in range(3):
        np.testing.assert_allclose(added[2, case], 0.02 * np.sin(2 * np.pi * 100 * time), atol=2e-7)
        np.testing.assert_allclose(added[1, case], 0.01 * np.sin(2 * np.pi * 300 * time), atol=2e-7)
    # Ramps and slopes carry no sine; settling does, so that nothing jumps where the window opens.
    difference = (with_tones - without)[:, 2]
    assert np.all(difference[:20] == 0)
    assert np.all(difference[20 + 205 : 20 + 205 + 10] == 0)
    np.testing.assert_allclose(
        difference[20:25], 0.02 * np.sin(2 * np.pi * 100 * np.arange(-5, 0) / 1e4), atol=2e-7
    )


def test_the_mask_hides_ramps_slopes_and_settling():
    record = np.full(WAVEFORM.num_samples(3), np.nan)
    starts = 20 + 5 + np.arange(3) * 215
    for case, start in enumerate(starts):
        record[start : start + 200] = case
    windows = WAVEFORM.windows(record, 3)
    np.testing.assert_array_equal(windows, np.repeat(np.arange(3.0)[:, None], 200, 1))
    np.testing.assert_array_equal(WAVEFORM.windows(jnp.asarray(record, jnp.float32), 3), windows)


def test_without_pauses_the_record_is_the_windows():
    bare = Waveform(TONES, 0.0, 0.0)
    assert bare.num_samples(3) == 600
    voltage = np.asarray(bare.voltage(jnp.asarray(LEVELS), (0, 1), perturbed=False))
    np.testing.assert_allclose(voltage[::200], LEVELS)


def test_wiring_puts_data_and_controls_on_their_electrodes():
    wiring = Wiring(data=(3, 0), controls=(1, 4, 2))
    levels = wiring.levels(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(levels, [[2, 10, 30, 1, 20], [4, 10, 30, 3, 20]])


@pytest.mark.parametrize(
    ("data", "controls"), [((0, 1), (1, 2)), ((0,), (2,)), ((0, 1), ()), ((-1, 0), (1,))]
)
def test_impossible_wirings_are_refused(data, controls):
    with pytest.raises(TrainError, match="with at least one control"):
        Wiring(data, controls)


@pytest.mark.parametrize("name", ["slope", "ramp", "settle"])
def test_negative_times_are_refused(name):
    with pytest.raises(TrainError, match=f"{name} is -0.1 s"):
        Waveform(TONES, **{name: -0.1})


def test_what_does_not_fit_the_waveform_is_refused():
    with pytest.raises(TrainError, match="2 tones for 1 control electrodes"):
        WAVEFORM.voltage(jnp.asarray(LEVELS), (1,))
    with pytest.raises(TrainError, match="the record has 100 samples, the waveform of 3 cases 675"):
        WAVEFORM.windows(np.zeros(100), 3)
