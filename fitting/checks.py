r"""Does the fitted model give data like these? Posterior predictive checks of switching counts.

For each draw :math:`\theta` a discrepancy :math:`T` is evaluated on the measured counts and on counts replicated
from the same :math:`\theta` (Gelman, Meng & Stern, Statist. Sinica 6, 733 (1996)). The p-value is two-sided,

.. math:: p = 2 \min\{\Pr(T_\mathrm{rep} \ge T),\ \Pr(T_\mathrm{rep} \le T)\},

and a check fails below `THRESHOLD`. Posterior predictive p-values crowd around the middle when the model is right
(the data were used twice), so six checks at 0.005 raise a false alarm in fewer than 3 % of healthy fits
(Bonferroni: 6 × 0.005).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charz.fitting.posterior import Posterior
from charz.fitting.predictive import probabilities

THRESHOLD = 0.005


@dataclass(frozen=True)
class Situation:
    """What a discrepancy sees.

    Parameters
    ----------
    counts : array (sample or 1, device, setting)
        Switched trials, measured or replicated.
    expected, variance : array (sample, device, setting)
        ``n p`` and ``n p (1 - p)`` of each draw.
    amplitude, num_trials : array (device, setting)
        Settings sorted by amplitude within each device, padding last with 0 trials.
    """

    counts: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    amplitude: np.ndarray
    num_trials: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """Standardised residuals (sample, device, setting); 0 at padding."""
        # Far below a curve without floor the variance underflows; one switched trial there must stay a surprise.
        deviation = self.counts - self.expected
        return np.where(self.num_trials > 0, deviation / np.sqrt(np.maximum(self.variance, 1e-18)), 0.0)

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


def _dispersion(situation: Situation) -> np.ndarray:
    return (situation.residual**2).sum((1, 2))


def _largest(situation: Situation) -> np.ndarray:
    return np.abs(situation.residual).max((1, 2))


def _neighbours(situation: Situation) -> np.ndarray:
    residual = situation.stable_residual
    return (residual[..., 1:] * residual[..., :-1]).sum((1, 2))


def _low(situation: Situation) -> np.ndarray:
    return (situation.counts * situation.quarter("lowest")).sum((1, 2))


def _high(situation: Situation) -> np.ndarray:
    return ((situation.num_trials - situation.counts) * situation.quarter("highest")).sum((1, 2))


def _devices(situation: Situation) -> np.ndarray:
    total = (situation.counts - situation.expected).sum(2)
    return (total**2 / np.maximum(situation.variance.sum(2), 1e-18)).sum(1)


DISCREPANCIES: dict[str, tuple[str, Callable[[Situation], np.ndarray]]] = {
    "dispersion": ("scatter of all counts (chi-square)", _dispersion),
    "largest residual": ("the setting that fits worst", _largest),
    "neighbours": ("shape: residuals that run together", _neighbours),
    "low plateau": ("switched in the lowest quarter", _low),
    "high plateau": ("not switched in the highest quarter", _high),
    "devices": ("differences between devices", _devices),
}


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Parameters
    ----------
    name, meaning : str
    observed, expected : float
        Posterior mean of the discrepancy on the measured and on the replicated counts.
    p_value : float
        Two-sided.
    passed : bool
    """

    name: str
    meaning: str
    observed: float
    expected: float
    p_value: float
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check(posterior: Posterior) -> list[Check]:
    """Run every check that applies to the data of a posterior; a single device has no check between devices."""
    observed, replicated = _situations(posterior)
    results = []
    for name, (meaning, discrepancy) in DISCREPANCIES.items():
        if name == "devices" and observed.num_trials.shape[0] == 1:
            continue
        seen, drawn = discrepancy(observed), discrepancy(replicated)
        p_value = _two_sided(seen, drawn)
        results.append(
            Check(
                name,
                meaning,
                float(np.mean(seen)),
                float(np.mean(drawn)),
                p_value,
                bool(p_value >= THRESHOLD),
            )
        )
    return results


def _two_sided(seen: np.ndarray, drawn: np.ndarray) -> float:
    above = (np.sum(drawn >= seen) + 1) / (drawn.size + 1)
    below = (np.sum(drawn <= seen) + 1) / (drawn.size + 1)
    return float(min(1.0, 2 * min(above, below)))


def _situations(posterior: Posterior) -> tuple[Situation, Situation]:
    """The measured counts, and one replication a draw, with settings sorted by amplitude."""
    constant = posterior.tree["constant_data"].to_dataset()
    predictive = posterior.tree["posterior_predictive"].to_dataset()
    kept = predictive["draw"].to_numpy()
    amplitude, num_trials = constant["amplitude"].to_numpy(), constant["num_trials"].to_numpy()
    order = np.argsort(np.where(num_trials > 0, amplitude, np.inf), axis=1, kind="stable")
    values = {name: draws[:, kept] for name, draws in posterior.law_draws().items()}
    middle = (np.nanmin(amplitude) + np.nanmax(amplitude)) / 2
    finite = np.where(num_trials > 0, amplitude, middle)
    probability = probabilities(posterior.switching_model, values, finite, 2).astype(np.float64)
    probability = probability.reshape(-1, *amplitude.shape)

    def sort(array: np.ndarray) -> np.ndarray:
        return np.take_along_axis(array, np.broadcast_to(order, array.shape), axis=-1)

    expected, variance = num_trials * probability, num_trials * probability * (1 - probability)
    shared = (sort(expected), sort(variance), sort(finite), sort(num_trials))
    measured = posterior.tree["observed_data"]["num_switched"].to_numpy()[None]
    replicated = predictive["num_switched"].to_numpy().reshape(-1, *amplitude.shape)
    return Situation(sort(measured), *shared), Situation(sort(replicated), *shared)
