"""Where the search for each device's mode starts: natural values from coarse statistics of its own reads."""

from itertools import product

import numpy as np

from charz.fitting.contract import Observations
from charz.fitting.pulse_train.observations import conductance_before

MARGINS = (0.03, 0.3, 1.5)
SHARES = ((0.9, 0.05), (0.3, 0.7), (0.02, 1.0))  # of the scatter: relative, additive
Found = dict[str, np.ndarray]


class _Coarse:
    """Range, typical steps and scatter of every device, each (device, 1)."""

    def __init__(self, observations: Observations) -> None:
        arrays = observations.arrays
        after = np.asarray(arrays["conductance"])
        before = conductance_before(after, arrays)
        stepped = arrays["stepped"] > 0
        reads = np.where(stepped, after, np.nan)
        starts = np.where(stepped, before, np.nan)
        both = np.concatenate([reads.reshape(len(reads), -1), starts.reshape(len(reads), -1)], axis=1)
        everything = _finite_or(both, np.median(after[observations.measured]))
        self.low, self.high = everything.min(1, keepdims=True), everything.max(1, keepdims=True)
        self.range = np.maximum(self.high - self.low, 1e-3 * self.high)
        change = np.where(stepped, after - before, np.nan)
        self.before, self.change, self.polarity = before, change, arrays["polarity"]
        self.least = 1e-4 * self.range
        self.up, self.down = (self._mean_step(change, arrays["polarity"], sign) for sign in (1, -1))
        # Successive differences of the steps leave out what varies slowly along a train: robust scatter of a step.
        apart = np.abs(np.diff(change, axis=-1)).reshape(len(reads), -1)
        scatter = np.median(_finite_or(apart, 0.0), axis=1, keepdims=True) / 0.6745 / np.sqrt(2)
        self.scatter = np.maximum(scatter, 0.02 * (self.up + self.down) / 2)

    def _mean_step(self, change: np.ndarray, polarity: np.ndarray, sign: int) -> np.ndarray:
        mine = np.where(polarity == sign, sign * change, np.nan).reshape(len(change), -1)
        return np.maximum(_finite_or(mine, 0.0).mean(1, keepdims=True), self.least)


def _finite_or(rows: np.ndarray, stand_in: float) -> np.ndarray:
    """Replace what is missing in each row by the row's median, or by `stand_in` where nothing is there."""
    known = np.isfinite(rows)
    ordered = np.sort(np.where(known, rows, np.inf), axis=1)
    middle = np.maximum(known.sum(1) // 2, 0)
    median = np.take_along_axis(ordered, middle[:, None] * (known.sum(1) > 0)[:, None], axis=1)
    return np.where(known, rows, np.where(np.isfinite(median), median, stand_in))


def _stack(rows: list[Found]) -> Found:
    """From a list of candidates, each (device, 1), to arrays (device, candidate)."""
    return {
        name: np.concatenate(np.broadcast_arrays(*[row[name] for row in rows]), axis=1) for name in rows[0]
    }


def _fitted_bounds(coarse: _Coarse) -> Found:
    """Bounds and steps from a line through the steps against the conductance, of either polarity."""
    up_rate, up_zero = _rate_and_zero(coarse, 1, coarse.high)
    down_rate, down_zero = _rate_and_zero(coarse, -1, coarse.low)
    lower = np.clip(down_zero, 0.02 * coarse.low, coarse.low + 0.2 * coarse.range)
    upper = np.clip(up_zero, coarse.high - 0.2 * coarse.range, coarse.high + 5 * coarse.range)
    window = upper - lower
    return {
        "conductance_min": lower,
        "window": window,
        "step_potentiation": up_rate * window,
        "step_depression": down_rate * window,
    }


def _rate_and_zero(coarse: _Coarse, sign: int, stand_in: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative rate at which a step shrinks towards its bound, and where the line through the steps is zero."""
    known = np.isfinite(coarse.change) & (coarse.polarity == sign)
    count = np.maximum(known.sum((1, 2)), 1)[:, None, None]
    x_mean, y_mean = (
        np.where(known, v, 0).sum((1, 2), keepdims=True) / count for v in (coarse.before, coarse.change)
    )
    x, y = np.where(known, coarse.before - x_mean, 0), np.where(known, coarse.change - y_mean, 0)
    slope = ((x * y).sum((1, 2)) / np.maximum((x**2).sum((1, 2)), np.finfo(float).tiny))[:, None]
    rate = np.clip(-slope, coarse.least / coarse.range, 0.9)
    zero = np.where(slope < 0, x_mean[..., 0] + y_mean[..., 0] / rate, stand_in)
    return rate, zero


def soft_bounds(observations: Observations) -> Found:
    """Bounds and steps from lines through the steps, and bounds at several distances outside the reads."""
    coarse = _Coarse(observations)
    fitted = _fitted_bounds(coarse)
    rows = [{**fitted, **_noise(coarse, *share)} for share in SHARES]
    for below, above, (relative, additive) in product(MARGINS, MARGINS, SHARES):
        lower = np.maximum(coarse.low - below * coarse.range, 0.05 * coarse.low)
        upper = coarse.high + above * coarse.range
        middle = ((coarse.low + coarse.high) / 2 - lower) / (upper - lower)
        rows.append(
            {
                "conductance_min": lower,
                "window": upper - lower,
                "step_potentiation": coarse.up / (1 - middle),
                "step_depression": coarse.down / middle,
                **_noise(coarse, relative, additive),
            }
        )
    return _stack(rows)


def exponential(observations: Observations) -> Found:
    """Steps that fall slowly or fast over the range of the reads."""
    coarse = _Coarse(observations)
    rows = []
    for up, down, (relative, additive) in product((0.15, 0.4, 1.2), (0.15, 0.4, 1.2), SHARES):
        rows.append(
            {
                "symmetric_conductance": (coarse.low + coarse.high) / 2,
                "symmetric_step": np.sqrt(coarse.up * coarse.down),
                "decay_potentiation": up * coarse.range,
                "decay_depression": down * coarse.range,
                **_noise(coarse, relative, additive),
            }
        )
    return _stack(rows)


def linear(observations: Observations) -> Found:
    """Mean steps, and noise from little to all of their scatter."""
    coarse = _Coarse(observations)
    return _stack(
        [
            {
                "step_potentiation": coarse.up,
                "step_depression": coarse.down,
                "additive_noise": factor * coarse.scatter,
            }
            for factor in (0.5, 1.0, 2.0, 5.0)
        ]
    )


def robust(observations: Observations) -> Found:
    """Those of soft bounds, with tails from heavy to nearly normal."""
    return _with(soft_bounds(observations), "degrees_of_freedom", (3.0, 20.0))


def noisy_reads(observations: Observations) -> Found:
    """Those of soft bounds, with read noise from small to a good part of the scatter."""
    return _with(soft_bounds(observations), "read_noise", (0.003, 0.02))


def stuck(observations: Observations) -> Found:
    """Those of soft bounds, with a small share of stuck devices."""
    return _with(soft_bounds(observations), "stuck_fraction", (0.05,))


def _with(found: Found, name: str, levels: tuple[float, ...]) -> Found:
    rows, num = next(iter(found.values())).shape
    repeated = {key: np.tile(value, (1, len(levels))) for key, value in found.items()}
    return {**repeated, name: np.broadcast_to(np.repeat(np.asarray(levels), num), (rows, num * len(levels)))}


def _noise(coarse: _Coarse, relative: float, additive: float) -> Found:
    typical = (coarse.up + coarse.down) / 2
    return {"cycle_noise": relative * coarse.scatter / typical, "additive_noise": additive * coarse.scatter}


def power_law(observations: Observations) -> Found:
    """Line through ln G against ln n of either polarity, by least squares."""
    found: Found = {}
    scatter = []
    for sign, side in ((1, "potentiation"), (-1, "depression")):
        tenth, slope, rest = _line(observations, observations.arrays["polarity"] == sign)
        found |= {f"tenth_{side}": tenth, f"slope_{side}": slope}
        scatter.append(rest)
    return _with_noise(found, np.maximum(*scatter))


def single_power_law(observations: Observations) -> Found:
    """Line through ln G against ln n, by least squares."""
    tenth, slope, scatter = _line(observations, observations.measured)
    return _with_noise({"tenth": tenth, "slope": slope}, scatter)


def _with_noise(found: Found, scatter: np.ndarray) -> Found:
    return _stack([{**found, "noise": factor * scatter} for factor in (0.5, 1.0, 2.0)])


def _line(observations: Observations, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Conductance after ten pulses (S), slope and scatter of ln G over ln n under the mask, each (device, 1)."""
    shape = (len(mask), -1)
    weight = (mask & observations.measured).reshape(shape).astype(float)
    x = np.log(observations.arrays["number"]).reshape(shape)
    y = np.log(observations.arrays["conductance"]).reshape(shape)
    total = np.maximum(weight.sum(1, keepdims=True), 1)
    x_mean, y_mean = ((weight * v).sum(1, keepdims=True) / total for v in (x, y))
    square = (weight * (x - x_mean) ** 2).sum(1, keepdims=True)
    slope = (weight * (x - x_mean) * (y - y_mean)).sum(1, keepdims=True) / np.maximum(square, 1e-12)
    rest = weight * (y - y_mean - slope * (x - x_mean))
    scatter = np.sqrt((rest**2).sum(1, keepdims=True) / total)
    return np.exp(y_mean + slope * (np.log(10) - x_mean)), slope, np.maximum(scatter, 1e-3)


def two_level(observations: Observations) -> Found:
    """Means and standard deviations of ln G of both states."""
    logs = np.log(observations.arrays["conductance"])
    polarity = observations.arrays["polarity"]
    (up, up_sd), (down, down_sd) = (_moments(logs, polarity == sign) for sign in (1, -1))
    rows = [
        {
            "conductance_set": np.exp(up),
            "conductance_reset": np.exp(down),
            "noise_set": factor * up_sd,
            "noise_reset": factor * down_sd,
        }
        for factor in (0.7, 1.0, 1.5)
    ]
    return _stack(rows)


def serial(observations: Observations) -> Found:
    """Those of two levels, without drift, and with little or much memory."""
    found = two_level(observations)
    nothing = np.zeros_like(found["noise_set"])
    found |= {"drift_set": nothing, "drift_reset": nothing, "correlation_set": nothing}
    found = _with(found, "correlation_reset", (0.0, 0.5))
    return {**found, "correlation_set": found["correlation_reset"]}


def _moments(logs: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = np.maximum(mask.sum((1, 2)), 1)[:, None]
    mean = np.where(mask, logs, 0).sum((1, 2))[:, None] / count
    square = np.where(mask, (logs - mean[..., None]) ** 2, 0).sum((1, 2))[:, None] / count
    return mean, np.maximum(np.sqrt(square), 0.01)
