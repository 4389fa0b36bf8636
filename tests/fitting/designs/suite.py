"""The tests of a family's models, made from its designs: one file a family runs them, so that a test run is spread."""

from collections.abc import Callable

import pytest
from designs import DESIGNS, WRONG
from protocol import (
    CALIBRATED_BY_DEFAULT,
    FITTED_BY_DEFAULT,
    QUICK_WRONG,
    check_better_model_wins,
    check_fit_round_trip,
    check_likelihood_is_finite,
    check_model_is_complete,
    check_quick_calibration,
    check_wrong_model,
)


def suite(experiment: str) -> dict[str, Callable[..., None]]:
    """Test functions over the models and the wrong models of a family, slow ones marked, by name."""
    names = sorted(DESIGNS[experiment])

    @pytest.mark.parametrize("name", names)
    def test_model_is_complete(name):
        check_model_is_complete(name)

    @pytest.mark.parametrize("name", names)
    def test_likelihood_is_finite(name):
        check_likelihood_is_finite(name)

    @pytest.mark.parametrize("name", _slow_unless(names, FITTED_BY_DEFAULT))
    def test_fit_round_trip(name, tmp_path):
        check_fit_round_trip(name, tmp_path)

    @pytest.mark.parametrize("name", _slow_unless(names, CALIBRATED_BY_DEFAULT))
    def test_quick_calibration(name):
        check_quick_calibration(name)

    wrong_models = [
        pytest.param(
            wrong, id=wrong.name, marks=pytest.mark.slow if index or experiment not in QUICK_WRONG else ()
        )
        for index, wrong in enumerate(WRONG[experiment])
    ]

    @pytest.mark.parametrize("wrong", wrong_models)
    def test_wrong_model_is_caught(wrong):
        check_wrong_model(wrong)

    @pytest.mark.slow
    @pytest.mark.parametrize("wrong", [pytest.param(w, id=w.name) for w in WRONG[experiment] if w.better])
    def test_better_model_wins(wrong):
        check_better_model_wins(wrong)

    return {name: test for name, test in locals().items() if name.startswith("test_")}


def _slow_unless(names: list[str], quick: tuple[str, ...]) -> list:
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]
