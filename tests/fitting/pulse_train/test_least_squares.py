"""Intervals from the law of the step against those of least squares on the mean trace, on 40 simulated traces.

The noise of a step (20 % of it) accumulates: a trace that has strayed stays astray, so residuals of a deterministic
curve are anything but independent, and least squares takes their number for information. The table in
``tests/results/least-squares.md`` is made by

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/pulse_train/test_least_squares.py
"""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from design_pulse_train import MICRO, soft_bounds_trains, train_dataset, up_and_down
from scipy import optimize, stats

from charz.fitting.run import fit

RESULTS = Path(__file__).resolve().parents[2] / "results" / "least-squares.md"
NUM_TRACES, NUM_CYCLES = 40, 3
TRAIN = up_and_down(40)
TRUTH = {"conductance_min": 2.0, "conductance_max": 20.0, "step_potentiation": 1.2, "step_depression": 0.9}
NAMES = ("conductance_min", "conductance_max", "step_potentiation", "step_depression")


def simulated() -> np.ndarray:
    """Traces (trace, cycle, pulse) in S."""
    return soft_bounds_trains(
        np.random.default_rng(11),
        TRAIN,
        NUM_TRACES,
        NUM_CYCLES,
        2.0,
        20.0,
        1.2,
        0.9,
        cycle_noise=0.2,
        additive=0.01,
    )


def curve(start: float, lower: float, upper: float, up: float, down: float) -> np.ndarray:
    """Trace without noise, in microsiemens: closed form of the linear recursion of either polarity."""
    number, window = np.arange(1, 41), upper - lower
    rising = upper - (upper - start) * (1 - up / window) ** number
    falling = lower + (rising[-1] - lower) * (1 - down / window) ** number
    return np.concatenate([[start], rising, falling])


def least_squares(traces: np.ndarray) -> np.ndarray:
    """90 % intervals (trace, parameter, 2) of least squares on the mean trace, in microsiemens."""
    intervals = []
    for trace in traces.mean(1) / MICRO:
        start = trace[0]

        def model(_: np.ndarray, *parameters: float, start: float = start) -> np.ndarray:
            return curve(start, *parameters)[1:]

        bounds = ([0, 1.05 * trace.max() / 1.1, 0.05, 0.05], [trace.min(), 60, 8, 8])
        first = [0.8 * trace.min(), 1.1 * trace.max(), 1.0, 1.0]
        best, covariance = optimize.curve_fit(model, np.arange(80.0), trace[1:], p0=first, bounds=bounds)
        half = stats.t.ppf(0.95, 80 - 4) * np.sqrt(np.diag(covariance))
        intervals.append(np.stack([best - half, best + half], axis=-1))
    return np.asarray(intervals)


def test_the_curve_is_the_simulator_without_noise():
    exact = soft_bounds_trains(
        np.random.default_rng(0), TRAIN, 1, 1, 2.0, 20.0, 1.2, 0.9, cycle_noise=0.0, additive=0.0
    )[0, 0]
    expected = curve(exact[0] / MICRO, *(TRUTH[name] for name in NAMES))
    np.testing.assert_allclose(exact / MICRO, expected, rtol=1e-12)


def covered(intervals: np.ndarray) -> np.ndarray:
    truth = np.array([TRUTH[name] for name in NAMES])
    return ((intervals[..., 0] <= truth) & (truth <= intervals[..., 1])).mean(0)


def test_least_squares_is_overconfident():
    """The half of the comparison that needs no sampling."""
    assert (covered(least_squares(simulated())) < 0.5).all()


@pytest.mark.slow
def test_intervals_of_the_law_of_the_step_are_calibrated():
    traces = simulated()
    posterior = fit(
        train_dataset(traces, TRAIN), "soft-bounds", key=jax.random.key(0), pool="none", draws=500, chains=2
    )
    draws = posterior.law_draws()
    ours = np.stack([np.quantile(draws[n] / MICRO, (0.05, 0.95), axis=(0, 1)).T for n in NAMES], axis=1)
    theirs = least_squares(traces)
    low, high = stats.binom.interval(0.99, NUM_TRACES, 0.9)
    low, high = low / NUM_TRACES, high / NUM_TRACES
    rows = zip(
        NAMES,
        covered(ours),
        covered(theirs),
        *(np.median(np.ptp(i, axis=-1), 0) for i in (ours, theirs)),
        strict=True,
    )
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        lines = [
            "# Soft bounds: the law of the step against least squares on the mean trace",
            "",
            f"{NUM_TRACES} simulated devices, {NUM_CYCLES} cycles of 40 pulses up and 40 down each, cycle-to-cycle"
            " noise 20 % of a step. charz: `soft-bounds`, pool none, default priors. Least squares: the trace without"
            " noise fitted to the mean of the cycles, residuals taken as independent. Share of the 90 % intervals that"
            f" hold the truth (binomial 99 % range of 90 %: {low:.3f} to {high:.3f}), and their median length. Made by",
            "",
            "    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/pulse_train/test_least_squares.py",
            "",
            "| parameter | truth (µS) | charz covers | least squares covers | length, charz (µS) | length, LS (µS) |",
            "|---|---|---|---|---|---|",
        ]
        for name, mine, other, length, other_length in rows:
            lines.append(
                f"| {name} | {TRUTH[name]:g} | {mine:.3f} | {other:.3f} | {length:.3g} | {other_length:.3g} |"
            )
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert posterior.converged
    assert ((low <= covered(ours)) & (covered(ours) <= high)).all()
    assert (covered(theirs) < 0.5).all()
