"""Small ramp measurements to simulate for every threshold model, and thresholds that violate an assumption of each."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong
from scipy.special import ndtr

from charz.fitting.priors import Prior
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

DIMS = ("device", "cycle")


def ramp_dataset(
    threshold: np.ndarray,
    censored: np.ndarray | None = None,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    ramp_rate: float | np.ndarray | None = None,
    unit: str = "V",
) -> xr.Dataset:
    """Dataset of thresholds (device, cycle); NaN where no ramp was recorded."""
    shape = threshold.shape
    variables = {"threshold": (DIMS, threshold, {"units": unit, "long_name": "drive at switching"})}
    if censored is not None:
        flags = np.asarray(censored, np.int64)
        variables["censored"] = (DIMS, flags, {"units": "1", "long_name": "censoring flag"})
    if lower is not None and upper is not None:
        variables["lower"] = (DIMS, lower, {"units": unit, "long_name": "lower bound"})
        variables["upper"] = (DIMS, upper, {"units": unit, "long_name": "upper bound"})
    if ramp_rate is not None:
        rate = np.broadcast_to(np.asarray(ramp_rate, float), shape).copy()
        variables["ramp_rate"] = (DIMS, rate, {"units": f"{unit}/s", "long_name": "ramp rate"})
    return xr.Dataset(
        variables,
        coords={"device": [f"m{i}" for i in range(shape[0])], "cycle": np.arange(1, shape[1] + 1)},
        attrs={"experiment": "ramp_switching", "source_file": "simulated"},
    )


def on_grid(
    threshold: np.ndarray, step: float, start: float | None = None, end: float | None = None, unit: str = "V"
) -> xr.Dataset:
    """Thresholds as a stepped ramp records them: intervals, left-censored at its start, right-censored at its end."""
    upper = np.ceil(threshold / step) * step
    left = threshold <= (-np.inf if start is None else start)
    right = threshold > (np.inf if end is None else end)
    flag = np.select([left, right], [FLAG_LEFT, FLAG_RIGHT], FLAG_INTERVAL)
    value = np.select([left, right], [start or 0.0, end or 0.0], upper)
    return ramp_dataset(value, flag, np.where(flag == FLAG_INTERVAL, upper - step, np.nan), value, unit=unit)


def chain(generator: np.random.Generator, correlation: float, shape: tuple[int, int]) -> np.ndarray:
    """AR(1) scores along the last axis."""
    score = generator.standard_normal(shape)
    for cycle in range(1, shape[1]):
        score[:, cycle] = correlation * score[:, cycle - 1] + np.sqrt(1 - correlation**2) * score[:, cycle]
    return score


def weibull_from(score: np.ndarray, scale: float | np.ndarray, shape: float) -> np.ndarray:
    """Weibull thresholds with given normal scores."""
    return scale * (-np.log1p(-ndtr(score))) ** (1 / shape)


def skeleton(num_devices: int, num_cycles: int, limits: bool = False, step: float = 0.0) -> xr.Dataset:
    """Settings with placeholder outcomes; `limits` 0.8 V and 1.25 V, so that some ramps are censored."""
    threshold = np.broadcast_to(np.linspace(0.9, 1.2, num_cycles), (num_devices, num_cycles)).copy()
    if not limits and not step:
        return ramp_dataset(threshold)
    if step:
        threshold[0, :2] = (0.7, 1.4)
        return on_grid(threshold, step, 0.8, 1.25)
    flag = np.full(threshold.shape, FLAG_NONE)
    threshold[:, 0], flag[:, 0] = 0.8, FLAG_LEFT
    threshold[:, 1], flag[:, 1] = 1.25, FLAG_RIGHT
    return ramp_dataset(threshold, flag)


def _normal(mean: float, sd: float, unit: str = "ln(V)") -> Prior:
    return Prior("normal", (mean, sd), unit)


def _spread(scale: float, unit: str = "1") -> Prior:
    return Prior("half-normal", (scale,), unit)


_SCALE = {"log_scale": _normal(0.05, 0.1), "log_scale_sd": _spread(0.1)}
_SHAPE = {"log_shape": _normal(2.2, 0.4, "ln(1)"), "log_shape_sd": _spread(0.3)}
_SERIES = {"drift": _normal(0.0, 4.0, "1/(1000 cycles)"), "atanh_correlation": _normal(0.5, 0.4, "1")}
_SLOW = {
    "drift": _normal(0.0, 4.0, "1/(1000 cycles)"),
    "atanh_persistence": _normal(1.2, 0.3, "1"),
    "logit_chain_share": Prior("logit-beta", (5.0, 5.0)),
}

DESIGNS: dict[str, Design] = {
    "weibull": Design(skeleton(6, 15, step=0.1), _SCALE | _SHAPE),
    "gumbel": Design(
        skeleton(6, 15, limits=True),
        {
            "location": _normal(1.05, 0.1, "V"),
            "location_sd": _spread(0.1, "V"),
            "log_width": _normal(-2.3, 0.4),
            "log_width_sd": _spread(0.3),
        },
    ),
    "lognormal": Design(
        skeleton(6, 15, limits=True),
        {
            "log_median": _normal(0.0, 0.1),
            "log_median_sd": _spread(0.1),
            "log_spread": _normal(-2.2, 0.4, "ln(1)"),
            "log_spread_sd": _spread(0.3),
        },
    ),
    "weibull-mixture": Design(
        skeleton(1, 120),
        {
            "log_scale_low": _normal(-0.5, 0.15),
            "log_separation": _normal(-0.3, 0.15, "ln(1)"),
            "log_shape_low": _normal(2.2, 0.3, "ln(1)"),
            "log_shape_high": _normal(2.7, 0.3, "ln(1)"),
            "logit_weight_low": Prior("logit-beta", (4.0, 4.0)),
        },
        pool="complete",
    ),
    "weibull-drift": Design(
        skeleton(5, 40),
        {**_SCALE, **_SHAPE, **_SERIES, "drift_sd": _spread(2.0, "1/(1000 cycles)")},
    ),
    # Every cycle is censored, so that the number of latent variables does not change between replications.
    "lognormal-drift": Design(
        skeleton(1, 40, step=0.1),
        {"log_median": _normal(0.0, 0.1), "log_spread": _normal(-2.0, 0.3, "ln(1)"), **_SERIES},
        pool="complete",
    ),
    "weibull-wander": Design(
        skeleton(1, 100),
        {"log_scale": _SCALE["log_scale"], "log_shape": _SHAPE["log_shape"], **_SLOW},
        "complete",
    ),
    "lognormal-wander": Design(
        skeleton(4, 40),
        {
            "log_median": _normal(0.0, 0.1),
            "log_median_sd": _spread(0.1),
            "log_spread": _normal(-2.0, 0.3, "ln(1)"),
            "log_spread_sd": _spread(0.2),
            "drift_sd": _spread(2.0, "1/(1000 cycles)"),
            **_SLOW,
        },
    ),
    "thermal-ramp": Design(
        ramp_dataset(
            np.full((6, 20), 0.4) * np.linspace(0.9, 1.1, 20), ramp_rate=np.geomspace(0.1, 1000, 20)
        ),
        {
            "log_thermal_stability": _normal(np.log(45.0), 0.25, "ln(1)"),
            "log_thermal_stability_sd": _spread(0.15),
            "log_critical": _normal(0.0, 0.15),
            "log_critical_sd": _spread(0.1),
        },
    ),
    "thermal-ramp-1.5": Design(
        ramp_dataset(
            np.full((1, 40), 0.5) * np.linspace(0.9, 1.1, 40), ramp_rate=np.geomspace(0.1, 1000, 40)
        ),
        {
            "log_thermal_stability": _normal(np.log(45.0), 0.3, "ln(1)"),
            "log_critical": _normal(0.0, 0.2),
        },
        pool="complete",
    ),
}


def _wrong() -> list[Wrong]:
    generator = np.random.default_rng(20240)
    scores = chain(generator, 0.6, (1, 300))
    serial = weibull_from(scores, 1.2, 4.0)
    worn = weibull_from(generator.standard_normal((1, 300)), np.exp(np.linspace(-0.25, 0.25, 300)), 8.0)
    two = np.where(generator.random((1, 300)) < 0.35, 0.6, 1.2) * generator.weibull(14.0, (1, 300))
    heavy = np.exp(0.1 * generator.standard_t(2.5, (1, 300)))
    skewed = 2.0 + 0.2 * generator.gumbel(size=(1, 300))
    slow = np.cumsum(0.03 * generator.standard_normal((1, 300)), axis=1)
    jumps = np.exp(slow + np.where(np.arange(300) % 60 < 30, 0.0, 0.5))
    stepwise = jumps * np.exp(0.1 * generator.standard_t(2.0, (1, 300)))
    apart = weibull_from(generator.standard_normal((6, 40)), np.linspace(0.7, 1.5, 6)[:, None], 9.0)
    rate = np.repeat(np.geomspace(0.1, 100, 4), 75)[None]
    athermal = np.exp(0.12 * generator.standard_t(3.0, (1, 300)) - 0.9)
    rounded = np.where(generator.random((1, 300)) < 0.5, 0.5, 1.0) * generator.weibull(25.0, (1, 300))
    wandering = np.exp(0.3 * chain(generator, 0.95, (1, 600)) + 0.2 * generator.standard_normal((1, 600)))
    three = np.choose(generator.integers(0, 3, (1, 240)), [0.5, 1.0, 2.0]) * generator.weibull(20.0, (1, 240))
    return [
        Wrong(
            "serial correlation",
            ramp_dataset(serial),
            "weibull",
            ("lag-1 correlation",),
            better="weibull-drift",
        ),
        Wrong("serial correlation, Gumbel", ramp_dataset(serial), "gumbel", ("lag-1 correlation",)),
        Wrong("a trend", ramp_dataset(worn), "lognormal", ("drift",), better="lognormal-drift"),
        Wrong("two wall types", ramp_dataset(two), "weibull", ("shape",), better="weibull-mixture"),
        Wrong(
            "two wall types on a grid", on_grid(two, 0.05), "weibull", ("shape",), better="weibull-mixture"
        ),
        Wrong("heavy tails", ramp_dataset(heavy), "lognormal", ("tails",)),
        Wrong("skewed the other way", ramp_dataset(skewed), "gumbel", ("shape", "tails"), better="lognormal"),
        Wrong("devices differ", ramp_dataset(apart), "weibull", ("devices",)),
        Wrong("three wall types", ramp_dataset(three), "weibull-mixture", ("shape",)),
        Wrong("steps and outliers", ramp_dataset(stepwise), "lognormal-drift", ("tails", "shape")),
        Wrong(
            "slow wander under noise",
            ramp_dataset(wandering),
            "lognormal-drift",
            ("slow correlation",),
            better="lognormal-wander",
        ),
        Wrong("two states in time", ramp_dataset(rounded), "weibull-drift", ("shape",)),
        Wrong(
            "no dependence on the rate",
            ramp_dataset(athermal, ramp_rate=rate),
            "thermal-ramp",
            ("shape", "tails"),
        ),
        Wrong(
            "no dependence on the rate, n = 1.5",
            ramp_dataset(athermal, ramp_rate=rate),
            "thermal-ramp-1.5",
            ("shape", "tails"),
        ),
    ]


WRONG: list[Wrong] = _wrong()
