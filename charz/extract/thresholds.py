"""SET and RESET voltages of current-voltage sweeps, censored by the sweep's limit and by its step."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, Labelled, labelled, new_kind, record_name
from charz.extract.options import choice, quantity
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

RULES = {
    "largest-increase": "|V| at the largest increase of |I| between consecutive points",
    "maximum-current": "|V| at the maximum of |I|",
    "largest-drop": "|V| at the largest drop of |I| between consecutive points",
    "level": "|V| at the first |I| at or above {level:g} A",
}
SIGNS = {"positive": 1.0, "negative": -1.0}
# A sweep that starts at a measured +1e-6 V and goes to -2.5 V has one polarity, not two.
FAINT = 0.01
# Source meters return single-precision readings of the programmed limit.
SAME = 1e-6
COMPLIANCE_SHARE = 0.99
_CYCLE = ("device", "cycle")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class _Sweeps(NamedTuple):
    """|V|, |I| and signed current of the points that count; `pair` says that point and predecessor both do."""

    magnitude: Floats
    current: Floats
    used: Flags
    pair: Flags
    sign: Floats


def thresholds(
    dataset: xr.Dataset,
    at: str = "largest-increase",
    polarity: str | None = None,
    level: Any = None,
    limit: Any = None,
) -> xr.Dataset:
    """Find the threshold of each sweep.

    With i the point that the rule `at` names, the threshold is |V_i| within (|V_{i-1}|, |V_i|]: an interval
    as wide as the step. At the limit of the sweep, or where the rule is never met, it lies above the limit
    (right-censored); met at the first point, it lies below (left-censored).

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``iv_sweep``.
    at : str
        One of `RULES`.
    polarity : {"positive", "negative"}, optional
        Which part of the sweep is meant; by default the one it has. Points below 1 % of a sweep's largest |V|
        do not make a polarity.
    level : quantity in A
        For ``at="level"``.
    limit : quantity in V, optional
        By default the largest |V| of each sweep.

    Returns
    -------
    xarray.Dataset
        Of kind ``ramp_switching``; all variables over (device, cycle): ``threshold``, ``lower``, ``upper`` (V),
        ``censored``, ``polarity``, ``current_before`` and ``current_after`` (A, signed, at points i-1 and i), and
        ``compliance_reached`` where the dataset has a compliance.

    Raises
    ------
    SchemaError
        For a sweep of both polarities with none chosen, or no sweep of the chosen one.
    """
    at = choice(at, "at", tuple(RULES))
    if (at == "level") != (level is not None):
        raise SchemaError(
            "thresholds: the option 'level' (a current such as '10 uA') belongs to at = 'level', and only to it"
        )
    amperes = quantity(level, "level", "A", positive=True) if level is not None else np.nan
    sweeps = _select(dataset, polarity)
    end = np.max(np.where(sweeps.used, sweeps.magnitude, -np.inf), axis=2, initial=0.0)
    if limit is not None:
        end = np.full_like(end, quantity(limit, "limit", "V", positive=True))
    point, met = _find(sweeps, at, amperes)
    measured = sweeps.used.any(axis=2)
    here = _take(sweeps.magnitude, point)
    before = np.where(_take(sweeps.pair, point), _take(sweeps.magnitude, np.maximum(point - 1, 0)), np.nan)
    right = measured & (~met | (here >= end * (1 - SAME)))
    left = measured & ~right & np.isnan(before)
    inner = measured & ~right & ~left
    currents = (
        np.where(met & ~np.isnan(before), _take(sweeps.current, np.maximum(point - 1, 0)), np.nan),
        np.where(met, _take(sweeps.current, point), np.nan),
    )
    variables = _variables(here, before, end, (left, right, inner), currents)
    variables["polarity"] = labelled(_CYCLE, sweeps.sign, "1", "polarity of the sweep, +1 or -1")
    if "compliance" in dataset:
        variables["compliance_reached"] = _compliance(dataset, sweeps)
    rule = (
        f"threshold = {RULES[at].format(level=amperes)}; right-censored at "
        f"{'the largest |V| of each sweep' if limit is None else f'{end.flat[0]:g} V'} ({int(right.sum())} of "
        f"{int(measured.sum())} sweeps), otherwise within the step before it; polarity "
        f"{'as swept' if polarity is None else polarity} ({int((~measured).sum())} cells without such a sweep)"
    )
    return new_kind(dataset, "ramp_switching", rule, variables, _CYCLE)


def _select(dataset: xr.Dataset, polarity: str | None) -> _Sweeps:
    """Points of the wanted polarity, zero volt included."""
    voltage, current = dataset["voltage"].values, dataset["current"].values
    valid = np.isfinite(voltage) & np.isfinite(current)
    top = np.max(np.where(valid, voltage, -np.inf), axis=2, initial=-np.inf)
    bottom = np.min(np.where(valid, voltage, np.inf), axis=2, initial=np.inf)
    faint = FAINT * np.maximum(np.maximum(top, -bottom), 0.0)
    positive, negative = top > faint, -bottom > faint
    if polarity is None:
        both = positive & negative
        if both.any():
            device, cycle = np.argwhere(both)[0]
            raise SchemaError(
                f"thresholds: the sweep of {record_name(dataset, device, cycle)} goes from {bottom[device, cycle]:g} "
                f"to {top[device, cycle]:g} V, both polarities; say which threshold is meant with polarity = "
                "'positive' or 'negative', since the two obey different laws"
            )
        sign = np.where(positive, 1.0, np.where(negative, -1.0, np.nan))
    else:
        wanted = SIGNS[choice(polarity, "polarity", tuple(SIGNS))]
        sign = np.where(positive if wanted > 0 else negative, wanted, np.nan)
    if np.isnan(sign).all():
        raise SchemaError(
            f"thresholds: no sweep has a {polarity or 'positive or negative'} voltage; there is no threshold to find"
        )
    used = valid & (voltage * sign[..., None] >= 0)
    pair = used & np.concatenate([np.zeros_like(used[..., :1]), used[..., :-1]], axis=2)
    return _Sweeps(np.abs(voltage), current, used, pair, sign)


def _find(sweeps: _Sweeps, at: str, level: float) -> tuple[NDArray[np.intp], Flags]:
    """Index of the point that the rule names in each sweep, and whether there is one."""
    size = np.abs(sweeps.current)
    if at == "level":
        reached = sweeps.used & (size >= level)
        return np.argmax(reached, axis=2), np.asarray(reached.any(axis=2))
    if at == "maximum-current":
        score = np.where(sweeps.used, size, -np.inf)
        return np.argmax(score, axis=2), np.asarray(sweeps.used.any(axis=2))
    change = np.diff(size, axis=2, prepend=size[..., :1])
    score = np.where(sweeps.pair, change if at == "largest-increase" else -change, -np.inf)
    best = np.argmax(score, axis=2)
    return best, _take(score, best) > 0


def _take(values: NDArray[Any], point: NDArray[np.intp]) -> NDArray[Any]:
    return np.take_along_axis(values, point[..., None], axis=2)[..., 0]


def _variables(
    here: Floats,
    before: Floats,
    end: Floats,
    flags: tuple[Flags, Flags, Flags],
    currents: tuple[Floats, Floats],
) -> dict[str, Labelled]:
    left, right, inner = flags
    # On the way back |V| falls from point to point, so that the bounds change places.
    low, high = np.fmin(before, here), np.fmax(before, here)
    values = {
        "threshold": np.select([right, left | inner], [end, here], np.nan),
        "lower": np.select([right, inner], [end, low], np.nan),
        "upper": np.select([left, inner], [here, high], np.nan),
    }
    names = (
        "magnitude of the voltage at switching",
        "lower bound of the threshold",
        "upper bound of the threshold",
    )
    found = {
        name: labelled(_CYCLE, array, "V", long_name)
        for (name, array), long_name in zip(values.items(), names, strict=True)
    }
    flag = np.select([left, right, inner], [FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL], FLAG_NONE).astype(np.int64)
    found["censored"] = labelled(_CYCLE, flag, "1", "censoring: 0 none, 1 left, 2 right, 3 interval")
    found["current_before"] = labelled(_CYCLE, currents[0], "A", "current at the point before the threshold")
    found["current_after"] = labelled(_CYCLE, currents[1], "A", "current at the point of the threshold")
    return found


def _compliance(dataset: xr.Dataset, sweeps: _Sweeps) -> Labelled:
    compliance = dataset["compliance"].values
    peak = np.max(np.where(sweeps.used, np.abs(sweeps.current), 0.0), axis=2, initial=0.0)
    known = np.isfinite(compliance) & sweeps.used.any(axis=2)
    reached = np.where(known, peak >= COMPLIANCE_SHARE * compliance, -1).astype(np.int64)
    return labelled(
        _CYCLE, reached, "1", "whether |I| reached 0.99 of the compliance: 1 yes, 0 no, -1 not known"
    )


EXTRACTOR = Extractor(
    "thresholds",
    "SET or RESET voltage of each sweep",
    ("iv_sweep",),
    "ramp_switching",
    {
        "at": f"where the threshold lies: {', '.join(RULES)} (default largest-increase)",
        "polarity": "positive or negative; by default the one that the sweep has",
        "level": "current such as '10 uA', for at = level",
        "limit": "voltage such as '2.5 V' from which on a threshold is right-censored; by default each sweep's "
        "largest |V|",
    },
    thresholds,
)
