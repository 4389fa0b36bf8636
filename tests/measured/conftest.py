"""How a number printed on a page of reference is compared, and how the command line is run in-process.

The suite runs over files of laboratories that are not part of the project: `measured_root` of tests/conftest.py
skips it where they are absent. The descriptions beside it hold what the files do not say, and no data.
"""

import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from charz.cli.app import main
from charz.store import load

Printed = Callable[..., Any]
Convert = Callable[..., xr.Dataset]
Lag = Callable[[ArrayLike], float]
Weibull = Callable[..., tuple[float, float]]
_PRINTED = re.compile(r"(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(?P<percent>%?)")
# A value that was rounded lies on the edge of half a unit; binary fractions must not push it over.
SLACK = 1 + 1e-6


def _printed(text: str, rel: float = 0.0, scale: float = 1.0) -> Any:
    """What equals every value that would be printed as `text`.

    Half a unit of the last printed digit is allowed, or `rel` times the value where that is more. ``"46.15 %"``
    is 0.4615. `scale` is the unit in which the page prints: ``printed("-4.2947", scale=1e-9)`` for nA.
    """
    match = _PRINTED.fullmatch(text.strip())
    assert match is not None, f"{text!r} is not a printed number"
    number = Decimal(match.group("number"))
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    factor = scale * (0.01 if match.group("percent") else 1.0)
    half = 0.5 * 10.0**exponent * abs(factor) * SLACK
    return pytest.approx(float(number) * factor, rel=rel, abs=half)


@pytest.fixture(scope="session")
def printed() -> Printed:
    """Comparison with a number as it is printed: ``assert value == printed("0.0102")``."""
    return _printed


def _ac1(values: ArrayLike) -> float:
    """Pearson correlation of ``x[:-1]`` with ``x[1:]``."""
    array = np.asarray(values)
    return float(np.corrcoef(array[:-1], array[1:])[0, 1])


def _weibull(values: ArrayLike, lower: ArrayLike | None = None, upper: ArrayLike | None = None) -> Any:
    """Maximum-likelihood shape k and scale lam, location 0.

    A value counts by its density where its bounds are not given, otherwise by the probability of (lower, upper].
    A lower bound of 0 is left-, an upper one of inf right-censored.
    """
    exact = np.asarray(values, dtype=float)
    low, high = (np.asarray([] if one is None else one, dtype=float) for one in (lower, upper))

    def loss(parameters: Any) -> float:
        k, lam = np.exp(parameters)
        density = np.log(k / lam) + (k - 1) * np.log(exact / lam) - (exact / lam) ** k
        between = np.exp(-((low / lam) ** k)) - np.exp(-((high / lam) ** k))
        return -float(density.sum() + np.log(np.maximum(between, 1e-300)).sum())

    everything = np.concatenate([exact, high[np.isfinite(high)]])
    start = np.log([1.2 * everything.mean() / everything.std(), everything.mean()])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6})
    assert found.success
    return tuple(np.exp(found.x))


@pytest.fixture(scope="session")
def ac1() -> Lag:
    """Correlation of each value with the next."""
    return _ac1


@pytest.fixture(scope="session")
def weibull() -> Weibull:
    """Two-parameter Weibull fit: ``k, lam = weibull(exact, lower, upper)``."""
    return _weibull


@pytest.fixture(scope="session")
def descriptions() -> Path:
    """Folder of the measurement descriptions."""
    return Path(__file__).parent / "descriptions"


@pytest.fixture(scope="module")
def convert(tmp_path_factory: pytest.TempPathFactory, descriptions: Path) -> Convert:
    """``charz convert PATH -d DESCRIPTION -o out.nc`` in this process, and the file that it wrote, loaded."""

    def run(path: Path, description: str, *flags: str) -> xr.Dataset:
        out = tmp_path_factory.mktemp("converted") / "out.nc"
        words = ["charz", "convert", str(path), "-d", str(descriptions / description), "-o", str(out), *flags]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", words)
            with pytest.raises(SystemExit) as left:
                main()
        assert left.value.code == 0
        return load(out)

    return run
