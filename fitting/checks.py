r"""Does the fitted model give data like these? Posterior predictive checks.

For each draw :math:`\theta` a discrepancy :math:`T` is evaluated on the measured outcomes and on outcomes replicated
from the same :math:`\theta` (Gelman, Meng & Stern, Statist. Sinica 6, 733 (1996)). The p-value is two-sided,

.. math:: p = 2 \min\{\Pr(T_\mathrm{rep} \ge T),\ \Pr(T_\mathrm{rep} \le T)\},

and a check fails below a level that all checks of a fit share: `FALSE_ALARMS` divided by their number (Bonferroni).
Posterior predictive p-values crowd around the middle when the model is right (the data were used twice), so fewer
than 3 % of healthy fits raise an alarm.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from charz.fitting.contract import Discrepancy, Observations
from charz.fitting.keys import generator_from
from charz.fitting.posterior import Posterior
from charz.fitting.predictive import with_device_axis

FALSE_ALARMS = 0.03
# Enough for the smallest p-value to lie below the level of a dozen checks; draws repeat where there are fewer.
NUM_REPLICATES = 2000
# Numbers held at once; replicates are made and looked at in chunks.
CHUNK_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Parameters
    ----------
    name, meaning : str
    observed, expected : float
        Posterior mean of the discrepancy on the measured and on the replicated outcomes.
    p_value, threshold : float
        Two-sided p-value, and the level below which the check fails.
    passed : bool
    seen, drawn : array (sample,)
        Discrepancy on the measured outcomes, under each draw, and on the outcomes replicated from it.
    """

    name: str
    meaning: str
    observed: float
    expected: float
    p_value: float
    threshold: float
    passed: bool
    seen: np.ndarray = field(repr=False, compare=False)
    drawn: np.ndarray = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the arrays."""
        return {name: value for name, value in asdict(self).items() if name not in ("seen", "drawn")}


def check(posterior: Posterior, key: PRNGKeyArray | None = None) -> list[Check]:
    """Run every check that applies to the data of a posterior.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For the replicated outcomes; a fixed one by default, so that a check can be repeated.
    """
    observations = posterior.family.for_checks(posterior.observations())
    values = with_device_axis(posterior.law_draws(), 2, len(observations.devices))
    num_draws = len(next(iter(values.values())))
    picked = np.linspace(0, num_draws - 1, NUM_REPLICATES).astype(int)
    generator = generator_from(jax.random.key(0) if key is None else key)
    chunk = int(np.clip(CHUNK_NUMBERS // max(observations.measured.size, 1), 1, NUM_REPLICATES))
    parts = [
        _discrepancies(
            posterior, observations, {n: v[picked[i : i + chunk]] for n, v in values.items()}, generator
        )
        for i in range(0, NUM_REPLICATES, chunk)
    ]
    asked = [d for d in posterior.family.discrepancies if d.applies(observations)]
    seen, drawn = (
        {d.name: np.concatenate([part[side][d.name] for part in parts]) for d in asked} for side in (0, 1)
    )
    return [_judged(d, seen[d.name], drawn[d.name], FALSE_ALARMS / len(asked)) for d in asked]


def _discrepancies(
    posterior: Posterior,
    observations: Observations,
    values: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every discrepancy under some draws, on the measured outcomes and on replicated ones, (sample,) each."""
    family, model = posterior.family, posterior.fit_model
    number = len(next(iter(values.values())))
    replicated = model.replicate(generator, values, observations)
    measured = {name: np.asarray(observations.arrays[name])[None] for name in observations.observed}
    situations = [family.situation(model, data, values, observations) for data in (measured, replicated)]
    seen, drawn = (
        {
            d.name: np.broadcast_to(d.function(situation), (number,))
            for d in family.discrepancies
            if d.applies(observations)
        }
        for situation in situations
    )
    return seen, drawn


def _judged(discrepancy: Discrepancy, seen: np.ndarray, drawn: np.ndarray, threshold: float) -> Check:
    p_value = _two_sided(seen, drawn)
    return Check(
        name=discrepancy.name,
        meaning=discrepancy.meaning,
        observed=float(np.mean(seen)),
        expected=float(np.mean(drawn)),
        p_value=p_value,
        threshold=threshold,
        passed=bool(p_value >= threshold),
        seen=seen,
        drawn=drawn,
    )


def _two_sided(seen: np.ndarray, drawn: np.ndarray) -> float:
    above = (np.sum(drawn >= seen) + 1) / (drawn.size + 1)
    below = (np.sum(drawn <= seen) + 1) / (drawn.size + 1)
    return float(min(1.0, 2 * min(above, below)))
