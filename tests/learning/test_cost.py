"""Energy of counted events: closed forms, units, intervals, and which inputs reproduce published figures."""

import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.architecture import dense, parse_architecture
from charz.learning.cost import (
    Cell,
    Count,
    Periphery,
    energy,
    inference_count,
    interval,
    joules_per_mac,
    mac_energy,
    tops_per_watt,
)

NOTHING = Periphery(0, 0, 0, 0)


def test_a_read_and_a_pulse():
    """0.1 V, 2 kΩ, 10 ns: 50 fJ; 1 V, 2 kΩ, 2 ns: 1 pJ."""
    cell = Cell(conductance=1 / 2000)
    assert cell.read() == pytest.approx(50e-15)
    assert cell.write(2e-9) == pytest.approx(1e-12)
    assert Cell(1 / 2000, devices=2).read() == pytest.approx(100e-15)


def test_energy_is_the_sum_of_events():
    count = Count(reads=3, pulses=2, pulse_time=4e-9, drivers=5, comparators=6, adcs=7, dacs=8, macs=9)
    cell, outside = Cell(1e-5, 0.2, 1e-8, 2.0, 3e-9), Periphery(1e-14, 2e-14, 3e-12, 4e-13)
    expected = 3 * 0.04 * 1e-13 + 4 * 1e-5 * (2 * 3e-9 + 4e-9) + 5e-14 + 12e-14 + 21e-12 + 32e-13
    assert energy(count, cell, outside) == pytest.approx(expected)


def test_feed_forward_of_greenberg():
    """18.3 TOPs/W is 109 fJ a synapse: two junctions of 2 kΩ read at 0.1 V for 10 ns, and 9.3 fJ of periphery."""
    assert joules_per_mac(18.3) == pytest.approx(109.3e-15, rel=1e-3)
    fan_in = 512
    cell = Cell(1 / 2000, devices=2)
    # Binary inputs all on, comparators of 4.74 pJ an output: what is left for a column of 512.
    outside = Periphery(driver=0, comparator=9.29e-15 * fan_in)
    joules = mac_energy(fan_in, 512, cell, outside, binary=True)
    assert tops_per_watt(joules) == pytest.approx(18.3, abs=0.05)


def test_weight_update_of_greenberg():
    """3 TOPs/W is 333 fJ an operation: 1 V on 2 kΩ for 0.67 ns, if one operation is the pulse of one junction."""
    per_operation = joules_per_mac(3.0) / 2
    assert per_operation == pytest.approx(333e-15, rel=1e-3)
    assert Cell(1 / 2000).write(0.667e-9) == pytest.approx(per_operation, rel=2e-3)


def test_binary_signals_save_the_converters():
    """100 × 100 (L7): 25 fJ of converters a multiply-accumulate, and 0.35 fJ of drivers and comparators."""
    cell = Cell(10e-6, read_voltage=0.2)
    high = mac_energy(100, 100, cell, Periphery())
    low = mac_energy(100, 100, cell, Periphery(), binary=True, activity=0.5)
    assert high == pytest.approx((5e-13 + 2e-12) / 100 + 4e-15)
    assert low == pytest.approx((0.5 * 1e-14 + 3e-14) / 100 + 2e-15)


def test_measurements_multiply():
    """N measurements of a stochastic synapse are N pulses and N reads; in a convolution each place counts."""
    one = inference_count(dense(196, 10), devices=2, pulsed=True)
    many = inference_count(dense(196, 10), passes=64, devices=2, pulsed=True)
    assert many == one.times(64)._replace(macs=1960)  # the result is one, however often it is measured
    assert one.reads == one.pulses == 2 * 1960
    network = parse_architecture("4C3-MP2-10", (8, 8, 1))
    assert inference_count(network).reads == 36 * 9 * 4 + 9 * 4 * 10
    assert inference_count(network).adcs == 36 * 4 + 10


def test_analog_inputs_of_binary_networks_are_converted_once():
    """16 inputs on DACs, held for all votes and read in full; the hidden layer's bits at their activity."""
    count = inference_count(dense(16, 6, 4), passes=3, binary=True, activity=0.5, analog_inputs=True)
    assert count == Count(reads=3 * (96 + 12), drivers=9, comparators=30, dacs=16, macs=120)
    image = parse_architecture("4C3-MP2-10", (8, 8, 1))
    assert inference_count(image, passes=2, binary=True, analog_inputs=True).dacs == 64


def test_draws_of_a_posterior_give_an_interval():
    conductance = np.random.default_rng(0).normal(1e-5, 1e-6, 4000)
    joules = energy(Count(reads=1000), Cell(conductance), NOTHING)
    low, high = interval(joules)
    assert joules.shape == (4000,)
    # Quantiles of a normal distribution; their standard error at 4000 draws is 0.003 of the mean.
    np.testing.assert_allclose([low, high], 1e-12 * (1 + np.array([-1, 1]) * 0.1645), rtol=0.012)


def test_units_of_tops():
    assert tops_per_watt(joules_per_mac(7.0)) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cell(-1.0), "conductance is -1.0"),
        (lambda: Cell(np.array([1.0, np.nan])), "conductance is"),
        (lambda: Periphery(adc=-1e-12), "adc is -1e-12"),
        (lambda: inference_count(dense(4, 2), passes=0), "passes is 0"),
        (lambda: inference_count(dense(4, 2), activity=1.5), "activity is 1.5"),
        (lambda: joules_per_mac(0.0), "0.0 TOPs/W; it must be positive"),
    ],
)
def test_what_cannot_be(make, message):
    with pytest.raises(TrainError, match=message):
        make()
