"""Success of gates over devices or posterior draws: tables, and probabilities with their interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from charz.errors import TrainError
from charz.learning.gates import GateRuns

INTERVAL_PROBABILITY = 0.9


class SuccessProbability(NamedTuple):
    """Share of draws that succeed, with the ends of its interval, all dimensionless, (gate,)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def success_probability(
    solved: np.ndarray, interval_probability: float = INTERVAL_PROBABILITY
) -> SuccessProbability:
    r"""Probability that a gate succeeds on a device like those drawn, with its Jeffreys interval.

    Of n draws k succeed; with the prior :math:`\mathrm{Beta}(\frac12, \frac12)` the posterior is
    :math:`\mathrm{Beta}(k + \frac12, n - k + \frac12)`, and the interval lies between its tail quantiles (Brown, Cai
    and DasGupta, Statist. Sci. 16, 101 (2001)), from 0 where k = 0 and to 1 where k = n. It covers the finite number
    of draws; the uncertainty of the device is in the probability itself.

    Parameters
    ----------
    solved : array of bool (draw, ...)
    interval_probability : float
        Central probability, 0.9 by default.

    Returns
    -------
    SuccessProbability
        ``mean`` is k/n.

    Raises
    ------
    TrainError
        Without draws, or for a probability outside (0, 1).
    """
    solved = np.asarray(solved, bool)
    if solved.ndim == 0 or solved.shape[0] == 0:
        raise TrainError(f"solved has shape {solved.shape}; a probability needs at least one draw")
    if not 0 < interval_probability < 1:
        raise TrainError(f"interval_probability is {interval_probability}; it must be between 0 and 1")
    number, count = solved.shape[0], solved.sum(0)
    tail = (1 - interval_probability) / 2
    low = beta.ppf(tail, count + 0.5, number - count + 0.5)
    high = beta.isf(tail, count + 0.5, number - count + 0.5)
    return SuccessProbability(
        count / number, np.where(count == 0, 0.0, low), np.where(count == number, 1.0, high)
    )


def gate_success(runs: GateRuns) -> np.ndarray:
    """Gates that at least one start solved, (device, gate)."""
    return np.asarray(runs.solved.any(-1))


def gate_table(names: Sequence[str], runs: GateRuns, oracle: GateRuns | None = None) -> str:
    """Markdown table, one line a gate and device: first start that solved it, its numbers, the oracle's verdict.

    Parameters
    ----------
    names : sequence of str
        Of the gates.
    runs : GateRuns
    oracle : GateRuns, optional
        Of the same devices and gates.

    Raises
    ------
    TrainError
        When there is not one name a gate.
    """
    num_devices, num_gates, num_restarts = runs.margin.shape
    if len(names) != num_gates:
        raise TrainError(f"{len(names)} names for {num_gates} gates; each gate needs its own")
    lines = [
        "| device | gate | solved by | iterations | ρ | Δ (nA) | Δ/σ | oracle solved by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for device, gate in np.ndindex(num_devices, num_gates):
        solved = runs.solved[device, gate]
        # Without success, the start that came closest.
        best = solved.argmax() if solved.any() else np.nanargmax(runs.margin[device, gate])
        where = (device, gate, best)
        capable = "" if oracle is None else _of(oracle.solved[device, gate])
        lines.append(
            f"| {device} | {names[gate]} | {_of(solved)} | {runs.iterations[where]:.0f} (start {best + 1}) "
            f"| {runs.correlation[where]:.3f} | {runs.separation[where] * 1e9:.2f} "
            f"| {runs.separation[where] / runs.noise[where]:.1f} | {capable} |"
        )
    lines.append(f"\nSolved by: starts of {num_restarts} that ended in success.")
    return "\n".join(lines)


def _of(solved: np.ndarray) -> str:
    return f"{int(solved.sum())} of {solved.size}"
