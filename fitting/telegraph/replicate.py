r"""Records that telegraph devices would have given: NumPy alone, nothing shared with the likelihood.

Two levels: one uniform number u a step decides. Below :math:`P_{0\to1}` the state becomes high, above
:math:`1 - P_{1\to0}` low, in between it stays; as the two probabilities of a chain sum to less than 1,
this is the chain, and the state at any time is that of the last decision.

Three levels: a uniform number makes a map from each state to the next, and the state at any time is the composition of
all maps before it, which doubling finds in log2(time) array operations.
"""

from collections.abc import Mapping

import numpy as np
from scipy.linalg import expm

from charz.fitting.contract import Observations

Drawn = Mapping[str, np.ndarray]
# Numbers held at once while records are drawn.
CHUNK = 2_000_000


def replicate_two_levels(
    generator: np.random.Generator, values: Drawn, observations: Observations
) -> dict[str, np.ndarray]:
    """Draw records of two levels, (sample, device, time), in the unit of the signal."""
    up, down = _rates(values, observations)
    shape = (*up.shape, observations.measured.shape[1])
    signal = np.empty(shape)
    # Long records one sample after another: the arrays below are then of one record each.
    together = max(1, CHUNK // max(1, signal[:1].size))
    for start in range(0, len(up), together):
        part = slice(start, start + together)
        state = _two_states(generator, up[part], down[part], observations)
        drawn = generator.standard_normal(out=signal[part])
        drawn *= values["noise"][part][..., None]
        drawn += np.where(
            state, (values["low"] + values["separation"])[part][..., None], values["low"][part][..., None]
        )
        if "drift" in values:
            share = np.arange(shape[-1]) / observations.arrays["length"][:, None] - 0.5
            drawn += values["drift"][part][..., None] * share
    return {"signal": signal}


def _two_states(
    generator: np.random.Generator, up: np.ndarray, down: np.ndarray, observations: Observations
) -> np.ndarray:
    """Whether each device is in the high state, (sample, device, time)."""
    total, interval = up + down, observations.arrays["interval"]
    decided = -np.expm1(-total * interval)
    rises, falls = (up / total * decided)[..., None], (down / total * decided)[..., None]
    uniform = generator.random((*up.shape, observations.measured.shape[1]))
    high = uniform < rises
    decided_at = high | (uniform >= 1 - falls)
    # The first sample stands before any step: the device has run for long.
    high[..., 0], decided_at[..., 0] = generator.random(up.shape) < up / total, True
    places = np.flatnonzero(decided_at)
    return np.repeat(high.ravel()[places], np.diff(places, append=high.size)).reshape(high.shape)


def replicate_three_levels(
    generator: np.random.Generator, values: Drawn, observations: Observations
) -> dict[str, np.ndarray]:
    """Draw records of three levels, (sample, device, time), in the unit of the signal."""
    shape = (*values["low"].shape, observations.measured.shape[1])
    exits = np.zeros((*shape[:-1], 3, 3))
    for start in range(3):
        for end in range(3):
            if start != end:
                exits[..., start, end] = values[f"rate_{start}{end}"]
    exits -= exits.sum(-1)[..., None] * np.eye(3)
    step = expm(exits * observations.arrays["interval"][:, None, None])
    forever = _stationary(exits)
    uniform = generator.random(shape)
    below = np.cumsum(step, -1)[..., None, :, :]
    maps = (uniform[..., None] >= below[..., 0]).astype(np.int8) + (uniform[..., None] >= below[..., 1])
    first = (uniform[..., 0, None] >= np.cumsum(forever, -1)[..., :2]).sum(-1)
    maps[..., 0, :] = first[..., None]
    reach = 1
    while reach < shape[-1]:
        maps[..., reach:, :] = np.take_along_axis(maps[..., reach:, :], maps[..., :-reach, :], -1)
        reach *= 2
    state = maps[..., 0]
    middle = values["low"] + values["lower_separation"]
    levels = np.stack([values["low"], middle, middle + values["upper_separation"]], -1)
    signal = np.take_along_axis(levels[..., None, :], state[..., None].astype(np.intp), -1)[..., 0]
    return {"signal": signal + values["noise"][..., None] * generator.standard_normal(shape)}


def _rates(values: Drawn, observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Rates of each record: at its drive or temperature where the model has laws for them."""
    arrays = observations.arrays
    up, down = values["rate_up"], values["rate_down"]
    if "growth_up" in values:
        return up * np.exp(values["growth_up"] * arrays["excess"]), down * np.exp(
            values["growth_down"] * arrays["excess"]
        )
    if "stability_up" in values:
        return up * np.exp(-values["stability_up"] * arrays["cooling"]), down * np.exp(
            -values["stability_down"] * arrays["cooling"]
        )
    return up, down


def _stationary(exits: np.ndarray) -> np.ndarray:
    """Shares p with p Q = 0 and a sum of one, (..., state)."""
    system = np.concatenate([np.swapaxes(exits, -1, -2)[..., :2, :], np.ones_like(exits[..., :1, :])], -2)
    right = np.broadcast_to(np.array([0.0, 0.0, 1.0]), exits.shape[:-1])
    return np.linalg.solve(system, right[..., None])[..., 0]
