"""What every test shares: a plotting backend without a screen, and where real data may lie."""

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# JAX's strict promotion flags stay off for all: laws broadcast against arrays of any rank by contract, and
# NumPyro and optax mix dtypes. A folder whose code can afford the strict flags turns them on for itself.


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run benchmarks, and the long statistical runs, in this process alone: they use all cores themselves."""
    if config.option.benchmark_enable or config.option.markexpr == "slow":
        config.option.numprocesses = 0
        config.option.dist = "no"
        config.option.tx = []


def pytest_configure(config: pytest.Config) -> None:
    """Compile quickly where only behaviour is tested: without optimization, and fused loops by the older generator.

    The default suite compiles hundreds of small programs and runs each for a moment; the older generator halves the
    time that takes, and parts of a program for several threads to compile only cost time where each core has a process
    of tests. Slow runs and benchmarks are compiled as users run them.
    """
    os.environ.setdefault("CHARZ_COMPILATION_CACHE", "off")  # tests leave nothing in the user's folders
    if config.option.markexpr == "not slow" and not config.option.benchmark_enable:
        os.environ.setdefault(
            "XLA_FLAGS",
            "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
            " --xla_cpu_parallel_codegen_split_count=1",
        )
        # Tracing makes millions of small objects that live on; looking through them for garbage takes a tenth of a run.
        gc.set_threshold(100_000, 20, 100)


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
