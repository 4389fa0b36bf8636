"""Coarse grids of values among which the search for each device's mode starts."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from charz.devices import InPlaneBallistic, MacrospinSwitching
from charz.fitting.contract import Observations
from charz.fitting.pulse.sweep import limits, typical_width

Candidates = dict[str, np.ndarray]

NUM_PLACES = 33
WIDTHS_IN_SWEEP = (0.2, 0.1, 0.05, 0.02, 0.008, 0.003)
ASYMPTOTE = 0.02
CONCENTRATIONS = (10.0, 1000.0)
STABILITIES = (8.0, 16.0, 30.0, 50.0, 80.0, 150.0)
TIMES = (1e-10, 3e-10, 1e-9, 3e-9, 1e-8)
# A critical drive further beyond the sweep than this is not searched.
LEAST_SHARE_OF_CRITICAL = 0.05


def curve_candidates(observations: Observations) -> Candidates:
    """Places over each device's sweep × widths, asymptotes at 2 %."""
    low, high = limits(observations)
    place, width = _grid(np.linspace(0.0, 1.0, NUM_PLACES), np.asarray(WIDTHS_IN_SWEEP))
    sweep = (high - low)[:, None]
    asymptote = np.full((1, place.size), ASYMPTOTE)
    return {
        "location": low[:, None] + place * sweep,
        "width": width * sweep,
        "floor": asymptote,
        "shortfall": asymptote,
    }


def overdispersed_candidates(observations: Observations) -> Candidates:
    """Each of the curves with little and with much scatter."""
    curves = curve_candidates(observations)
    num = curves["location"].shape[1]
    repeated = {name: np.tile(values, (1, len(CONCENTRATIONS))) for name, values in curves.items()}
    return repeated | {"concentration": np.repeat(np.asarray(CONCENTRATIONS), num)[None]}


def thermal_candidates(observations: Observations, exponent: float, attempt_time: float | None) -> Candidates:
    r"""Drives at which half of the pulses switch × Δ (× attempt times where none is given).

    The critical drive follows from :math:`V_{1/2} = V_c (1 - [\ln(t/(\tau_0 \ln 2))/\\Delta]^{1/n})`.
    """
    times = np.asarray(TIMES if attempt_time is None else (attempt_time,))
    place, stability, time = _grid(_places(), np.asarray(STABILITIES), times)
    barrier = np.log(typical_width(observations) / (time * np.log(2))) / stability
    share = 1 - np.maximum(barrier, 0.0) ** (1 / exponent)
    return {
        "thermal_stability": stability[None],
        "critical": _half_drive(observations, place) / np.maximum(share, LEAST_SHARE_OF_CRITICAL),
        "attempt_time": time[None],
    }


def macrospin_candidates(observations: Observations) -> Candidates:
    """As `thermal_candidates`, over Δ and relaxation times, by the inverse of the law."""
    return _torque_candidates(observations, MacrospinSwitching)


def in_plane_candidates(observations: Observations) -> Candidates:
    """As `macrospin_candidates` for the in-plane ballistic law."""
    return _torque_candidates(observations, InPlaneBallistic)


def _torque_candidates(observations: Observations, kind: type) -> Candidates:
    place, stability, time = _grid(_places(), np.asarray(STABILITIES), np.asarray(TIMES))
    with jax.enable_x64(True):
        one, width = jnp.ones(stability.size), jnp.full(stability.size, typical_width(observations))
        middle = kind(jnp.asarray(stability), one, jnp.asarray(time), width).middle()
    share = np.maximum(np.asarray(middle), LEAST_SHARE_OF_CRITICAL)
    return {
        "thermal_stability": stability[None],
        "critical": _half_drive(observations, place) / share,
        "relaxation_time": time[None],
    }


def directed(
    candidates: Callable[[Observations], Candidates],
    formula: Callable[[Candidates, Mapping[str, np.ndarray]], np.ndarray],
    parts: Mapping[str, Observations],
) -> Candidates:
    """Candidates of both directions, paired by rank: the best of one beside the best of the other.

    Parameters
    ----------
    candidates : callable
        Of one direction.
    formula : callable
        Probability of a setting from values (candidate, device) and settings (device, setting).
    parts : mapping
        Observations of each direction.
    """
    result: Candidates = {}
    for direction, part in parts.items():
        num_devices = len(part.devices)
        found = {
            name: np.broadcast_to(grid, (num_devices, grid.shape[1])).T
            for name, grid in candidates(part).items()
        }
        probability = np.clip(formula(found, part.arrays), 1e-12, 1 - 1e-12)
        switched = part.arrays["num_switched"]
        stayed = part.arrays["num_trials"] - switched
        value = (switched * np.log(probability) + stayed * np.log1p(-probability)).sum(-1)
        order = np.argsort(-value, axis=0, kind="stable")
        result |= {f"{name}_{direction}": np.take_along_axis(v, order, 0).T for name, v in found.items()}
    return result


def _places() -> np.ndarray:
    return (np.arange(NUM_PLACES // 2) + 1.0) / (NUM_PLACES // 2)


def _half_drive(observations: Observations, place: np.ndarray) -> np.ndarray:
    """Positive drives over each device's sweep, (device, place)."""
    low, high = (np.maximum(limit, 0.0)[:, None] for limit in limits(observations))
    return low + place * (high - low)


def _grid(*axes: np.ndarray) -> tuple[np.ndarray, ...]:
    """All combinations of the values of the axes, flat."""
    return tuple(array.ravel() for array in np.meshgrid(*axes, indexing="ij"))
