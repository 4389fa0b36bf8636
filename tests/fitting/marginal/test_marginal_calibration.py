"""Simulation-based calibration of marginal fits, with the fallback to NUTS where Pareto k asks for it.

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/fitting/marginal/test_marginal_calibration.py

writes the table. Populations and devices are drawn from the prior, counts from the devices; no fit is left out.
"""

import os
import zlib
from pathlib import Path

import jax
import numpy as np
import pytest
from calibration import Replication, coverage_range, judge, names_of, with_outcomes
from design_pulse_switching import BELOW, NS, SWEEP, skeleton
from design_pulse_switching import DESIGNS as PULSE_SWITCHING
from design_telegraph import DESIGNS as TELEGRAPH
from design_telegraph import dataset_of
from protocol import assert_calibrated

from charz.fitting.marginal import Refused, integrate
from charz.fitting.population import population_names
from charz.fitting.predictive import prior_draws, replicates
from charz.fitting.registry import family_of, find_model
from charz.fitting.sampling import Plan, prepare, sample

TABLE = Path(__file__).resolve().parents[2] / "results" / "marginal-calibration.md"
NUM_REPLICATIONS, FEW = 200, 6
# Well measured devices, as on a wafer; of others most fits go on with NUTS, which has a table of its own.
DATA = {
    "logistic-plain": skeleton(20, SWEEP, 100),
    "logistic": skeleton(20, SWEEP, 200),
    "thermal": skeleton(20, BELOW, 100, width=1000 * NS),
    # Five parameters a device, and records long enough that candidates are drawn once.
    "two-state": dataset_of(np.tile(np.repeat([0.0, 1.0], 5), (6, 200))),
}
DESIGNS = {**PULSE_SWITCHING, **TELEGRAPH}


def replicated(model_name, number):
    """Replications, and how many of the fits were given up for NUTS."""
    model, priors = find_model(model_name), DESIGNS[model_name].priors
    observations = family_of(model_name).observe(DATA[model_name])
    populations, found, given_up = population_names(model, "hierarchical"), [], 0
    for seed in range(number):
        generator = np.random.default_rng([zlib.crc32(f"marginal {model_name}".encode()), seed])
        with jax.enable_x64(True):
            drawn = prior_draws(generator, model, priors, "hierarchical", 1, len(observations.devices))
            values = {n: v[None] for n, v in drawn.items() if n not in populations}
            outcomes = replicates(generator, model, values, observations)
            data = with_outcomes(observations, {n: a[0, 0] for n, a in outcomes.items()})
            result = integrate(jax.random.key(seed), model, data, priors, (2, 500))
            if isinstance(result, Refused):
                given_up += 1
                prepared = prepare(model, data, "hierarchical", priors)
                result = sample(jax.random.key(seed), prepared, Plan(500, 400, 2, second_attempt=False))
        draws = {
            n: v.reshape(-1, *v.shape[2:])
            for n, v in result.values.items()
            if n in names_of(model, "hierarchical")
        }
        found.append(Replication({n: np.asarray(drawn[n][0]) for n in draws}, draws, 0))
    return found, given_up


def section(name, rows, number, given_up):
    low, high = coverage_range(number, len(rows))
    data = DATA[name]
    size = (
        f"{data.sizes['time']} samples"
        if "time" in data.sizes
        else f"{data.sizes['setting']} settings, {int(data['num_trials'].max())} trials"
    )
    lines = [
        f"## {name}",
        "",
        f"{data.sizes['device']} devices, {size}: {number} replications, of which {given_up} went on with NUTS;"
        f" coverage within {low:.3f} to {high:.3f} for {len(rows)} rows together.",
        "",
        "| parameter | coverage | all devices | rank p |",
        "|---|---|---|---|",
        *(f"| {r.name} | {r.coverage:.3f} | {r.all_devices:.3f} | {r.p_uniform:.3f} |" for r in rows),
    ]
    return "\n".join(lines) + "\n"


def write(name, text):
    """Replace one model's section."""
    old = TABLE.read_text(encoding="utf-8") if TABLE.is_file() else ""
    parts = {part.splitlines()[0]: part.rstrip() + "\n" for part in old.split("## ")[1:]}
    parts[name] = text.removeprefix("## ")
    TABLE.write_text(
        "# Calibration of marginal fits\n\nMade by `CHARZ_WRITE_RESULTS=1 pytest -m slow"
        " tests/fitting/marginal/test_marginal_calibration.py`.\n90 % intervals and ranks as in"
        " [calibration](calibration.md), with the priors of its designs.\n\n"
        + "\n".join(f"## {parts[one]}" for one in DATA if one in parts),
        encoding="utf-8",
    )


def test_a_few_are_calibrated():
    """As the full run, of a few: no interval may cover less than chance allows."""
    rows = judge(replicated("logistic-plain", FEW)[0], 2)
    low, _ = coverage_range(FEW, len(rows))
    assert all(row.coverage >= low for row in rows), rows


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_marginal_fits_are_calibrated(name):
    found, given_up = replicated(name, NUM_REPLICATIONS)
    rows = judge(found, 20)
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        write(name, section(name, rows, NUM_REPLICATIONS, given_up))
    assert_calibrated(rows, NUM_REPLICATIONS)
    # It is the marginal method that is tested, most of the time: priors of twenty devices reach to data that say
    # little.
    assert given_up < NUM_REPLICATIONS / 4
