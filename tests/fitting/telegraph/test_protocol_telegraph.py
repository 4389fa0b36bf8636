"""Every model of `telegraph` obeys the protocol of models, is calibrated, and is caught where it is wrong."""

import pytest
from designs import DESIGNS, WRONG
from protocol import (
    NUM_QUICK_WRONG,
    check_fit_round_trip,
    check_likelihood_is_finite,
    check_model_is_complete,
    check_quick_calibration,
    check_wrong_model,
    split_models,
)

MODELS = sorted(DESIGNS["telegraph"])
FIRST, OTHERS = split_models("telegraph")


@pytest.mark.parametrize("name", MODELS)
def test_model_is_complete(name):
    check_model_is_complete(name)


@pytest.mark.parametrize("name", MODELS)
def test_likelihood_is_finite(name):
    check_likelihood_is_finite(name)


@pytest.mark.parametrize("name", FIRST)
def test_fit_round_trip(name, tmp_path):
    check_fit_round_trip(name, tmp_path)


@pytest.mark.parametrize("name", FIRST)
def test_quick_calibration(name):
    check_quick_calibration(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_further_fits_round_trip(name, tmp_path):
    check_fit_round_trip(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_further_quick_calibration(name):
    check_quick_calibration(name)


@pytest.mark.parametrize("wrong", WRONG["telegraph"][:NUM_QUICK_WRONG], ids=lambda wrong: wrong.name)
def test_wrong_model_is_caught(wrong):
    check_wrong_model(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG["telegraph"][NUM_QUICK_WRONG:], ids=lambda wrong: wrong.name)
def test_further_wrong_models_are_caught(wrong):
    check_wrong_model(wrong)
