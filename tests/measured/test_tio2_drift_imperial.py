"""Drift of TiO2 crossbar devices left alone for up to 36 hours."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import charz
from charz.datachecks import check_data
from charz.errors import ReadError, UnitError

FOLDER = "tio2-drift-imperial"
DESCRIPTION = f"{FOLDER}-retention.toml"
# Multi-start of the fits below: ln tau and ln beta, within what a double can hold.
STARTS = [
    (np.log(tau), np.log(beta))
    for tau, beta in ((1e4, 0.3), (1e4, 2.0), (1e5, 2.0), (5e4, 10.0), (1e5, 15.0))
]
TINY = np.finfo(float).tiny
BOUNDS = [(0.0, np.log(0.01)), (np.log(1e20), np.log(100.0))]


@pytest.fixture(scope="module")
def dataset(measured_root, descriptions):
    return charz.read(measured_root / FOLDER, description=descriptions / DESCRIPTION)


FILES = [
    ("d69_sa20_35/17_17", 12944, "129598.88", "28674.957", "1.0638"),
    ("d69_sa20_35/8_8", 12944, "129598.87", "21490.670", "1.0533"),
    ("d69_sa20_22/5_28", 11865, "118790.25", "18837.471", "1.0042"),
    ("d69_sa20_29/18_15", 6112, "61191.16", "30643.156", "1.0140"),
    ("d67_sa20_16/18_15", 5034, "50393.21", "7037.639", "0.9957"),
]


@pytest.mark.parametrize(("device", "points", "last", "first", "ratio"), FILES)
def test_drift_of_each_device(dataset, printed, device, points, last, first, ratio):
    one = dataset.sel(device=device)
    elapsed = one["elapsed"].dropna("time").values
    assert elapsed.size == points
    assert elapsed[-1] == printed(last)
    assert one["resistance"].values[0] == printed(first)
    assert float(one["drift_ratio"]) == printed(ratio)


def test_the_folder_holds_these_devices_and_no_others(dataset, printed):
    assert sorted(dataset["device"].values.tolist()) == sorted(row[0] for row in FILES)
    assert dataset["resistance"].attrs["units"] == "ohm"
    assert float(dataset["elapsed"].max()) / 3600 == printed("36")


def test_the_grid_stays_irregular(dataset, printed):
    step = np.diff(dataset["elapsed"].values, axis=1)
    step = step[np.isfinite(step)]
    assert np.median(step) == printed("10.01")
    assert (step.min(), step.max()) == (printed("9.98"), printed("10.05"))
    assert np.unique(step.round(2)).size > 3


def test_one_file_through_the_command_line(measured_root, convert, dataset):
    one = convert(measured_root / FOLDER / "d69_sa20_22" / "5_28_proc.csv", DESCRIPTION)
    assert one["device"].values.tolist() == ["d69_sa20_22/5_28"]
    expected = dataset["resistance"].sel(device="d69_sa20_22/5_28").dropna("time").values
    np.testing.assert_array_equal(one["resistance"].values[0], expected)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({}, "unit of 'elapsed' is stated nowhere .*--unit elapsed=s"),
        ({"elapsed": "s"}, "unit of 'resistance' is stated nowhere .*--unit resistance=ohm"),
    ],
)
def test_units_are_asked_for(measured_root, units, message):
    file = measured_root / FOLDER / "d69_sa20_35" / "8_8_proc.csv"
    with pytest.raises(UnitError, match=message):
        charz.read(file, "retention", {"elapsed": "t", "resistance": "r"}, units)


def test_crossbar_coordinates_alone_do_not_name_a_device(measured_root, descriptions):
    with pytest.raises(ReadError, match="device '18_15' was already read from"):
        charz.read(measured_root / FOLDER, description=descriptions / DESCRIPTION, device="{word}_{bit}")


def test_an_irregular_grid_is_no_gap(dataset):
    assert not [finding for finding in check_data(dataset) if finding.check == "sampling"]


def stretched(time, resistance, free):
    """Tau and beta of r0 + A (1 - exp(-(t/tau)^beta)), r0 free or the first sample; A and r0 by projection."""
    offset = 1.0 if free else 0.0
    change = resistance - (resistance.mean() if free else resistance[0])

    def residuals(parameters):
        tau, beta = np.exp(parameters)
        with np.errstate(over="ignore"):
            rise = -np.expm1(-((time / tau) ** beta))
        # The amplitude is free, so the rise may be scaled: it must not vanish where tau is very long.
        rise = (rise - offset * rise.mean()) / max(rise[-1], TINY)
        return rise * (rise @ change) / max(rise @ rise, TINY) - change

    fits = [
        least_squares(residuals, start, bounds=BOUNDS, x_scale=(1.0, 0.3), max_nfev=200) for start in STARTS
    ]
    return np.exp(min(fits, key=lambda fit: fit.cost).x)


@pytest.fixture(scope="module")
def fits(dataset):
    """(tau, beta) with a free and with a fixed offset, for each device."""

    def both(device):
        one = dataset.sel(device=device).dropna("time")
        traces = one["elapsed"].values, one["resistance"].values
        return [stretched(*traces, free) for free in (True, False)]

    return {device: both(device) for device, *_ in FILES}


def test_a_stretched_exponential_depends_on_its_offset(fits, printed):
    (tau, beta), (fixed_tau, fixed_beta) = fits["d69_sa20_35/8_8"]
    assert (tau, beta) == (printed("8.5e4", rel=1e-2), printed("4.2", rel=1e-2))
    assert fixed_tau > 1e18
    assert fixed_beta == printed("0.31", rel=1e-2)


@pytest.mark.parametrize("device", ["d69_sa20_22/5_28", "d67_sa20_16/18_15"])
def test_a_stretched_exponential_becomes_a_step(fits, device):
    assert min(beta for _, beta in fits[device]) > 14


@pytest.mark.parametrize(
    ("device", "tau", "beta"),
    [
        ("d69_sa20_29/18_15", ("1.5e4", "1.8e4"), ("1.8", "2.6")),
        ("d69_sa20_35/17_17", ("1.6e4", "1.8e4"), ("0.24", "0.33")),
    ],
)
def test_a_stretched_exponential_that_is_nearly_determined(fits, printed, device, tau, beta):
    taus, betas = (sorted(values) for values in np.transpose(fits[device]).tolist())
    assert taus == [printed(text, rel=1e-2) for text in tau]
    assert betas == [printed(text, rel=1e-2) for text in beta]
