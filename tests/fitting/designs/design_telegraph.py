"""Small records of telegraph noise for each model, and records that violate what it assumes."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong

from charz.fitting.priors import Prior

NUM_DEVICES, NUM_SAMPLES, INTERVAL = 4, 240, 1e-3
DRIVES = np.linspace(-1.0, 1.0, NUM_DEVICES)
TEMPERATURES = np.linspace(290.0, 330.0, NUM_DEVICES)


def dataset_of(signal: np.ndarray, **settings: np.ndarray) -> xr.Dataset:
    """Records (device, time) in V, sampled each ms, with settings of each device as coordinates."""
    devices = [f"d{index}" for index in range(len(signal))]
    units = {"drive": "V", "temperature": "K"}
    return xr.Dataset(
        {
            "signal": (("device", "time"), signal, {"units": "V", "long_name": "signal"}),
            "sample_interval": (
                ("device",),
                np.full(len(signal), INTERVAL),
                {"units": "s", "long_name": "time between samples"},
            ),
        },
        coords={"device": devices}
        | {name: ("device", value, {"units": units[name]}) for name, value in settings.items()},
        attrs={"experiment": "telegraph"},
    )


def placeholder(num_devices: int) -> np.ndarray:
    """Two levels in turn: the range of the designs' records, nothing else."""
    return np.tile(np.repeat([0.0, 1.0], 6), (num_devices, NUM_SAMPLES // 12))


def states(generator: np.random.Generator, up: float, down: float, size: int) -> np.ndarray:
    """Two-state chain by its dwells, geometric with probabilities `up` and `down` of leaving, (size,)."""
    number = size
    lengths = np.stack([generator.geometric(up, number), generator.geometric(down, number)], 1).ravel()
    return np.repeat(np.tile([0, 1], number), np.minimum(lengths, size))[:size]


def normal(mean: float, sd: float) -> Prior:
    return Prior("normal", (mean, sd))


def half_normal(scale: float) -> Prior:
    return Prior("half-normal", (scale,))


LEVELS = {"low": normal(0.0, 0.1), "log_separation": normal(0.0, 0.15), "log_noise": normal(-1.9, 0.25)}
LEVEL_SPREADS = {
    "low_sd": half_normal(0.1),
    "log_separation_sd": half_normal(0.1),
    "log_noise_sd": half_normal(0.1),
}
RATES = {"log_rate_up": normal(np.log(180.0), 0.3), "log_rate_down": normal(np.log(180.0), 0.3)}
RATE_SPREADS = {"log_rate_up_sd": half_normal(0.2), "log_rate_down_sd": half_normal(0.2)}
SHARED = {**LEVELS, **LEVEL_SPREADS, **RATES}
DRIVEN = dataset_of(placeholder(NUM_DEVICES), drive=DRIVES)
HEATED = dataset_of(placeholder(NUM_DEVICES), temperature=TEMPERATURES)

DESIGNS = {
    "two-state": Design(
        dataset_of(placeholder(NUM_DEVICES)), {**LEVELS, **LEVEL_SPREADS, **RATES, **RATE_SPREADS}
    ),
    "two-state-drift": Design(
        dataset_of(placeholder(1)), {**LEVELS, **RATES, "drift": normal(0.0, 0.3)}, pool="complete"
    ),
    "three-state": Design(
        dataset_of(np.tile(placeholder(1), 2)),
        {
            "low": normal(0.0, 0.1),
            "log_lower_separation": normal(0.0, 0.1),
            "log_upper_separation": normal(0.0, 0.1),
            "log_noise": normal(-1.8, 0.2),
            **{
                f"log_rate_{pair}": normal(np.log(80.0), 0.4) for pair in ("01", "02", "10", "12", "20", "21")
            },
        },
        pool="complete",
    ),
    "telegraph-drive": Design(
        DRIVEN, {**SHARED, "growth_up": normal(0.0, 0.6), "growth_down": normal(0.0, 0.6)}
    ),
    "telegraph-arrhenius": Design(
        HEATED, {**SHARED, "stability_up": normal(8.0, 4.0), "stability_down": normal(8.0, 4.0)}
    ),
}


def wrong_records() -> dict[str, xr.Dataset]:
    """Records that no model of one chain with Gaussian noise and its law of rates describes."""
    generator = np.random.default_rng(20251)
    size = 3000
    two = states(generator, 0.05, 0.05, size)
    noise = 0.15 * generator.standard_normal(size)
    time = np.arange(size) / size
    # Three levels by two independent chains of which one acts only where the other is high.
    three = two * (1.0 + states(generator, 0.03, 0.03, size))
    # Four levels: two independent chains.
    four = two + 2.6 * states(generator, 0.03, 0.03, size)
    # Dwells with two time scales: a hidden slow state makes the rates ten times larger or smaller.
    slow = states(generator, 0.004, 0.004, size)
    fast, lazy = states(generator, 0.3, 0.3, size), states(generator, 0.01, 0.01, size)
    bent = np.sin(2 * np.pi * time)
    rates = 0.05 * np.exp(2.0 * np.array([-1.0, 0.3, 0.3, -1.0]))
    hump = np.stack([states(generator, rate, rate, 1500) for rate in rates])
    reads = 0.15 * generator.standard_normal(hump.shape)
    return {
        "three levels": dataset_of((three + noise)[None]),
        "four levels": dataset_of((four + noise)[None]),
        "drifting baseline": dataset_of((two + 0.8 * time + noise)[None]),
        "bent baseline": dataset_of((two + 0.4 * bent + noise)[None]),
        "heavy-tailed read-out": dataset_of((two + 0.1 * generator.standard_t(2.5, size))[None]),
        "dwells of two time scales": dataset_of((np.where(slow, fast, lazy) + noise)[None]),
        "rates not monotone in the drive": dataset_of(hump + reads, drive=DRIVES),
        "rates not monotone in the temperature": dataset_of(hump + reads, temperature=TEMPERATURES),
    }


def wrong_models() -> list[Wrong]:
    """Pair the records with the models that they contradict."""
    data = wrong_records()
    dwells = ("longest low dwell", "longest high dwell", "dwell spread")
    return [
        Wrong(
            "three levels",
            data["three levels"],
            "two-state",
            ("residual shape", "tails"),
            better="three-state",
        ),
        Wrong(
            "drifting baseline",
            data["drifting baseline"],
            "two-state",
            ("level drift", "neighbours"),
            better="two-state-drift",
        ),
        Wrong(
            "heavy-tailed read-out", data["heavy-tailed read-out"], "two-state", ("tails", "largest residual")
        ),
        Wrong("dwells of two time scales", data["dwells of two time scales"], "two-state", dwells),
        Wrong("bent baseline", data["bent baseline"], "two-state-drift", ("neighbours", "level drift")),
        Wrong("four levels", data["four levels"], "three-state", ("residual shape", "tails", "neighbours")),
        Wrong(
            "rates not monotone in the drive",
            data["rates not monotone in the drive"],
            "telegraph-drive",
            ("devices", "crossings"),
        ),
        Wrong(
            "rates not monotone in the temperature",
            data["rates not monotone in the temperature"],
            "telegraph-arrhenius",
            ("devices", "crossings"),
        ),
    ]


WRONG = wrong_models()
