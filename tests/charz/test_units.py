"""Units: conversion by known factors, and errors that show the flag to add."""

import math

import numpy as np
import pytest

from charz.errors import UnitError
from charz.units import canonical_unit, is_unit, to_si, unit_for

DRIVE = ("V", "A", "A/m", "T")


@pytest.mark.parametrize(
    ("unit", "factor", "canonical"),
    [
        ("V", 1.0, "V"),
        ("mV", 1e-3, "V"),
        ("Volt", 1.0, "V"),
        ("Volts", 1.0, "V"),
        ("uA", 1e-6, "A"),
        ("\u00b5s", 1e-6, "s"),
        ("\u03bcs", 1e-6, "s"),
        ("ns", 1e-9, "s"),
        ("second", 1.0, "s"),
        ("k\u03a9", 1e3, "ohm"),
        ("k\u2126", 1e3, "ohm"),
        ("MOhm", 1e6, "ohm"),
        ("ohms", 1.0, "ohm"),
        ("uS", 1e-6, "S"),
        ("Oe", 1000 / (4 * math.pi), "A/m"),
        ("kOe", 1e6 / (4 * math.pi), "A/m"),
        ("G", 1e-4, "T"),
        ("mT", 1e-3, "T"),
        ("V/ms", 1e3, "V/s"),
        ("A/m^2", 1.0, "A/m**2"),
        ("1", 1.0, "1"),
        ("%", 1e-2, "1"),
        ("arb", 1.0, "arb"),
    ],
)
def test_conversion_to_si(unit, factor, canonical):
    values, found = to_si([0.0, 3.0], unit, "x", arbitrary=True)
    assert found == canonical == canonical_unit(unit)
    np.testing.assert_allclose(values, [0.0, 3.0 * factor], rtol=1e-14)


def test_temperatures_have_an_offset():
    np.testing.assert_allclose(to_si([25.0], "°C", "temperature")[0], [298.15])


def test_decimal_prefixes_are_rounded_correctly():
    # 700 * 0.001 would be 0.7000000000000001
    millivolts = np.arange(1000.0)
    assert (to_si(millivolts, "mV", "x")[0] == [float(f"{n}e-3") for n in range(1000)]).all()


@pytest.mark.parametrize("unit", [None, "", "  "])
def test_a_missing_unit_shows_the_flag(unit):
    with pytest.raises(UnitError, match=r"'amplitude'.*--unit amplitude=V.*arb"):
        to_si([1.0], unit, "amplitude", DRIVE, arbitrary=True)


def test_wrong_dimension():
    with pytest.raises(
        UnitError, match="'ns' of 'amplitude' has the wrong dimension: s where V or A or A/m or T"
    ):
        to_si([1.0], "ns", "amplitude", DRIVE)


@pytest.mark.parametrize(
    "unit",
    [
        "furlongs per potato",
        "1e400 V",
        "9**9**9**9",
        "20 ns",
        "V; import os",
        "__class__",
        "V" * 50,
        "m(",
        "V=",
    ],
)
def test_what_is_no_unit(unit):
    assert not is_unit(unit)
    with pytest.raises(UnitError, match="unit"):
        unit_for("x", unit)


def test_a_logarithmic_unit_has_no_factor():
    with pytest.raises(UnitError, match="dB"):
        to_si([1.0], "dB", "x")


def test_arbitrary_only_where_allowed():
    assert unit_for("amplitude", "arb", DRIVE, arbitrary=True) == "arb"
    assert is_unit("arb")
    with pytest.raises(UnitError, match="'width' cannot have the unit 'arb'"):
        unit_for("width", "arb", ("s",))


def test_a_dimension_without_a_name_gets_base_units():
    assert canonical_unit("mm**3") == "m**3"
