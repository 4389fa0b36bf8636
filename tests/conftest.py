"""What every test shares: strict arrays, a plotting backend without a screen, and where real data may lie."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Arrays of different rank never broadcast silently (set before JAX is imported; processes that a test starts
# inherit it). Strict dtype promotion would be the second guard, but NumPyro and optax themselves mix dtypes.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

PROJECT_ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CHARZ_DATA", PROJECT_ROOT.parent / "shared" / "data"))
MEASURED = Path(os.environ.get("CHARZ_MEASURED_DATA", PROJECT_ROOT.parent / "shared" / "measured"))


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Folder that holds pyproject.toml."""
    return PROJECT_ROOT


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with ``mnist/`` and ``fashion-mnist/``; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"image sets not found at {DATA}; set CHARZ_DATA")
    return DATA


@pytest.fixture(scope="session")
def measured_root() -> Path:
    """Folder with recordings from laboratories; the test is skipped where it is absent."""
    if not MEASURED.is_dir():
        pytest.skip(f"measured data not found at {MEASURED}; set CHARZ_MEASURED_DATA")
    return MEASURED
