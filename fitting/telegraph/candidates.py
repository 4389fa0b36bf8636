"""Where the search for each device's mode starts: levels from a split of the signal, rates from counted switches."""

import numpy as np

from charz.fitting.contract import Observations
from charz.fitting.telegraph.splits import (
    Split,
    middle_split,
    otsu_split,
    switches,
    thinned,
    without_trend,
)

# Counted switches are too many where noise crosses the threshold: the second start has fewer.
SLOWER = (1.0, 0.2)
STABILITIES = (0.0, 10.0, 30.0)
GROWTHS = (-2.0, 0.0, 2.0)

Table = dict[str, np.ndarray]


def two_level_candidates(observations: Observations) -> Table:
    """Two splits of the signal, each with the counted rates and with slower ones."""
    return _two_level_table(observations.arrays["signal"], observations)


def drift_candidates(observations: Observations) -> Table:
    """The same of the signal as it is, and of the signal less its trend."""
    straight, slope = without_trend(observations)
    still = _two_level_table(observations.arrays["signal"], observations)
    drifting = _two_level_table(straight, observations)
    number = still["low"].shape[1]
    drift = np.repeat(np.stack([np.zeros_like(slope), slope], 1), number, axis=1)
    return {name: np.concatenate([still[name], drifting[name]], 1) for name in still} | {"drift": drift}


def driven_candidates(observations: Observations) -> Table:
    """Rates as counted, with slopes through the records and with none."""
    arrays = observations.arrays
    reach = max(float(np.ptp(arrays["excess"])), np.finfo(float).tiny) if "excess" in arrays else 1.0
    slopes = np.array(GROWTHS) / reach
    return _with_slopes(observations, "growth_up", "growth_down", arrays.get("excess"), slopes, 1.0)


def arrhenius_candidates(observations: Observations) -> Table:
    """Rates as counted, with barriers through the records and with given ones."""
    cooling = observations.arrays.get("cooling")
    return _with_slopes(observations, "stability_up", "stability_down", cooling, np.array(STABILITIES), -1.0)


def three_level_candidates(observations: Observations) -> Table:
    """Either part of Otsu's split, split again; and three levels evenly over the range."""
    signal, measured = observations.arrays["signal"], observations.measured
    values = thinned(signal, measured)
    first = otsu_split(values)
    middle = ((first.low + first.high) / 2)[:, None]
    lower = otsu_split(_enough(np.where(values <= middle, values, np.nan), values))
    upper = otsu_split(_enough(np.where(values > middle, values, np.nan), values))
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    triples = (
        (lower.low, lower.high, first.high, lower.noise),
        (first.low, upper.low, upper.high, upper.noise),
        (lower.low, (lower.low + upper.high) / 2, upper.high, first.noise / 2),
        (low + (high - low) / 6, (low + high) / 2, high - (high - low) / 6, (high - low) / 12),
    )
    up, down = switches(signal, measured, first)
    # Each level has two ways out.
    rate = (up + down + 1) / np.maximum(measured.sum(1), 1) / observations.arrays["interval"]
    least = 1e-3 * (high - low)
    columns = {
        "low": [t[0] for t in triples],
        "lower_separation": [np.maximum(t[1] - t[0], least) for t in triples],
        "upper_separation": [np.maximum(t[2] - t[1], least) for t in triples],
        "noise": [np.maximum(t[3], least) for t in triples],
    }
    rates = dict.fromkeys(
        ("rate_01", "rate_02", "rate_10", "rate_12", "rate_20", "rate_21"), [rate] * len(triples)
    )
    return {name: np.stack(column, 1) for name, column in {**columns, **rates}.items()}


def _two_level_table(signal: np.ndarray, observations: Observations) -> Table:
    measured, interval = observations.measured, observations.arrays["interval"]
    values = thinned(signal, measured)
    rows = []
    for split in (otsu_split(values), middle_split(values)):
        up, down = _counted_rates(signal, measured, split, interval)
        rows += [(*split, up * factor, down * factor) for factor in SLOWER]
    low, high, noise, up, down = (np.stack(column, 1) for column in zip(*rows, strict=True))
    return {"low": low, "separation": high - low, "noise": noise, "rate_up": up, "rate_down": down}


def _counted_rates(
    signal: np.ndarray, measured: np.ndarray, split: Split, interval: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Switches over the time in the state they leave, half a switch added so that no rate is zero."""
    up, down = switches(signal, measured, split)
    high = (measured & (signal > ((split.low + split.high) / 2)[:, None])).sum(1)
    low = measured.sum(1) - high
    return (up + 0.5) / (low + 1) / interval, (down + 0.5) / (high + 1) / interval


def _with_slopes(
    observations: Observations,
    up_name: str,
    down_name: str,
    distance: np.ndarray | None,
    slopes: np.ndarray,
    sign: float,
) -> Table:
    """Counted rates of all records on a line against the distance, and the same rates with given slopes."""
    table = two_level_candidates(observations)
    table = {name: column[:, :1] for name, column in table.items()}
    distance = np.zeros(len(observations.devices)) if distance is None else distance
    centred = distance - distance.mean()
    square = max(float((centred**2).sum()), np.finfo(float).tiny)
    found = {}
    for name, rate in ((up_name, "rate_up"), (down_name, "rate_down")):
        logs = np.log(table[rate][:, 0])
        line = float((centred * logs).sum() / square) if np.ptp(distance) > 0 else 0.0
        given = np.array([sign * line, *slopes])
        at_reference = np.exp(logs.mean() - sign * given * distance.mean())
        found[name] = np.broadcast_to(given, (len(distance), given.size))
        found[rate] = np.broadcast_to(at_reference, found[name].shape)
    number = slopes.size + 1
    return {name: np.repeat(column, number, axis=1) for name, column in table.items()} | found


def _enough(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part of each row, or the whole row where the part has no two different values."""
    varied = np.fmax.reduce(part, axis=1) > np.fmin.reduce(part, axis=1)
    return np.where(varied[:, None], part, whole)
