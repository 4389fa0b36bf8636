"""Tones and their planner: what is allowed, which products hit, and why an amplitude is best."""

import itertools
import re

import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.tone_plan import choose_multiples, plan_amplitudes, plan_tones
from charz.learning.tones import Tones, intermodulation

GOOD = {"frequencies": (200.0, 360.0), "amplitudes": (0.03, 0.02), "window": 0.05, "sampling_rate": 1e4}
PLAN = {"window": 0.05, "sampling_rate": 1e4, "noise_density": 1e-23, "curvature": 1e-7}


@pytest.mark.parametrize(
    ("multipliers", "second", "difference", "total"),
    [
        # Counted in the published material: sets of the XOR, the accuracy, the quantitative and the 2019 runs.
        ([5, 9, 13, 19, 23], 0, 11, 3),
        ([2, 5, 3, 9, 13, 19, 23], 3, None, None),
        ([2, 4, 6, 8, 10, 12, 14], 33, None, None),
        ([1, 2, 3, 4, 5], 16, None, None),
        ([13, 15, 19, 27, 37], 0, 0, 0),
    ],
)
def test_hits_of_published_sets(multipliers, second, difference, total):
    hits = intermodulation(multipliers)
    assert hits.second == second
    if difference is not None:
        assert (hits.difference, hits.total) == (difference, total)


@pytest.mark.parametrize("number", [1, 3, 5, 7, 10])
def test_planned_frequencies_obey_every_rule(number):
    plan = plan_tones(number, **PLAN)
    frequencies = np.asarray(plan.tones.frequencies)
    periods = frequencies * 0.05
    np.testing.assert_allclose(periods, np.round(periods), atol=1e-9)
    assert frequencies.max() < 5000
    assert len(set(plan.tones.frequencies)) == number
    assert np.all(np.round(frequencies / plan.base) % 2 == 1)
    if number > 1:
        assert np.diff(np.sort(frequencies)).min() >= 2 / 0.05 - 1e-9
    # Counted here anew, signed: no sum of two or three tones with any signs is a tone, but the trivial ones.
    whole = [round(frequency / plan.base) for frequency in frequencies]
    for order in (2, 3):
        for chosen in itertools.combinations_with_replacement(range(number), order):
            for signs in itertools.product((1, -1), repeat=order):
                terms = [(whole[i], sign) for i, sign in zip(chosen, signs, strict=True)]
                if any((value, -sign) in terms for value, sign in terms):
                    continue
                assert abs(sum(value * sign for value, sign in terms)) not in whole


def test_where_there_is_no_room_the_fewest_hits_are_taken():
    crowded = plan_tones(4, **PLAN | {"sampling_rate": 600.0})
    best = min(intermodulation(chosen).third for chosen in itertools.combinations((1, 3, 5, 7, 9, 11, 13), 4))
    assert 0 < best <= crowded.hits.third
    # The greedy set is not worse than the plain one.
    assert crowded.hits.third < intermodulation((1, 3, 5, 7)).third
    assert f"{crowded.hits.third} products fall onto a tone" in crowded.explain()


def test_spacing_floor_and_one_over_f_move_the_tones():
    spaced = np.sort(plan_tones(5, **PLAN, spacing=160.0).tones.frequencies)
    assert np.diff(spaced).min() >= 160 - 1e-9
    assert min(plan_tones(5, **PLAN, lowest_frequency=1000.0).tones.frequencies) >= 1000
    coloured = plan_tones(5, **PLAN, corner_frequency=1500.0)
    assert min(coloured.tones.frequencies) >= 1500
    np.testing.assert_allclose(
        coloured.density, [1e-23 * (1 + 1500 / frequency) for frequency in coloured.tones.frequencies]
    )
    # No room above the corner: the tones go below it rather than nowhere.
    assert min(plan_tones(5, **PLAN, corner_frequency=4900.0).tones.frequencies) < 4900


def test_amplitudes_have_the_least_mean_square_error():
    curvature = np.array([1.0, 3.0, 0.2]) * 1e-7
    density, window = np.full(3, 1e-23), 0.05

    def error(amplitudes):
        """The stated error model, written out: own and cross terms of independent sign, and white noise."""
        total = 0.0
        for k in range(3):
            own = amplitudes[k] ** 2 / 8 * curvature[k]
            cross = [
                amplitudes[j] ** 2 / 4 * curvature[k] ** (1 / 3) * curvature[j] ** (2 / 3)
                for j in range(3)
                if j != k
            ]
            noise = density[k] / window / amplitudes[k] ** 2
            # Relative to the electrode's own scale, on which all controls weigh alike.
            total += (own**2 + sum(term**2 for term in cross) + noise) / curvature[k] ** (2 / 3)
        return total

    best = np.asarray(plan_amplitudes(density, curvature, window))
    least = error(best)
    for factor in itertools.product((0.97, 1.0, 1.03), repeat=3):
        assert error(best * np.asarray(factor)) >= least * (1 - 1e-12)
    assert error(best * 2) > 1.5 * least
    assert error(best / 2) > 1.5 * least


def test_the_plan_explains_itself_with_its_numbers():
    plan = plan_tones(2, **PLAN, max_amplitude=0.05)
    text = plan.explain()
    assert plan.limited == (True, True)
    assert plan.tones.amplitudes == (0.05, 0.05)
    assert "500 samples, bins of 20 Hz" in text
    assert "limited by the largest amplitude allowed" in text
    # √(S/T)/A = √(1e-5 nA²/Hz / 0.05 s)/50 mV = 0.283 nA/V.
    assert re.search(r"50 mV; S = 1e-05 nA²/Hz; noise 0\.283 nA/V, bias about", text)
    expected = 0.05**2 * 1e-7 * np.sqrt(1 / 64 + 1 / 16)
    np.testing.assert_allclose(plan.bias, expected, rtol=1e-9)


def test_too_few_odd_numbers_give_no_set():
    assert choose_multiples(4, 6) is None
    assert choose_multiples(3, 6) == (1, 3, 5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amplitudes": (0.03,)}, "2 frequencies and 1 amplitudes"),
        ({"frequencies": (), "amplitudes": ()}, "at least one"),
        ({"frequencies": (200.0, 200.0)}, "not all different"),
        ({"amplitudes": (0.03, 0.0)}, "must all be positive"),
        ({"window": 0.0}, "window 0.0 s"),
        ({"sampling_rate": -1.0}, "must be positive and finite"),
        ({"window": 0.05005}, "holds 500.5 samples"),
        ({"window": 1e-4, "sampling_rate": 1e4}, "holds 1 samples"),
        ({"frequencies": (200.0, 5000.0)}, "frequency 5000 Hz is not between 0 and 5000 Hz"),
        ({"frequencies": (0.0, 200.0)}, "half the sampling rate"),
        ({"frequencies": (200.0, 210.0)}, "210 Hz makes 10.5 periods"),
    ],
)
def test_impossible_tones_are_refused(changes, words):
    with pytest.raises(TrainError, match=words):
        Tones(**GOOD | changes)


@pytest.mark.parametrize(
    ("number", "changes", "words"),
    [
        (0, {}, "num_tones is 0"),
        (3, {"noise_density": 0.0}, r"noise_density is 0.0 A²/Hz"),
        (3, {"max_amplitude": -0.1}, "max_amplitude is -0.1 V"),
        (3, {"curvature": 0.0}, "the best amplitude would be infinite"),
        (3, {"curvature": (1e-7, 1e-7)}, "for 3 tones"),
        (9, {"sampling_rate": 300.0}, "there are not as many odd multiples of 20 Hz"),
    ],
)
def test_impossible_plans_are_refused(number, changes, words):
    with pytest.raises(TrainError, match=words):
        plan_tones(number, **PLAN | changes)
