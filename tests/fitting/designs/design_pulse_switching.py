"""Small measurements of pulse switching, and counts that violate an assumption of each model."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong
from scipy.special import erfc, expit, ndtr

from charz.fitting.priors import Prior

DIMS = ("device", "setting")
NS = 1e-9


def skeleton(num_devices, amplitude, num_trials, switched=None, **settings) -> xr.Dataset:
    """Dataset of these settings for every device; placeholder outcomes are half of the trials."""
    shape = (num_devices, len(amplitude))
    switched = np.full(shape, num_trials // 2) if switched is None else switched
    units = {"amplitude": "V", "width": "s"}
    values = {"amplitude": amplitude, **settings, "num_trials": np.full(len(amplitude), num_trials)}
    variables = {
        name: (DIMS, np.broadcast_to(v, shape).copy(), {"units": units.get(name, "1")})
        for name, v in values.items()
    }
    variables["num_switched"] = (DIMS, np.broadcast_to(switched, shape).copy(), {"units": "1"})
    names = [f"d{index}" for index in range(num_devices)]
    return xr.Dataset(
        variables, {"device": names}, {"experiment": "pulse_switching", "source_file": "simulated"}
    )


def crossed(amplitude, other) -> tuple[np.ndarray, np.ndarray]:
    """Every amplitude with every value of another setting."""
    first, second = np.meshgrid(amplitude, other, indexing="ij")
    return first.ravel(), second.ravel()


def normal(mean, sd) -> Prior:
    return Prior("normal", (float(mean), sd))


def spread(scale) -> Prior:
    return Prior("half-normal", (scale,))


CURVE = {"location": normal(1.0, 0.15), "log_width": normal(np.log(0.1), 0.3)}
CURVE_SD = {"location_sd": spread(0.1), "log_width_sd": spread(0.2)}
FLOOR = {"logit_floor": Prior("logit-beta", (2.0, 30.0))}
FLOOR_SD = {"logit_floor_sd": spread(0.4)}
SHORTFALL = {"logit_shortfall": Prior("logit-beta", (2.0, 30.0))}
SHORTFALL_SD = {"logit_shortfall_sd": spread(0.4)}
BARRIER = {"log_thermal_stability": normal(np.log(40), 0.25), "log_critical": normal(0.0, 0.1)}
BARRIER_SD = {"log_thermal_stability_sd": spread(0.1), "log_critical_sd": spread(0.05)}
TORQUE = {**BARRIER, "log_relaxation_time": normal(np.log(NS), 0.3)}

SWEEP = np.linspace(0.3, 1.7, 11)
BELOW = np.linspace(0.2, 0.95, 12)
STRONG, STRONG_WIDTH = crossed(np.linspace(0.4, 3.0, 12), [3 * NS, 10 * NS, 1000 * NS])
PLANE, PLANE_WIDTH = crossed(np.linspace(1.0, 5.0, 12), [NS, 3 * NS])
THERMAL, THERMAL_WIDTH = crossed(np.linspace(0.2, 0.95, 8), [100 * NS, 1e4 * NS])
TWICE, STATE = crossed(SWEEP, [0.0, 1.0])
TWICE_BELOW, STATE_BELOW = crossed(BELOW, [0.0, 1.0])
# Reset needs negative pulses.
TWICE = np.where(STATE == 1, -TWICE, TWICE)


def curves(num_devices=6) -> xr.Dataset:
    return skeleton(num_devices, SWEEP, 40)


def both(priors) -> dict[str, Prior]:
    return {f"{name}_{way}": prior for way in ("set", "reset") for name, prior in priors.items()}


DESIGNS = {
    "logistic": Design(curves(), {**CURVE, **CURVE_SD, **FLOOR, **FLOOR_SD}),
    "logistic-plain": Design(curves(), {**CURVE, **CURVE_SD}),
    "logistic-asymptotes": Design(
        curves(), {**CURVE, **CURVE_SD, **FLOOR, **FLOOR_SD, **SHORTFALL, **SHORTFALL_SD}
    ),
    "probit": Design(curves(), {**CURVE, **CURVE_SD, **FLOOR, **FLOOR_SD}),
    "probit-plain": Design(curves(), {**CURVE, **CURVE_SD}),
    "probit-asymptotes": Design(
        curves(), {**CURVE, **CURVE_SD, **FLOOR, **FLOOR_SD, **SHORTFALL, **SHORTFALL_SD}
    ),
    "logistic-overdispersed": Design(
        skeleton(6, SWEEP, 60),
        {
            **CURVE,
            **CURVE_SD,
            **FLOOR,
            **FLOOR_SD,
            "log_concentration": normal(np.log(20), 0.5),
            "log_concentration_sd": spread(0.2),
        },
    ),
    "logistic-directions": Design(
        skeleton(1, TWICE, 60, initial_state=STATE), both({**CURVE, **FLOOR}), pool="complete"
    ),
    "thermal": Design(skeleton(6, BELOW, 40, width=1000 * NS), {**BARRIER, **BARRIER_SD}),
    "thermal-in-plane": Design(skeleton(6, BELOW, 40, width=1000 * NS), {**BARRIER, **BARRIER_SD}),
    "thermal-free": Design(
        skeleton(5, THERMAL, 40, width=THERMAL_WIDTH),
        {**BARRIER, **BARRIER_SD, "log_attempt_time": normal(np.log(NS), 0.7)},
    ),
    "thermal-directions": Design(
        skeleton(1, TWICE_BELOW, 40, width=1000 * NS, initial_state=STATE_BELOW),
        both(BARRIER),
        pool="complete",
    ),
    "macrospin": Design(skeleton(1, STRONG, 40, width=STRONG_WIDTH), TORQUE, pool="complete"),
    "in-plane-ballistic": Design(skeleton(1, PLANE, 40, width=PLANE_WIDTH), TORQUE, pool="complete"),
}


def counted(seed, probability, amplitude, num_trials=100, concentration=None, **settings) -> xr.Dataset:
    """Counts of binomial trials, or of trials whose probability is drawn afresh at every setting."""
    generator = np.random.default_rng(seed)
    probability = np.atleast_2d(probability)
    if concentration is not None:
        probability = generator.beta(probability * concentration, (1 - probability) * concentration)
    switched = generator.binomial(num_trials, probability)
    return skeleton(len(probability), amplitude, num_trials, switched, **settings)


def escaped(amplitude, width, stability=40.0, critical=1.0, exponent=2.0, attempt_time=NS) -> np.ndarray:
    barrier = stability * np.maximum(1 - amplitude / critical, 0) ** exponent
    return -np.expm1(-width / attempt_time * np.exp(-barrier))


def grown(amplitude, width, stability=40.0, critical=1.0) -> np.ndarray:
    return erfc(np.pi / 2 * np.sqrt(stability) * np.exp(-(amplitude / critical - 1) * width / NS))


def between(floor, ceiling, share) -> np.ndarray:
    return floor + (ceiling - floor) * share


# So many settings that the better model wins by more than four standard errors.
FINE = np.linspace(0.3, 1.7, 113)
LOGISTIC = expit((FINE - 1.0) / 0.08)
PROBIT = ndtr((FINE - 1.0) / 0.12)
FLOORED, CEILED = between(0.05, 1.0, LOGISTIC), between(0.05, 0.85, LOGISTIC)
DIFFERENT = np.array([[-0.1], [-0.05], [0.0], [0.05], [0.1]])
DIFFERENT_PROBABILITY = expit((FINE - 1.0 - DIFFERENT) / 0.08)
WAYS, WAY_STATE = crossed(FINE, [0.0, 1.0])
WAYS_PROBABILITY = between(0.02, 1.0, expit((WAYS - np.where(WAY_STATE == 0, 0.9, 1.2)) / 0.08))
THERMAL_FINE = np.linspace(0.2, 0.95, 31)
THERMAL_WAYS, THERMAL_STATE = crossed(THERMAL_FINE, [0.0, 1.0])
THERMAL_MANY, THERMAL_MANY_WIDTH = crossed(THERMAL_FINE, [100 * NS, 1e4 * NS])

WRONG = [
    Wrong(
        "logistic without floor",
        counted(1, FLOORED, FINE),
        "logistic-plain",
        ("low plateau", "dispersion"),
        better="logistic",
    ),
    Wrong(
        "ceiling below 1",
        counted(2, CEILED, FINE),
        "logistic",
        ("high plateau",),
        better="logistic-asymptotes",
    ),
    Wrong(
        "binomial on overdispersed counts",
        counted(3, FLOORED, FINE, concentration=12.0),
        "logistic",
        ("dispersion",),
        better="logistic-overdispersed",
    ),
    Wrong(
        "one curve for two directions",
        counted(4, WAYS_PROBABILITY, WAYS, initial_state=WAY_STATE),
        "logistic",
        ("directions",),
        better="logistic-directions",
    ),
    Wrong(
        "devices that differ as one",
        counted(5, DIFFERENT_PROBABILITY, FINE),
        "logistic-asymptotes",
        ("devices",),
    ),
    Wrong(
        "probit without floor",
        counted(6, between(0.05, 1.0, PROBIT), FINE),
        "probit-plain",
        ("low plateau", "dispersion"),
        better="probit",
    ),
    Wrong(
        "probit, ceiling below 1",
        counted(7, between(0.05, 0.85, PROBIT), FINE),
        "probit",
        ("high plateau",),
        better="probit-asymptotes",
    ),
    Wrong(
        "probit on overdispersed counts",
        counted(8, between(0.05, 0.95, PROBIT), FINE, concentration=12.0),
        "probit-asymptotes",
        ("dispersion",),
    ),
    Wrong(
        "overdispersed devices that differ as one",
        counted(9, DIFFERENT_PROBABILITY, FINE, concentration=200.0),
        "logistic-overdispersed",
        ("devices",),
    ),
    Wrong(
        "directions of overdispersed counts",
        counted(10, WAYS_PROBABILITY, WAYS, concentration=12.0, initial_state=WAY_STATE),
        "logistic-directions",
        ("dispersion",),
    ),
    Wrong(
        "thermal without floor",
        counted(11, between(0.03, 1.0, escaped(THERMAL_FINE, 1e-6)), THERMAL_FINE, width=1e-6),
        "thermal",
        ("low plateau", "dispersion", "neighbours"),
    ),
    Wrong(
        "in-plane with stuck trials",
        counted(12, 0.85 * escaped(THERMAL_FINE, 1e-6, exponent=1.0), THERMAL_FINE, width=1e-6),
        "thermal-in-plane",
        ("high plateau", "dispersion", "neighbours"),
    ),
    Wrong(
        "a rate that does not add up over the pulse",
        counted(
            13,
            between(0.0, 0.85, escaped(THERMAL_MANY, THERMAL_MANY_WIDTH, attempt_time=0.3 * NS)),
            THERMAL_MANY,
            width=THERMAL_MANY_WIDTH,
        ),
        "thermal-free",
        ("high plateau", "dispersion", "neighbours"),
    ),
    Wrong(
        "thermal directions of overdispersed counts",
        counted(
            14,
            escaped(THERMAL_WAYS, 1e-6, critical=np.where(THERMAL_STATE == 0, 1.0, 1.2)) * 0.998 + 0.001,
            THERMAL_WAYS,
            concentration=12.0,
            width=1e-6,
            initial_state=THERMAL_STATE,
        ),
        "thermal-directions",
        ("dispersion",),
    ),
    Wrong(
        "a macrospin that switches back",
        counted(15, 0.85 * escaped(STRONG, STRONG_WIDTH), STRONG, width=STRONG_WIDTH),
        "macrospin",
        ("high plateau", "dispersion", "neighbours"),
    ),
    Wrong(
        "ballistic with thermal activation below",
        counted(16, between(0.06, 1.0, grown(PLANE, PLANE_WIDTH)), PLANE, width=PLANE_WIDTH),
        "in-plane-ballistic",
        ("low plateau", "dispersion", "largest residual"),
    ),
]
