r"""Evidence of a smooth response: all weights integrated out in closed form.

In scaled units (`ScaledPriors`) the currents at the measured voltages are jointly normal,

.. math:: y \sim \mathcal N(0, K), \qquad K_{ij} = s_0^2 + \sum_e s_e^2 x_{ie} x_{je}
          + a^2 k(x_i, x_j) + \sigma^2 \delta_{ij},

with level and slopes of prior sd s, amplitude a, noise :math:`\sigma`, and the kernel of infinitely many erf units
(Williams, Neural Computation 10, 1203 (1998), equation 11),

.. math:: k(x, x') = \frac{2}{\pi} \arcsin \frac{2 q(x, x')}{\sqrt{(1 + 2 q(x, x))(1 + 2 q(x', x'))}}, \qquad
          q(x, x') = 1 + \tfrac13 \sum_e \ell_e^2 + \sum_e \ell_e^2 x_e x'_e .

Draws of the weights are made with a finite number of the units (`features`), by Matheron's rule: a draw of the prior is
corrected by what it misses of the data (Wilson et al., ICML (2020)). Leave-one-out densities follow from the inverse
of K (Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), equations 5.10 to 5.12).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float


class Problem(NamedTuple):
    """Scaled record, hidden layer and priors, as arrays for compiled code.

    Parameters
    ----------
    voltage : array (sample, electrode)
        In shares of the ranges.
    current : array (sample,)
        In halves of its range, less the mean that the prior of level and slopes expects.
    direction, offset : array (unit, electrode) and (unit,)
        Hidden layer.
    weight_sd : array (1 + electrode,)
        Prior sd of level and slopes.
    hyper_mean, hyper_sd : array (hyper,)
        Of log noise, log amplitude, log relevances.
    """

    voltage: Float[Array, "sample electrode"]
    current: Float[Array, " sample"]
    direction: Float[Array, "unit electrode"]
    offset: Float[Array, " unit"]
    weight_sd: Float[Array, " linear"]
    hyper_mean: Float[Array, " hyper"]
    hyper_sd: Float[Array, " hyper"]


class Weights(NamedTuple):
    """Joint draws of all weights under one setting of the hyperparameters.

    Parameters
    ----------
    drawn : array (draw, weight)
        In units of their prior sd: level, slopes, units.
    expected : array (draw, sample)
        Mean current of each draw, scaled, less the prior's mean.
    """

    drawn: Float[Array, "draw weight"]
    expected: Float[Array, "draw sample"]


def linear_basis(problem: Problem) -> Float[Array, "sample linear"]:
    """Columns of level and slopes, each times the prior sd of its weight."""
    ones = jnp.ones((problem.voltage.shape[0], 1), problem.voltage.dtype)
    return jnp.concatenate([ones, problem.voltage], 1) * problem.weight_sd


def kernel(problem: Problem, hyper: Float[Array, " hyper"]) -> Float[Array, "sample sample"]:
    """Prior covariance of the mean currents."""
    linear = linear_basis(problem)
    relevance = jnp.exp(hyper[2:])
    scaled = problem.voltage * relevance
    inner = 1 + (relevance**2).sum() / 3 + scaled @ scaled.T
    size = 1 + 2 * jnp.diagonal(inner)
    # At |share| = 1 the arcsine has no slope; q(x, x) >= 1 keeps the diagonal below it but for huge relevances.
    share = jnp.clip(2 * inner / jnp.sqrt(size[:, None] * size), -1 + 1e-12, 1 - 1e-12)
    return linear @ linear.T + jnp.exp(2 * hyper[1]) * (2 / jnp.pi) * jnp.arcsin(share)


def log_evidence(problem: Problem, hyper: Float[Array, " hyper"]) -> Float[Array, ""]:
    """Log density of the currents given the hyperparameters, in nats."""
    samples = problem.current.size
    factor = jnp.linalg.cholesky(kernel(problem, hyper) + jnp.exp(2 * hyper[0]) * jnp.eye(samples))
    white = solve_triangular(factor, problem.current, lower=True)
    log_det = 2 * jnp.log(jnp.diagonal(factor)).sum()
    return -((white**2).sum() + log_det + samples * jnp.log(2 * jnp.pi)) / 2


def log_posterior(problem: Problem, hyper: Float[Array, " hyper"]) -> Float[Array, ""]:
    """Evidence plus log prior of the hyperparameters, up to a constant."""
    deviation = (hyper - problem.hyper_mean) / problem.hyper_sd
    return log_evidence(problem, hyper) - (deviation**2).sum() / 2


def basis(problem: Problem, hyper: Float[Array, " hyper"]) -> Float[Array, "sample weight"]:
    """Columns of level, slopes and units, each times the prior sd of its weight."""
    relevance = jnp.exp(hyper[2:])
    spread = jnp.sqrt(1 + (relevance**2).sum() / 3)
    hidden = jax.scipy.special.erf(
        (problem.voltage * relevance) @ problem.direction.T + spread * problem.offset
    )
    scale = jnp.exp(hyper[1]) / jnp.sqrt(problem.offset.size)
    return jnp.concatenate([linear_basis(problem), scale * hidden], 1)


def draw_weights(
    problem: Problem,
    hyper: Float[Array, " hyper"],
    prior: Float[Array, "draw weight"],
    noise: Float[Array, "draw sample"],
) -> Weights:
    r"""Exact draws :math:`w + \Phi^T K^{-1}(y - \Phi w - \sigma\varepsilon)` from standard normal w and ε.

    Parameters
    ----------
    problem : Problem
    hyper : array (hyper,)
    prior, noise : array (draw, weight) and (draw, sample)
        Standard normal.
    """
    columns, current = basis(problem, hyper), problem.current
    deviation = jnp.exp(hyper[0])
    factor = jnp.linalg.cholesky(columns @ columns.T + deviation**2 * jnp.eye(current.size))
    missed = current - prior @ columns.T - deviation * noise
    drawn = prior + cho_solve((factor, True), missed.T).T @ columns
    return Weights(drawn, drawn @ columns.T)


def log_left_out(problem: Problem, hyper: Float[Array, " hyper"]) -> Float[Array, " sample"]:
    """Log density of each sample given all others and the hyperparameters, in nats (scaled current)."""
    samples = problem.current.size
    factor = jnp.linalg.cholesky(kernel(problem, hyper) + jnp.exp(2 * hyper[0]) * jnp.eye(samples))
    inverse = cho_solve((factor, True), jnp.eye(samples))
    spread = 1 / jnp.diagonal(inverse)
    surprise = spread * (inverse @ problem.current)
    return -(surprise**2 / spread + jnp.log(2 * jnp.pi * spread)) / 2


value_and_slope = jax.jit(jax.value_and_grad(log_posterior, argnums=1))
slopes_at = jax.jit(
    lambda problem, hypers: jax.lax.map(lambda h: jax.grad(log_posterior, argnums=1)(problem, h), hypers)
)
log_posterior_at = jax.jit(lambda problem, hypers: jax.lax.map(lambda h: log_posterior(problem, h), hypers))
left_out_at = jax.jit(lambda problem, hypers: jax.lax.map(lambda h: log_left_out(problem, h), hypers))
draw_weights_at = jax.jit(
    lambda problem, *arrays: jax.lax.map(lambda one: draw_weights(problem, *one), arrays)
)
