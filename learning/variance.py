"""Split of the accuracy's variance into parameter uncertainty, device-to-device, seed and cycle-to-cycle."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SOURCES = ("parameters", "device_to_device", "seed", "cycle_to_cycle")


class VarianceSplit(NamedTuple):
    """Variance components of the accuracy (dimensionless², accuracy as a fraction); NaN where not separable."""

    parameters: float
    device_to_device: float
    seed: float
    cycle_to_cycle: float


def split_variance(
    accuracy: Float[np.ndarray, "draw array seed repeat"], shared_seeds: bool
) -> VarianceSplit:
    r"""Estimate variance components from accuracies of a balanced design.

    Mean squares are equated with their expectations (analysis of variance for random effects). Nested design
    (`shared_seeds` false, each network its own seed):

    .. math:: E[V_{repeat}] = \sigma^2_c, \quad E[V_{seed}] = \sigma^2_s + \sigma^2_c/R, \quad
              E[V_{array}] = \sigma^2_a + \sigma^2_s/S + \sigma^2_c/(SR), \quad
              E[V_{draw}] = \sigma^2_p + \sigma^2_a/A + \sigma^2_s/(AS) + \sigma^2_c/(ASR)

    where V is the variance of means over everything below that level. Where the same trained seeds meet every
    array (`shared_seeds`), only the seed's interaction with the array enters the upper rows; it is measured by
    the residual of array means after their seed's mean, and the reported seed component is main effect plus
    interaction. A component that comes out negative by chance is reported as 0; one whose level has a single
    member cannot be told from the level above and is NaN (its variance is then contained there).

    Parameters
    ----------
    accuracy : array, shape (draw, array, seed, repeat)
        Fractions in [0, 1].
    shared_seeds : bool
        Whether seed index s is the same trained network for every draw and array.
    """
    draws, arrays, seeds, repeats = accuracy.shape
    by_seed = accuracy.mean(3)
    by_array = by_seed.mean(2)
    by_draw = by_array.mean(1)

    repeat_variance = _mean_variance(accuracy, 3)
    if shared_seeds and seeds > 1:
        deviation = by_seed - by_array[:, :, None]
        main = deviation.mean((0, 1))
        cells = draws * arrays
        # Expected: interaction + repeat / R, after removing a seed mean estimated from the same cells.
        interaction_and_repeat = ((deviation - main) ** 2).sum() / ((cells - 1) * (seeds - 1) or np.nan)
        interaction = interaction_and_repeat - _or_zero(repeat_variance) / repeats
        main_effect = main.var(ddof=1) - interaction_and_repeat / cells
        seed_variance, carried_up = main_effect + interaction, interaction_and_repeat / seeds
    else:
        total = _mean_variance(by_seed, 2)
        seed_variance = total - _or_zero(repeat_variance) / repeats
        # With one seed its variance cannot be measured: what is known to be carried up is the repeats' share.
        carried_up = total / seeds if seeds > 1 else _or_zero(repeat_variance) / repeats
    array_total = _mean_variance(by_array, 1)
    array_variance = array_total - carried_up
    carried_further = array_total / arrays if arrays > 1 else carried_up
    draw_variance = (by_draw.var(ddof=1) if draws > 1 else np.nan) - carried_further
    return VarianceSplit(
        *(_positive(value) for value in (draw_variance, array_variance, seed_variance, repeat_variance))
    )


def _mean_variance(values: np.ndarray, axis: int) -> float:
    return float(values.var(axis, ddof=1).mean()) if values.shape[axis] > 1 else float("nan")


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


def _positive(value: float) -> float:
    return float(value) if np.isnan(value) else max(float(value), 0.0)
