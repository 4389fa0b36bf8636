"""The macrospin: closed forms and the law over all regimes, both judged by the Fokker-Planck solver.

The table in ``tests/results/fokker-planck.md`` is made by

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/charz/devices/test_macrospin.py
"""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from charz.devices import MacrospinSwitching
from charz.devices.fokker_planck import switching_probability
from charz.devices.macrospin import (
    brown_rate,
    butler_probability,
    corrected_brown_rate,
    in_plane_probability,
    in_plane_time,
    start_angle_probability,
    start_angle_time,
    thermal_probability,
    trajectory_probability,
)
from charz.devices.macrospin_table import Axis, Table, load_table, read_table
from charz.devices.make_macrospin_table import make_table, write_table

RESULTS = Path(__file__).resolve().parents[2] / "results" / "fokker-planck.md"
FORMS = {"N": start_angle_probability, "B": butler_probability, "C": trajectory_probability}
# Largest |P - P_FP| over the whole curve, published notes.
ERRORS = {
    (60, 1.2): (0.89, 0.55, 0.18),
    (60, 1.5): (0.64, 0.32, 0.054),
    (60, 2.0): (0.39, 0.15, 0.015),
    (60, 3.0): (0.17, 0.025, 0.001),
    (20, 2.0): (0.38, 0.15, 0.027),
}
MORE_CASES = ((20, 3.0), (100, 1.5), (100, 2.0), (100, 3.0), (20, 6.5), (10, 8.5))
# FP and Brown rates times τ_D, published notes.
RATES = {
    (20, 0.4): (8.16e-4, 9.49e-4),
    (20, 0.5): (5.14e-3, 6.38e-3),
    (40, 0.6): (1.27e-3, 1.52e-3),
    (60, 0.7): (2.45e-3, 3.02e-3),
}
SHORT, LONG = load_table().lowest_x, load_table().highest_x  # of (i - 1)√Δ

probability_of = jax.jit(lambda law, drive: law.probability(drive))
slope_of = jax.jit(lambda law, drive: law.slope(drive))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def law_of(stability=60.0, critical=1.0, relaxation_time=1.0, width=1.0, dtype=jnp.float64):
    values = (stability, critical, relaxation_time, width)
    return MacrospinSwitching(*(jnp.asarray(value, dtype) for value in values))


def ballistic_times(overdrive):
    return np.linspace(0.005, 12, 1500) / (overdrive - 1)


def form_errors(stability, overdrive):
    times = ballistic_times(overdrive)
    solved = switching_probability(stability, overdrive, times)
    return [float(np.abs(form(stability, overdrive, times) - solved).max()) for form in FORMS.values()]


def solved_rate(stability, overdrive):
    times = np.array([0.5, 1.0]) / float(brown_rate(stability, overdrive))
    return float(
        -np.diff(np.log1p(-switching_probability(stability, overdrive, times)))[0] / np.diff(times)[0]
    )


def law_errors(stability, x, times):
    overdrive = 1 + x / np.sqrt(stability)
    law = law_of(stability, width=times)
    error = probability_of(law, jnp.asarray(overdrive)) - switching_probability(stability, overdrive, times)
    return np.abs(np.asarray(error))


def random_errors(generator, num):
    """Largest error of the law at random Δ and x inside the table, each over times at random."""
    result = []
    for _ in range(num):
        stability = np.exp(generator.uniform(np.log(10), np.log(200)))
        x = 2 * np.sinh(generator.uniform(np.arcsinh((SHORT + 0.1) / 2), np.arcsinh((LONG - 0.5) / 2)))
        times = np.sort(np.exp(generator.uniform(-3.9, 5.9, 40))) * np.sqrt(stability)
        result.append(law_errors(stability, x, times).max())
    return np.array(result)


@pytest.mark.parametrize(("case", "published"), ERRORS.items(), ids=str)
def test_errors_of_the_ballistic_forms_are_the_published_ones(case, published):
    np.testing.assert_allclose(form_errors(*case), published, atol=0.006)


def test_published_values_of_the_best_form():
    values = trajectory_probability(60.0, 2.0, jnp.array([1.667, 2.083, 2.5, 2.917, 3.75]))
    np.testing.assert_allclose(values, [0.177, 0.475, 0.725, 0.870, 0.974], atol=6e-4)


@pytest.mark.parametrize(("case", "published"), RATES.items(), ids=str)
def test_thermal_rates(case, published):
    solved, brown = solved_rate(*case), float(brown_rate(*case))
    np.testing.assert_allclose((solved, brown), published, rtol=2e-3)
    assert 1 < brown / solved < 1.25
    np.testing.assert_allclose(corrected_brown_rate(*case), solved, rtol=0.015)


def test_thermal_probability_is_exponential_in_time():
    times = jnp.array([1e-9, 1.0, 100.0, 1e9])
    expected = -np.expm1(-np.asarray(times) * RATES[(60, 0.7)][1])
    np.testing.assert_allclose(thermal_probability(60.0, 0.7, times), expected, rtol=2e-3)


def test_start_angles_have_the_dimension_of_their_geometry():
    """Perpendicular: two normal components of variance 1/2Δ; in-plane: one; both cross π/2 after growth."""
    stability, overdrive, times = 45.0, 1.8, np.linspace(0.1, 8, 30)
    start = np.pi / 2 * np.exp(-(overdrive - 1) * times) * np.sqrt(2 * stability)
    np.testing.assert_allclose(
        start_angle_probability(stability, overdrive, times), stats.rayleigh.sf(start), rtol=1e-10
    )
    np.testing.assert_allclose(
        in_plane_probability(stability, overdrive, times), 2 * stats.norm.sf(start), rtol=1e-10
    )


def test_butler_starts_like_the_start_angle_and_differs_by_noise_later():
    """At t = 0 both give exp(-π²Δ/4); late, Butler's exponent is smaller by (i - 1)/i."""
    at_start = (float(form(10.0, 1.5, 0.0)) for form in (butler_probability, start_angle_probability))
    np.testing.assert_allclose(*at_start, rtol=1e-12)
    late = [np.log(float(form(10.0, 1.5, 8.0))) for form in (butler_probability, start_angle_probability)]
    np.testing.assert_allclose(late[0] / late[1], 1 / 3, rtol=1e-3)


@pytest.mark.parametrize("overdrive", [1.05, 2.0, 6.0])
@pytest.mark.parametrize("stability", [15.0, 60.0, 150.0])
@pytest.mark.parametrize(
    ("form", "inverse"), [(start_angle_probability, start_angle_time), (in_plane_probability, in_plane_time)]
)
def test_inverse_maps_round_trip(form, inverse, stability, overdrive):
    probability = jnp.linspace(0.001, 0.999, 57)
    time = inverse(stability, overdrive, probability)
    assert (time > 0).all()
    np.testing.assert_allclose(form(stability, overdrive, time), probability, rtol=1e-10)


def test_law_is_the_solver_inside_the_table():
    assert random_errors(np.random.default_rng(7), 40).max() < 0.002


@pytest.mark.parametrize(
    ("stability", "x"), [(60, -3), (60, -4), (20, -3), (12, -2.8), (200, -4), (60, -2.5), (100, -3.5)]
)
def test_law_below_the_table(stability, x):
    """Barriers of 6 to 16 kT; pulses over four decades; 8 % of P where P is small."""
    rate = float(brown_rate(stability, 1 + x / np.sqrt(stability)))
    times = np.geomspace(1e-3, 5, 40) / rate
    assert law_errors(stability, x, times).max() < 0.007
    small = law_errors(stability, x, times[:10]) / (times[:10] * rate)
    assert small.max() < 0.08


@pytest.mark.parametrize("stability", [10, 20, 60, 200])
@pytest.mark.parametrize("x", [24.6, 26, 40, 80])
def test_law_above_the_table(stability, x):
    times = ballistic_times(1 + x / np.sqrt(stability))
    assert law_errors(stability, x, times).max() < 0.01


@pytest.mark.parametrize("stability", [10.0, 60.0, 200.0])
@pytest.mark.parametrize("width", [0.4, 3.0, 60.0])
@pytest.mark.parametrize("x", [SHORT - 0.1, SHORT, SHORT + 0.1, LONG - 0.5, LONG, LONG + 0.5])
def test_joins_are_continuously_differentiable(stability, width, x):
    law = law_of(stability, width=width)
    drives = 1 + (x + np.array([-1e-7, 1e-7])) / np.sqrt(stability)
    low, high = probability_of(law, jnp.asarray(drives))
    np.testing.assert_allclose(high, low, atol=1e-5)
    low, high = slope_of(law, jnp.asarray(drives))
    np.testing.assert_allclose(high, low, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("stability", [5.0, 10.0, 60.0, 200.0, 400.0])
@pytest.mark.parametrize("width", [1e-3, 0.3, 1.0, 10.0, 1e3, 1e9])
def test_probability_rises_with_the_drive(stability, width):
    law, drives = law_of(stability, width=width), jnp.linspace(-2, 10, 1201)
    probability, slope = probability_of(law, drives), slope_of(law, drives)
    assert (jnp.diff(probability) >= -1e-12 * probability[1:]).all()
    assert (slope >= -1e-20).all()
    clear = (probability > max(1e-8, np.exp(-stability))) & (probability < 1 - 1e-8)
    assert (slope[clear] > 0).all()
    assert probability[-1] > probability[0] + 1e-14


@pytest.mark.parametrize("overdrive", [0.2, 0.6, 0.95, 1.3, 2.5, 9.0])
def test_probability_rises_with_the_width(overdrive):
    probability = probability_of(law_of(width=np.geomspace(1e-6, 1e20, 400)), jnp.asarray(overdrive))
    assert (jnp.diff(probability) >= 0).all()
    assert probability[0] < 1e-6
    assert probability[-1] > 0.9


@pytest.mark.parametrize("values", [(60.0, 2e-4, 1e-9, 3e-9), (25.0, -0.4, 5e-10, 1e-7)])
def test_slope_is_the_derivative(values):
    law = law_of(*values)
    drives = law.critical * jnp.linspace(0.3, 4, 60)
    step = jnp.abs(law.critical) * 1e-6
    numeric = (probability_of(law, drives + step) - probability_of(law, drives - step)) / (2 * step)
    scale = np.abs(numeric).max()
    np.testing.assert_allclose(slope_of(law, drives), numeric, rtol=1e-4, atol=1e-8 * scale)
    autodiff = jax.jit(jax.vmap(jax.grad(law.probability)))(drives)
    np.testing.assert_allclose(slope_of(law, drives), autodiff, rtol=1e-10, atol=1e-15 * scale)


@pytest.mark.parametrize("critical", [1.0, 3e-4, -0.7])
@pytest.mark.parametrize("width", [1e-10, 2e-9, 1e-6, 1.0])
def test_inverse_round_trips(critical, width):
    law = law_of(45.0, critical, 1e-9, width)
    probability = jnp.concatenate([jnp.geomspace(1e-6, 0.5, 20), 1 - jnp.geomspace(1e-3, 0.4, 10)])
    np.testing.assert_allclose(probability_of(law, law.drive_for(probability)), probability, rtol=1e-9)
    middle = law.middle()
    np.testing.assert_allclose(probability_of(law, middle), 0.5, rtol=1e-10)
    assert np.sign(middle) == np.sign(critical)


def test_inverse_at_and_beyond_the_asymptotes():
    drives = law_of().drive_for(jnp.array([0.0, 1.0, -0.1, 1.1]))
    np.testing.assert_array_equal(drives, [-np.inf, np.inf, np.nan, np.nan])
    assert law_of(critical=-1.0).drive_for(jnp.asarray(1.0)) == -np.inf


def drive_of_values(probability, *values):
    return MacrospinSwitching(*map(jnp.asarray, values)).drive_for(probability)


drive_slopes = jax.jit(jax.grad(drive_of_values, argnums=range(5)))


@pytest.mark.parametrize("probability", [1e-4, 0.3, 0.98])
def test_inverse_has_the_derivatives_of_the_implicit_function(probability):
    values = (60.0, 0.5, 1e-9, 3e-9)

    arguments = (probability, *values)
    slopes = drive_slopes(*arguments)
    for place, slope in enumerate(slopes):
        step = np.eye(5)[place] * 1e-5
        up, down = (
            drive_of_values(*(a * (1 + sign * s) for a, s in zip(arguments, step, strict=True)))
            for sign in (1, -1)
        )
        np.testing.assert_allclose(slope, (up - down) / (2e-5 * arguments[place]), rtol=1e-5)


EDGE_LAWS = {
    "plain": (60.0, 1.0, 1.0, 1.0),
    "long pulse": (60.0, 0.5, 1e-9, 1.0),
    "reversed, short pulse": (25.0, -0.3, 1e-9, 1e-12),
    "microampere, beyond the table": (500.0, 1e-6, 1e-9, 1e-8),
    "low barrier": (2.0, 1.0, 1e-9, 1e-8),
}
all_gradients = jax.jit(jax.value_and_grad(lambda law, drive: law.probability(drive), argnums=(0, 1)))


@pytest.mark.parametrize("values", EDGE_LAWS.values(), ids=EDGE_LAWS)
@settings(max_examples=60, deadline=None)
@given(drive=st.floats(-(2.0**100), 2.0**100, width=32))
def test_finite_at_the_edges(values, drive):
    with jax.enable_x64(True):
        law = law_of(*values, dtype=jnp.float32)
        # In units of the critical drive: the quotient of a huge by a tiny number is not a float32.
        drive = jnp.asarray(drive, jnp.float32) * jnp.minimum(1, jnp.abs(law.critical))
        value, slopes = all_gradients(law, drive)
        assert value.dtype == jnp.float32
        assert 0 <= value <= 1
        assert np.isfinite(jax.tree.leaves(slopes)).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_precision_is_that_of_the_parameters(dtype):
    law = law_of(dtype=dtype)
    drive = law.middle()
    results = (drive, law.probability(drive), law.slope(drive), law.drive_for(law.probability(drive)))
    assert {result.dtype for result in results} == {jnp.dtype(dtype)}
    np.testing.assert_allclose(results[1], 0.5, rtol=1e-5)


def test_single_precision_is_close_to_double():
    drives = jnp.linspace(0.2, 6, 200)
    single = probability_of(law_of(40.0, 1.0, 1e-9, 5e-9, jnp.float32), drives.astype(jnp.float32))
    np.testing.assert_allclose(single, probability_of(law_of(40.0, 1.0, 1e-9, 5e-9), drives), atol=3e-5)


def test_parameters_broadcast_over_draws_and_arrays():
    law = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (3, 4, 5)), law_of())
    drives = jnp.linspace(0, 4, 20).reshape(4, 5)
    shapes = {probability_of(law, drives).shape, slope_of(law, drives).shape, law.middle().shape}
    assert shapes == {(3, 4, 5)}
    np.testing.assert_allclose(probability_of(law, drives)[1], probability_of(law_of(), drives), rtol=1e-12)
    np.testing.assert_allclose(slope_of(law, drives)[2], slope_of(law_of(), drives), rtol=1e-12)
    mixed = MacrospinSwitching(jnp.full((3, 1, 1), 60.0), jnp.ones(5), jnp.asarray(1.0), jnp.ones((4, 1)))
    assert mixed.drive_for(jnp.asarray(0.3)).shape == (3, 4, 5)


def test_undefined_stays_undefined():
    for method in (law_of().probability, law_of().slope, law_of().drive_for):
        assert np.isnan(float(method(jnp.asarray(jnp.nan))))


def test_committed_table_never_falls_along_drive_and_time():
    table = load_table()
    assert (np.diff(table.coefficients, axis=1) >= 0).all()
    assert (np.diff(table.coefficients, axis=2) >= 0).all()
    np.testing.assert_allclose((table.lowest_x, table.highest_x), (-2.508, 24.988), atol=1e-3)
    assert table.coefficients.shape == (12, 50, 78)


def test_table_is_read_as_it_was_written(tmp_path):
    axes = (Axis(2.0, 0.5, 2), Axis(-1.0, 0.25, 3), Axis(0.0, 0.1, 4))
    table = Table(np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32), *axes)
    write_table(table, tmp_path / "table.npz")
    again = read_table((tmp_path / "table.npz").read_bytes())
    np.testing.assert_array_equal(again.coefficients, table.coefficients)
    assert (again.log_stability, again.q, again.w) == axes


@pytest.mark.slow
def test_committed_table_is_what_the_solver_gives():
    """Where P is not rounding; 1e-3 in ln(-ln(1-P))."""
    made, committed = make_table(), load_table()
    assert (made.log_stability, made.q, made.w) == (committed.log_stability, committed.q, committed.w)
    clear = np.abs(committed.coefficients) < 15
    np.testing.assert_allclose(made.coefficients[clear], committed.coefficients[clear], atol=1e-3)


@pytest.mark.slow
def test_table_of_errors():
    forms = {case: form_errors(*case) for case in (*ERRORS, *MORE_CASES)}
    law = {
        case: law_errors(case[0], (case[1] - 1) * np.sqrt(case[0]), ballistic_times(case[1])).max()
        for case in forms
    }
    rates = {
        case: (solved_rate(*case), *(float(f(*case)) for f in (brown_rate, corrected_brown_rate)))
        for case in RATES
    }
    random = random_errors(np.random.default_rng(11), 300)
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(report(forms, law, rates, random), encoding="utf-8")
    assert random.max() < 0.002
    assert max(law.values()) < 0.002


def report(forms, law, rates, random):
    lines = [
        "# Macrospin against its Fokker-Planck equation",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/charz/devices/test_macrospin.py`.",
        "",
        "Largest error of the switching probability over the whole curve. N: starting angle; B: Butler; C: exact"
        " trajectory; law: `MacrospinSwitching`.",
        "",
        "| Δ, i | N | B | C | law |",
        "|---|---|---|---|---|",
        *(
            f"| {stability}, {overdrive} | "
            + " | ".join(f"{error:.4f}" for error in errors)
            + f" | {law[stability, overdrive]:.0e} |"
            for (stability, overdrive), errors in forms.items()
        ),
        "",
        "Thermal rates times τ_D.",
        "",
        "| Δ, i | barrier (kT) | solver | Brown | Brown, corrected |",
        "|---|---|---|---|---|",
        *(
            f"| {stability}, {overdrive} | {stability * (1 - overdrive) ** 2:.1f} | "
            + " | ".join(f"{rate:.3e}" for rate in values)
            + " |"
            for (stability, overdrive), values in rates.items()
        ),
        "",
        f"The law inside its table, {random.size} random pairs of Δ (10 to 200) and (i - 1)√Δ (-2.4 to 24.5), 40"
        f" random times each: largest error {random.max():.1e}, median of the largest {np.median(random):.1e}.",
    ]
    return "\n".join(lines) + "\n"
