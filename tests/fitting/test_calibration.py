"""Are the intervals what they say? Simulation-based calibration of every model, as one table.

The table in ``tests/results/calibration.md`` is made by

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/test_calibration.py

or, one model at a time, by adding ``-k "[weibull]"``: each run replaces its model's section.
"""

import fcntl
import os
import re
import tempfile
from pathlib import Path

import pytest
from calibration import coverage_range
from protocol import assert_calibrated, check_slow_calibration, design_of

from charz.fitting import MODELS
from charz.fitting.registry import family_of

RESULTS = Path(__file__).resolve().parents[1] / "results" / "calibration.md"
NUM_REPLICATIONS = 200
HEADING = """# Calibration of every model

Simulation-based calibration: values from the prior of the model's design (`tests/fitting/designs`), outcomes
simulated by NumPy, fits by NUTS with 2 chains. No fit is left out or repeated. Made by

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/test_calibration.py

`coverage`: share of 90 % intervals that hold the truth (of a device's parameter: the first device, so that
replications are independent); `all devices` averages them. `rank p`: chi-square test that the rank of the truth is
uniform (20 bins). The gate was set before the first run: all rows of a model together hold at 99 % (Bonferroni over
its rows, both for the binomial range of the coverage and for the rank p); a single p below 0.01 is marked with `*`
(one row in a hundred of a perfect sampler has it).
"""
SAMPLED = [name for name in MODELS if family_of(name).infer is None]


def section(name: str, rows: list, found: list) -> str:
    low, high = coverage_range(len(found), len(rows))
    diverged = sum(one.divergences > 0 for one in found)
    lines = [
        f"## {name}",
        "",
        f"{family_of(name).experiment}, pool {design_of(name).pool}: {len(found)} replications; coverage within"
        f" {low:.3f} to {high:.3f} for {len(rows)} rows together; fits with a divergence: {diverged}.",
        "",
        "| parameter | coverage | all devices | rank p |",
        "|---|---|---|---|",
    ]
    for row in rows:
        mark = " *" if row.p_uniform < 0.01 else ""
        lines.append(
            f"| {row.name} | {row.coverage:.3f} | {row.all_devices:.3f} | {row.p_uniform:.3f}{mark} |"
        )
    return "\n".join(lines) + "\n"


def write_section(name: str, text: str) -> None:
    """Replace one model's section; the file is locked, so that models can run side by side."""
    RESULTS.parent.mkdir(exist_ok=True)
    with (Path(tempfile.gettempdir()) / "charz-calibration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
        parts = re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]
        sections = {part.splitlines()[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}
        sections[name] = text
        ordered = [sections[model] for model in MODELS if model in sections]
        RESULTS.write_text("\n".join([HEADING, *ordered]), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
def test_slow_calibration(name):
    rows, found = check_slow_calibration(name, NUM_REPLICATIONS)
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        write_section(name, section(name, rows, found))
    assert_calibrated(rows, NUM_REPLICATIONS)


def test_table_holds_known_models():
    # A section of a model that is gone, or renamed, would speak of nothing.
    sections = re.findall(r"^## (.+)$", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sections
    assert set(sections) <= set(MODELS)


@pytest.mark.slow
def test_table_holds_every_model():
    # The committed table: whoever adds a model runs its calibration.
    sections = re.findall(r"^## (.+)$", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(SAMPLED) <= set(sections)
