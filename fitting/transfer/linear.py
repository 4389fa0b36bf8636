r"""Bayesian linear regression with unknown noise: independent exact draws, no chain.

With the singular values of the scaled design, :math:`\Phi = U S W^T`, and standard normal weights, the rotated
coordinates are independent given the noise: :math:`w_k \sim \mathcal N\bigl(s_k u_k^T y / (s_k^2 + \sigma^2),\
\sigma^2/(s_k^2 + \sigma^2)\bigr)`, and the evidence of :math:`\ln\sigma` is a sum of n terms. It is tabulated on a
grid fine enough for the posterior and inverted; where a singular value vanishes the prior comes back untouched.
"""

import numpy as np

from charz.fitting.transfer.evidence import Problem

NUM_GRID = 4001
REACH = 9.0
# Nats below the maximum beyond which nothing is drawn.
DROP = 40.0


def draw_linear(
    generator: np.random.Generator, problem: Problem, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw log noise and weights.

    Parameters
    ----------
    generator : numpy.random.Generator
    problem : Problem
        Without hidden units.
    number : int

    Returns
    -------
    log_noise : array (draw,)
    weights : array (draw, 1 + electrode)
        In units of their prior sd.
    expected : array (draw, sample)
        Scaled mean current.
    left_out : array (draw, sample)
        Log density of each sample given all others and the noise, in nats (scaled current).
    """
    voltage, current = np.asarray(problem.voltage), np.asarray(problem.current)
    columns = np.column_stack([np.ones(len(voltage)), voltage]) * np.asarray(problem.weight_sd)
    left, values, rows = np.linalg.svd(columns, full_matrices=False)
    along = left.T @ current
    rest = float(max(current @ current - along @ along, 0.0))
    log_noise = _draw_log_noise(generator, problem, values, along, rest, len(current), number)
    variance = np.exp(2 * log_noise)[:, None]
    total = values**2 + variance
    rotated = values * along / total + np.sqrt(variance / total) * generator.standard_normal(
        (number, values.size)
    )
    # Fewer samples than weights: the directions that no row holds keep their prior.
    outside = generator.standard_normal((number, columns.shape[1]))
    weights = rotated @ rows + outside - (outside @ rows.T) @ rows
    free = np.maximum(1 - (values**2 / total) @ (left**2).T, 1e-12)
    fitted = (values**2 * along / total) @ left.T
    deviation, spread = (current - fitted) / free, variance / free
    left_out = -(deviation**2 / spread + np.log(2 * np.pi * spread)) / 2
    return log_noise, weights, weights @ columns.T, left_out


def _draw_log_noise(
    generator: np.random.Generator,
    problem: Problem,
    values: np.ndarray,
    along: np.ndarray,
    rest: float,
    samples: int,
    number: int,
) -> np.ndarray:
    """Invert the tabulated posterior of log noise at uniform numbers."""
    mean, sd = float(problem.hyper_mean[0]), float(problem.hyper_sd[0])

    def log_density(log_noise: np.ndarray) -> np.ndarray:
        variance = np.exp(2 * log_noise)[:, None]
        total = values**2 + variance
        terms = (np.log(total) + along**2 / total).sum(1)
        others = (samples - values.size) * 2 * log_noise + rest / variance[:, 0]
        return -(terms + others) / 2 - ((log_noise - mean) / sd) ** 2 / 2

    grid = np.linspace(mean - REACH * sd, mean + REACH * sd, NUM_GRID)
    coarse = log_density(grid)
    likely = grid[coarse > coarse.max() - DROP]
    step = grid[1] - grid[0]
    grid = np.linspace(likely[0] - step, likely[-1] + step, NUM_GRID)
    fine = log_density(grid)
    density = np.exp(fine - fine.max())
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(generator.random(number), cumulative / cumulative[-1], grid)
