"""What the suite itself stands on, without any measured file: the comparison, the fit, the descriptions."""

from pathlib import Path

import numpy as np
import pytest

from charz.description import load_description
from charz.extract import EXTRACTORS
from charz.extract.options import check_options
from charz.readers.read import checked_request

DESCRIPTIONS = sorted((Path(__file__).parent / "descriptions").glob("*.toml"))


@pytest.mark.parametrize(
    ("text", "least", "greatest"),
    [
        ("0.0102", 0.01015, 0.01025),
        ("-8.4e26", -8.45e26, -8.35e26),
        ("118661.8", 118661.75, 118661.85),
        ("4.903e-4", 4.9025e-4, 4.9035e-4),
        ("46.15 %", 0.46145, 0.46155),
        ("1.00", 0.995, 1.005),
        ("88 %", 0.875, 0.885),
    ],
)
def test_half_a_unit_of_the_last_digit(printed, text, least, greatest):
    inside = 1e-3 * (greatest - least)
    for value in (least, greatest, 0.5 * (least + greatest)):
        assert value == printed(text)
    assert least - inside != printed(text)
    assert greatest + inside != printed(text)


def test_the_wider_of_both_tolerances_counts(printed):
    assert printed("3.229", rel=1e-2) == 3.25
    assert printed("3.229", rel=1e-2) != 3.27
    assert printed("-4.2947", scale=1e-9) == -4.29474e-9
    assert printed("-4.2947", scale=1e-9) != -4.29476e-9


@pytest.mark.parametrize("text", ["", "about 3", "1.2.3", "1,5"])
def test_what_is_no_printed_number(printed, text):
    with pytest.raises(AssertionError, match="no" if text else "not a printed number"):
        printed(text)


def test_weibull_with_every_kind_of_censoring(weibull):
    truth = (3.0, 1.2)
    values = truth[1] * np.random.default_rng(1).weibull(truth[0], 20_000)
    early, late = values < 0.7, values > 1.6
    inner = ~early & ~late & (np.arange(values.size) % 2 == 0)
    exact = values[~early & ~late & ~inner]
    grid = np.floor(values[inner] / 0.1) * 0.1
    lower = np.concatenate([np.zeros(early.sum()), np.full(late.sum(), 1.6), grid])
    upper = np.concatenate([np.full(early.sum(), 0.7), np.full(late.sum(), np.inf), grid + 0.1])
    np.testing.assert_allclose(weibull(exact, lower, upper), truth, rtol=0.02)
    np.testing.assert_allclose(weibull(values), truth, rtol=0.02)


def test_there_are_descriptions():
    assert len(DESCRIPTIONS) >= 15


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda path: path.stem)
def test_descriptions_are_valid(path):
    said = load_description(path)
    assert checked_request(said).kind.name == said.experiment
    for step in said.extract:
        options = {name: value for name, value in step.items() if name != "rule"}
        check_options(EXTRACTORS[step["rule"]], options)
