"""Marginal fits against joint NUTS, on seven models and data sets, two of them measured: the same posterior.

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/measured/test_marginal_equality.py

adds each case to the table as it is done.
"""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from design_pulse_switching import crossed, skeleton
from design_telegraph import dataset_of, states
from scipy.special import expit

import charz
from charz.devices import ThermalActivation
from charz.fitting import fit

TABLE = Path(__file__).resolve().parents[1] / "results" / "marginal-equality.md"
HEADING = """# Marginal fits against joint NUTS

Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/measured/test_marginal_equality.py`.
Differences of posterior means in posterior standard deviations (limit 0.1), ratios of standard deviations (0.9 to 1.1);
the largest of all parameters of the population, and of all devices. NUTS: 4 chains of 2,000 draws.

| data | model | devices | population: mean, sd | devices: mean, sd | Pareto k | effective | ESS of NUTS |
|---|---|---|---|---|---|---|---|
"""


def curves(num_devices, floor):
    generator, amplitude = np.random.default_rng(5), np.linspace(0.5, 1.5, 13)
    location = generator.normal(1, 0.1, (num_devices, 1))
    width = np.exp(generator.normal(np.log(0.1), 0.2, (num_devices, 1)))
    low = expit(generator.normal(-3, 0.3, (num_devices, 1))) if floor else 0.0
    chance = low + (1 - low) * expit((amplitude - location) / width)
    return skeleton(num_devices, amplitude, 100, generator.binomial(100, chance))


def junctions(amplitude, width):
    generator, num_devices = np.random.default_rng(6), 60
    stability = np.exp(generator.normal(np.log(40), 0.08, (num_devices, 1)))
    critical = np.exp(generator.normal(0, 0.06, (num_devices, 1)))
    law = ThermalActivation(*map(jax.numpy.asarray, (stability, critical, 1e-9, width)))
    chance = np.clip(np.asarray(law.probability(jax.numpy.asarray(amplitude)), float), 0, 1)
    return skeleton(num_devices, amplitude, 100, generator.binomial(100, chance), width=width)


def traces(num_devices=8, num_samples=3000):
    generator = np.random.default_rng(7)
    up, down = np.exp(generator.normal(np.log(0.2), 0.3, (2, num_devices)))
    separation, noise = np.exp(generator.normal(0, 0.1, (2, num_devices)))
    low = generator.normal(0, 0.2, num_devices)
    levels = np.stack([states(generator, *rates, num_samples) for rates in zip(up, down, strict=True)])
    signal = low[:, None] + separation[:, None] * levels
    return dataset_of(signal + 0.15 * noise[:, None] * generator.normal(size=signal.shape))


VOLTAGES = np.linspace(0.2, 0.95, 12)


@pytest.fixture(scope="module")
def measured_ramps(measured_root, descriptions):
    path = measured_root / "rram-1t1r-radar"
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return charz.read(path, description=descriptions / "rram-1t1r-radar-ispp-sweep.toml")


def unswitched(ramps):
    return ramps.assign(threshold=ramps["threshold"].where(ramps["started"] == 0))


CASES = {
    "simulated wires": ("logistic-plain", lambda ramps: curves(200, floor=False)),
    "simulated wires with floors": ("logistic", lambda ramps: curves(200, floor=True)),
    "simulated junctions": ("thermal", lambda ramps: junctions(VOLTAGES, 1e-6)),
    "simulated junctions, two pulse widths": (
        "thermal-free",  # the attempt time is shared
        lambda ramps: junctions(*crossed(VOLTAGES, (1e-7, 1e-5))),
    ),
    "simulated telegraph traces": ("two-state", lambda ramps: traces()),
    "measured ISPP ramps, 375 that start unswitched": ("weibull", unswitched),
    "measured ISPP ramps, all 400 as values": (
        "lognormal",
        lambda ramps: ramps.drop_vars(["censored", "lower", "upper"]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_same_posterior(name, measured_ramps):
    model, make = CASES[name]
    data = make(measured_ramps)
    options = {"key": jax.random.key(0), "pool": "hierarchical"}
    marginal = fit(data, model, method="marginal", **options)
    assert marginal.tree.attrs["method"] == "marginal", marginal.tree.attrs["remarks"]
    nuts = fit(data, model, method="nuts", draws=2000, warmup=1000, **options)
    assert nuts.converged
    one, other = (p.tree["posterior"].to_dataset() for p in (marginal, nuts))
    of_population, of_devices = (0.0, 1.0), (0.0, 1.0)
    for parameter in other:
        values = other[parameter].to_numpy()
        if not np.isfinite(values).all() or np.ptp(values) <= 1e-12 * np.abs(values).max():
            continue  # a constant of the law, or none
        sd = other[parameter].std(("chain", "draw"))
        off = np.abs((one[parameter].mean(("chain", "draw")) - other[parameter].mean(("chain", "draw"))) / sd)
        ratio = one[parameter].std(("chain", "draw")) / sd
        ratios = ratio.to_numpy().ravel()
        worst = float(off.max()), float(ratios[np.abs(np.log(ratios)).argmax()])
        if "device" in other[parameter].dims:
            of_devices = worse(of_devices, worst)
        else:
            of_population = worse(of_population, worst)
    k = float(marginal.tree["sample_stats"]["pareto_k_population"])
    k_device = float(marginal.tree["sample_stats"]["pareto_k_device"].max())
    smallest = min(row["ess_bulk"] for row in nuts.summary()["population"].values())
    line = (
        f"| {name} | `{model}` | {data.sizes['device']} | {of_population[0]:.3f}, {of_population[1]:.3f} |"
        f" {of_devices[0]:.3f}, {of_devices[1]:.3f} | {k:.2f}, devices up to {k_device:.2f} |"
        f" {marginal.tree.attrs['effective_proposals']:.0f} | {smallest:.0f} |"
    )
    print(line, flush=True)  # noqa: T201
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.is_file() else HEADING.splitlines()
        kept = [old for old in lines if not old.startswith(f"| {name} |")]
        TABLE.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")
    for off, ratio in (of_population, of_devices):
        assert off < 0.1
        assert 0.9 < ratio < 1.1


def worse(one, other):
    """Larger difference, and ratio farther from 1."""
    return max(one[0], other[0]), max(one[1], other[1], key=lambda ratio: abs(np.log(ratio)))
