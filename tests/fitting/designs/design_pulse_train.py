"""Small pulse-train measurements to simulate for every model, and trains that violate an assumption of each."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong

from charz.fitting.priors import Prior

MICRO = 1e-6
READS = ("device", "cycle", "pulse")


def train_dataset(conductance: np.ndarray, polarity: np.ndarray, **attrs: str) -> xr.Dataset:
    """Dataset of reads (device, cycle, pulse) in S and the polarity of each pulse; 0 is a read without a pulse."""
    signs = np.broadcast_to(np.asarray(polarity, float), conductance.shape).copy()
    return xr.Dataset(
        {
            "conductance": (READS, conductance, {"units": "S", "long_name": "conductance after the pulse"}),
            "polarity": (READS, signs, {"units": "1", "long_name": "+1 potentiation, -1 depression"}),
        },
        coords={"device": [f"m{i}" for i in range(len(conductance))], "cycle": range(conductance.shape[1])},
        attrs={"experiment": "pulse_train", "source_file": "simulated", **attrs},
    )


def up_and_down(num_pulses: int, num_runs: int = 1) -> np.ndarray:
    """A read without a pulse, then runs of potentiation and of depression in turn."""
    run = np.concatenate([np.ones(num_pulses), -np.ones(num_pulses)])
    return np.concatenate([[0.0], np.tile(run, num_runs)])


def soft_bounds_trains(
    generator: np.random.Generator,
    polarity: np.ndarray,
    num_devices: int = 1,
    num_cycles: int = 1,
    lower: float = 2.0,
    upper: float = 20.0,
    up: float = 1.0,
    down: float = 1.0,
    cycle_noise: float = 0.2,
    additive: float = 0.05,
    degrees: float = np.inf,
    read_noise: float = 0.0,
    step: str = "soft-bounds",
) -> np.ndarray:
    """Trains (device, cycle, pulse) in S from numbers in microsiemens, by NumPy alone.

    `lower` to `down` are numbers or arrays (device,).
    """
    low, high, a, d = (np.broadcast_to(v, num_devices)[:, None] for v in (lower, upper, up, down))
    true = low + 0.15 * (high - low) + 0.2 * generator.standard_normal((num_devices, num_cycles))
    reads = []
    for sign in polarity:
        share = (true - low) / (high - low)
        if step == "exponential":
            mean = np.where(sign > 0, a * np.exp(-3 * share), -d * np.exp(-3 * (1 - share)))
        elif step == "linear":
            mean = np.where(sign > 0, a, -d) * np.ones_like(true)
        else:
            mean = np.where(sign > 0, a * (1 - share), -d * share)
        scale = np.hypot(cycle_noise * mean, additive)
        noise = generator.standard_normal(true.shape)
        if np.isfinite(degrees):
            noise = noise / np.sqrt(generator.chisquare(degrees, true.shape) / degrees)
        true = np.abs(true + (mean + scale * noise) * abs(sign))
        reads.append(true * np.exp(read_noise * generator.standard_normal(true.shape)))
    return MICRO * np.stack(reads, axis=-1)


def alternating_states(
    generator: np.random.Generator,
    num_devices: int,
    num_cycles: int,
    correlation: float = 0.0,
    drift: float = 0.0,
    reset_spread: float = 0.8,
) -> np.ndarray:
    """RESET and SET states (device, cycle, 2) in S: lognormal, with memory and drift."""
    deviation = np.empty((num_devices, num_cycles, 2))
    deviation[:, 0] = generator.standard_normal((num_devices, 2))
    for cycle in range(1, num_cycles):
        fresh = generator.standard_normal((num_devices, 2))
        deviation[:, cycle] = correlation * deviation[:, cycle - 1] + np.sqrt(1 - correlation**2) * fresh
    time = np.linspace(-0.5, 0.5, num_cycles)[:, None]
    return np.exp(np.log([10e-6, 200e-6]) + drift * time + deviation * [reset_spread, 0.3])


def _log(value: float, sd: float, unit: str = "S") -> Prior:
    return Prior("normal", (float(np.log(value)), sd), f"ln({unit})" if unit != "1" else "ln(1)")


def _spread(scale: float) -> Prior:
    return Prior("half-normal", (scale,))


SOFT_BOUNDS = {
    "log_conductance_min": _log(2e-6, 0.2),
    "log_window": _log(18e-6, 0.2),
    "log_step_potentiation": _log(2e-6, 0.3),
    "log_step_depression": _log(2e-6, 0.3),
    "log_cycle_noise": _log(0.2, 0.4, "1"),
    "log_additive_noise": _log(0.1e-6, 0.4),
}
SOFT_BOUNDS_SPREADS = {f"{name}_sd": _spread(0.2) for name in SOFT_BOUNDS if name != "log_additive_noise"}
HIERARCHY = {**SOFT_BOUNDS, **SOFT_BOUNDS_SPREADS}
EXPONENTIAL = {
    "log_symmetric_conductance": _log(10e-6, 0.2),
    "log_symmetric_step": _log(1e-6, 0.3),
    "log_decay_potentiation": _log(7e-6, 0.3),
    "log_decay_depression": _log(7e-6, 0.3),
    "log_cycle_noise": _log(0.2, 0.4, "1"),
    "log_additive_noise": _log(0.1e-6, 0.4),
}
LINEAR = {
    "log_step_potentiation": _log(0.5e-6, 0.3),
    "log_step_depression": _log(0.5e-6, 0.3),
    "log_additive_noise": _log(0.2e-6, 0.4),
}
POWER_LAW = {
    "log_tenth_potentiation": _log(4e-6, 0.4),
    "slope_potentiation": Prior("normal", (0.5, 0.3)),
    "log_tenth_depression": _log(2e-6, 0.4),
    "slope_depression": Prior("normal", (-0.7, 0.3)),
    "log_noise": _log(0.1, 0.4, "1"),
}
TWO_LEVEL = {
    "log_conductance_set": _log(200e-6, 0.4),
    "log_conductance_reset": _log(10e-6, 0.4),
    "log_noise_set": _log(0.3, 0.3, "1"),
    "log_noise_reset": _log(0.8, 0.3, "1"),
}
SERIAL = {
    "atanh_correlation_set": Prior("normal", (0.3, 0.3)),
    "atanh_correlation_reset": Prior("normal", (0.3, 0.3)),
    "drift_set": Prior("normal", (0.0, 0.5)),
    "drift_reset": Prior("normal", (0.0, 0.5)),
}


def with_spreads(
    typical: dict[str, Prior], shared: tuple[str, ...] = (), scale: float = 0.2
) -> dict[str, Prior]:
    """Add a spread for every parameter that is not shared."""
    return {**typical, **{f"{name}_sd": _spread(scale) for name in typical if name not in shared}}


def placeholder(num_devices: int, num_cycles: int, polarity: np.ndarray, level: float = 6e-6) -> xr.Dataset:
    """Settings of a measurement; outcomes stand in, but the first read without a pulse is where trains start."""
    shape = (num_devices, num_cycles, len(polarity))
    return train_dataset(level * (1 + 0.05 * np.cos(np.arange(np.prod(shape)).reshape(shape))), polarity)


TRAIN, ALONE = placeholder(4, 1, up_and_down(15)), placeholder(1, 3, up_and_down(15))
STATES = placeholder(5, 16, np.array([-1.0, 1.0]))
DESIGNS = {
    "soft-bounds": Design(TRAIN, HIERARCHY),
    "soft-bounds-robust": Design(
        ALONE, {**SOFT_BOUNDS, "log_excess_degrees_of_freedom": Prior("normal", (1.0, 0.7))}, pool="complete"
    ),
    "soft-bounds-read": Design(
        placeholder(1, 2, up_and_down(20)),
        {**SOFT_BOUNDS, "log_read_noise": _log(0.03, 0.4, "1")},
        pool="complete",
    ),
    "soft-bounds-stuck": Design(
        placeholder(6, 1, up_and_down(10)),
        {**SOFT_BOUNDS, "logit_stuck_fraction": Prior("logit-beta", (2.0, 5.0))},
        pool="complete",
    ),
    "exponential-steps": Design(ALONE, EXPONENTIAL, pool="complete"),
    "linear-steps": Design(placeholder(5, 1, up_and_down(15), 20e-6), with_spreads(LINEAR)),
    "power-law": Design(placeholder(5, 1, up_and_down(12)[1:]), with_spreads(POWER_LAW)),
    "power-law-single": Design(
        placeholder(5, 1, np.ones(15)),
        with_spreads(
            {
                "log_tenth": _log(4e-6, 0.4),
                "slope": Prior("normal", (0.5, 0.3)),
                "log_noise": _log(0.1, 0.4, "1"),
            }
        ),
    ),
    "two-level": Design(STATES, with_spreads(TWO_LEVEL)),
    "two-level-serial": Design(
        STATES,
        with_spreads({**TWO_LEVEL, **SERIAL}, ("atanh_correlation_set", "atanh_correlation_reset")),
    ),
}


def _wrong() -> list[Wrong]:
    train, quick = up_and_down(40, 2), up_and_down(60)

    def simulated(seed: int, **settings: float | str) -> xr.Dataset:
        return train_dataset(soft_bounds_trains(np.random.default_rng(seed), train, **settings), train)  # type: ignore[arg-type]

    number = np.concatenate([np.arange(1, 61), np.arange(1, 61)])
    generator = np.random.default_rng(6)
    saturating = np.where(quick[1:] > 0, 2 + 8 * (1 - np.exp(-number / 15)), 2 + 8 * np.exp(-number / 15))
    curved = MICRO * saturating * np.exp(0.03 * generator.standard_normal(120))
    uneven = 1 + 0.6 * np.where(np.arange(8) % 2, 1, -1)
    heavy = {"degrees": 2.5, "cycle_noise": 0.3, "additive": 0.1}
    outliers = np.exp(0.05 * generator.standard_t(1.5, 120))
    skewed = alternating_states(np.random.default_rng(8), 6, 60, reset_spread=0.4)
    skewed[:, :, 0] *= np.where(np.random.default_rng(9).random(skewed.shape[:2]) < 0.05, 20.0, 1.0)
    return [
        Wrong(
            "normal noise on heavy tails",
            simulated(1, **heavy),
            "soft-bounds",
            ("tails", "largest residual"),
        ),
        Wrong("exact reads on noisy ones", simulated(2, read_noise=0.05), "soft-bounds", ("pulse memory",)),
        Wrong(
            "constant steps on soft bounds",
            simulated(3, up=2.0, down=2.0),
            "linear-steps",
            ("shape",),
            better="soft-bounds",
        ),
        Wrong(
            "soft bounds on exponential steps",
            simulated(4, step="exponential", up=4.0, down=4.0, cycle_noise=0.1, additive=0.02),
            "soft-bounds",
            ("shape",),
            better="exponential-steps",
        ),
        Wrong(
            "exponential steps on soft bounds",
            simulated(5, up=2.0, down=2.0, cycle_noise=0.1, additive=0.02),
            "exponential-steps",
            ("shape", "pulse memory"),
            better="soft-bounds",
        ),
        Wrong(
            "one device for unlike devices",
            simulated(6, num_devices=8, up=1.5 * uneven, down=1.5),
            "soft-bounds-robust",
            ("devices", "shape"),
        ),
        Wrong(
            "one responding device for unlike ones",
            simulated(12, num_devices=8, up=1.5 * uneven, down=1.5),
            "soft-bounds-stuck",
            ("devices", "shape"),
        ),
        Wrong(
            "normal noise behind noisy reads",
            simulated(13, **heavy),
            "soft-bounds-read",
            ("tails", "largest residual"),
        ),
        Wrong(
            "power law on saturation",
            train_dataset(curved[None, None], quick[1:]),
            "power-law",
            ("shape", "pulse memory"),
        ),
        Wrong(
            "normal scatter on outliers",
            train_dataset(MICRO * (np.arange(1, 121) ** 0.5 * outliers)[None, None], np.ones(120)),
            "power-law-single",
            ("tails", "largest residual"),
        ),
        Wrong(
            "independent states on memory",
            train_dataset(
                alternating_states(np.random.default_rng(7), 6, 60, correlation=0.6), np.array([-1.0, 1.0])
            ),
            "two-level",
            ("cycle memory",),
            pool="hierarchical",
            better="two-level-serial",
        ),
        Wrong(
            "independent states on drift",
            train_dataset(
                alternating_states(np.random.default_rng(10), 6, 60, drift=-1.0), np.array([-1.0, 1.0])
            ),
            "two-level",
            ("drift",),
            pool="hierarchical",
            better="two-level-serial",
        ),
        Wrong(
            "lognormal states on failed resets",
            train_dataset(skewed, np.array([-1.0, 1.0])),
            "two-level-serial",
            ("tails", "largest residual"),
            pool="hierarchical",
        ),
    ]


WRONG = _wrong()
