"""Numbers that tell counts of one switching model from counts of another: scatter, shape, plateaus, differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Discrepancy, Model, Observations
from charz.fitting.pulse.likelihood import probability_at

# Far below a curve without floor the variance underflows; one switched trial there must stay a surprise.
LEAST_VARIANCE = 1e-18


@dataclass(frozen=True)
class Situation:
    """What a discrepancy sees.

    Parameters
    ----------
    counts : array (sample or 1, device, setting)
        Switched trials, measured or replicated.
    expected, variance : array (sample, device, setting)
        ``n p`` and ``n p (1 - p)`` of each draw, the latter times the dispersion of an overdispersed model.
    amplitude, num_trials : array (device, setting)
        Settings sorted by direction and amplitude within each device, padding last with 0 trials.
    direction : array (device, setting), optional
        0 or 1 where pulses start in either of two states.
    """

    counts: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    amplitude: np.ndarray
    num_trials: np.ndarray
    direction: np.ndarray | None = None

    @property
    def residual(self) -> np.ndarray:
        """Standardised residuals (sample, device, setting); 0 at padding."""
        deviation = self.counts - self.expected
        return np.where(
            self.num_trials > 0, deviation / np.sqrt(np.maximum(self.variance, LEAST_VARIANCE)), 0.0
        )

    @property
    def stable_residual(self) -> np.ndarray:
        r"""Variance-stabilised residuals :math:`2\sqrt n(\arcsin\sqrt{k/n} - \arcsin\sqrt p)`, same shape.

        They speak about the shape of the curve; a single rare trial, of any improbability, counts two at most.
        """
        trials = np.maximum(self.num_trials, 1)
        share, probability = (np.clip(x / trials, 0, 1) for x in (self.counts, self.expected))
        angle = np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(probability))
        return np.where(self.num_trials > 0, 2 * np.sqrt(trials) * angle, 0.0)

    def quarter(self, which: str) -> np.ndarray:
        """Mask (device, setting) of the lowest or highest quarter of the sweep."""
        measured = self.num_trials > 0
        low, high = self.amplitude[measured].min(), self.amplitude[measured].max()
        quarter = (high - low) / 4
        inside = self.amplitude <= low + quarter if which == "lowest" else self.amplitude >= high - quarter
        return inside & measured


def situation(
    model: Model,
    data: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    observations: Observations,
) -> Situation:
    """Counts beside what each draw of the model expects, settings in the order of the sweep.

    Parameters
    ----------
    model : Model
    data : mapping
        ``num_switched`` (sample or 1, device, setting).
    values : mapping
        Values of the law, (sample, device).
    observations : Observations
    """
    arrays = observations.arrays
    num_trials, amplitude = arrays["num_trials"], arrays.get("directed_amplitude", arrays["amplitude"])
    direction = arrays.get("direction")
    probability = probabilities(model, values, arrays)
    expected = num_trials * probability
    variance = expected * (1 - probability)
    if "concentration" in values:
        concentration = np.asarray(values["concentration"])[..., None]
        variance = variance * (1 + np.maximum(num_trials - 1, 0) / (concentration + 1))
    keys = (amplitude, np.zeros_like(amplitude) if direction is None else direction, num_trials <= 0)
    order = np.lexsort(keys, axis=-1)

    def sort(array: np.ndarray) -> np.ndarray:
        return np.take_along_axis(array, np.broadcast_to(order, array.shape), axis=-1)

    return Situation(
        sort(np.asarray(data["num_switched"])),
        sort(expected),
        sort(variance),
        sort(amplitude),
        sort(num_trials),
        None if direction is None else sort(direction),
    )


def probabilities(
    model: Model, values: Mapping[str, np.ndarray], settings: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Switching probabilities (sample, device, setting) of values (sample, device), in double precision."""
    with jax.enable_x64(True):
        columns = {name: jnp.asarray(v, jnp.float64)[..., None] for name, v in values.items()}
        places = {n: jnp.asarray(a, jnp.float64) for n, a in settings.items() if not n.startswith("num_")}
        return np.asarray(_evaluate(model, columns, places))


@partial(jax.jit, static_argnums=0)
def _evaluate(model: Model, values: dict[str, Any], settings: dict[str, Any]) -> Array:
    return probability_at(model.law(values), settings)


def _dispersion(situation: Situation) -> np.ndarray:
    return (situation.residual**2).sum((1, 2))


def _largest(situation: Situation) -> np.ndarray:
    return np.abs(situation.residual).max((1, 2))


def _neighbours(situation: Situation) -> np.ndarray:
    residual = situation.stable_residual
    product = residual[..., 1:] * residual[..., :-1]
    if situation.direction is not None:
        product = product * (situation.direction[:, 1:] == situation.direction[:, :-1])
    return product.sum((1, 2))


def _low(situation: Situation) -> np.ndarray:
    return (situation.counts * situation.quarter("lowest")).sum((1, 2))


def _high(situation: Situation) -> np.ndarray:
    return ((situation.num_trials - situation.counts) * situation.quarter("highest")).sum((1, 2))


def _devices(situation: Situation) -> np.ndarray:
    total = (situation.counts - situation.expected).sum(2)
    return (total**2 / np.maximum(situation.variance.sum(2), LEAST_VARIANCE)).sum(1)


def _directions(situation: Situation) -> np.ndarray:
    second = np.zeros_like(situation.num_trials) if situation.direction is None else situation.direction
    result = np.zeros(len(situation.expected))
    for inside in (second == 0, second == 1):
        total = ((situation.counts - situation.expected) * inside).sum((1, 2))
        result = result + total**2 / np.maximum((situation.variance * inside).sum((1, 2)), LEAST_VARIANCE)
    return result


def _several_devices(observations: Observations) -> bool:
    return len(observations.devices) > 1


def _two_directions(observations: Observations) -> bool:
    return "direction" in observations.arrays


DISCREPANCIES: tuple[Discrepancy, ...] = (
    Discrepancy("dispersion", "scatter of all counts (chi-square)", _dispersion),
    Discrepancy("largest residual", "the setting that fits worst", _largest),
    Discrepancy("neighbours", "shape: residuals that run together", _neighbours),
    Discrepancy("low plateau", "switched in the lowest quarter", _low),
    Discrepancy("high plateau", "not switched in the highest quarter", _high),
    Discrepancy("devices", "differences between devices", _devices, _several_devices),
    Discrepancy("directions", "differences between the initial states", _directions, _two_directions),
)
