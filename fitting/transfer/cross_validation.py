"""Does a surrogate predict better than the linear response? Contiguous folds, because neighbours are no strangers.

Consecutive samples of a record repeat each other: leaving out single samples, or a random share, asks only for
interpolation between neighbours. Here each fold is a run of samples, and everything, scales included, is fitted to the
rest.
"""

from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.errors import FitError
from charz.fitting.keys import generator_from
from charz.fitting.transfer.draws import draw_material, layer_of
from charz.fitting.transfer.prediction import current_at
from charz.fitting.transfer.priors import LINEAR, SURROGATE, chosen_priors
from charz.fitting.transfer.record import MIN_SAMPLES, Record, observe, record_of

NUM_DRAWS = 400


@dataclass(frozen=True)
class HeldOut:
    """Prediction of samples that were not fitted.

    Parameters
    ----------
    model : str
    r_squared : float
        1 - sum of squared errors of the predicted mean / sum of squares about the mean of all samples.
    log_density : array (sample,)
        Log predictive density of each sample, in nats (current in A).
    covered : float
        Share of the samples within their 90 % predictive interval.
    fold : array (sample,)
        Number of the fold in which each sample was held out.
    """

    model: str
    r_squared: float
    log_density: np.ndarray
    covered: float
    fold: np.ndarray

    def gain_over(self, other: "HeldOut") -> tuple[float, float]:
        """Sum of log densities above the other's, in nats, and its standard error from the folds."""
        gains = np.bincount(self.fold, self.log_density - other.log_density)
        return float(gains.sum()), float(np.sqrt(gains.size) * gains.std(ddof=1))


def blocked_cross_validation(
    dataset: xr.Dataset, *, key: PRNGKeyArray, folds: int = 5, models: tuple[str, ...] = (LINEAR, SURROGATE)
) -> dict[str, HeldOut]:
    """Predict each of several runs of consecutive samples from the others.

    Parameters
    ----------
    dataset : Dataset
        Of kind ``transfer``.
    key : PRNG key
    folds : int
    models : tuple of str

    Returns
    -------
    dict
        `HeldOut` by model.

    Raises
    ------
    FitError
        For fewer than two folds, or folds that leave too few samples.
    """
    record = record_of(observe(dataset))
    number = len(record.current)
    if folds < 2 or number - -(-number // folds) < MIN_SAMPLES:
        raise FitError(
            f"{folds} folds of {number} samples; at least 2 are needed, and {MIN_SAMPLES} samples outside each, "
            "for fewer samples fit nothing: choose other folds or measure more"
        )
    generator = generator_from(key)
    fold = np.arange(number) * folds // number
    with jax.enable_x64(True):
        return {model: _held_out(generator, record, model, fold) for model in models}


def _held_out(generator: np.random.Generator, record: Record, model: str, fold: np.ndarray) -> HeldOut:
    mean, log_density, inside = (np.empty(len(fold)) for _ in range(3))
    for number in range(fold.max() + 1):
        out = fold == number
        rest = Record(record.voltage[~out], record.current[~out])
        drawn = draw_material(generator, rest, model, chosen_priors(model, rest, None), NUM_DRAWS)
        current = current_at(rest, layer_of(rest, model), drawn.values, record.voltage[out])
        noise = drawn.values["noise"][:, None]
        standard = (record.current[out] - current) / noise
        terms = -(standard**2) / 2 - np.log(noise) - np.log(2 * np.pi) / 2
        mean[out] = current.mean(0)
        log_density[out] = np.logaddexp.reduce(terms, axis=0) - np.log(len(terms))
        low, high = np.quantile(
            current + noise * generator.standard_normal(current.shape), (0.05, 0.95), axis=0
        )
        inside[out] = (record.current[out] >= low) & (record.current[out] <= high)
    error, total = ((record.current - mean) ** 2).sum(), ((record.current - record.current.mean()) ** 2).sum()
    return HeldOut(model, float(1 - error / total), log_density, float(inside.mean()), fold)
