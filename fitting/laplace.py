r"""Laplace approximation checked by Pareto-smoothed importance sampling: for records too long for NUTS.

At the mode the log posterior of the linked parameters :math:`\eta` is nearly a parabola, the more so the longer the
record. Draws come from a multivariate t around the mode, with 7 degrees of freedom so that its tails are heavier
than the posterior's, and with weights

.. math:: w = \frac{p(y \mid \eta)\,p(\eta)}{q(\eta)}

smoothed by a generalised Pareto distribution (Vehtari, Simpson, Gelman, Yao & Gabry, J. Mach. Learn. Res. 25, 72
(2024)). Its shape k tells whether the approximation can be trusted (k <= 0.7); draws are resampled by the weights,
so what is left of its error is the weights' own. Cost: one evaluation of the likelihood a proposal, memory linear
in the record; of a very long record a part stands in for the whole (`charz.fitting.stand_in`), and the standard
error of that is told with the result.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.errors import FitError
from charz.fitting.convergence import Convergence
from charz.fitting.density import Density
from charz.fitting.keys import generator_from
from charz.fitting.pareto_smoothing import smoothed_weights
from charz.fitting.sampling import Draws, Prepared
from charz.fitting.stand_in import JUDGED_AT, LARGEST_ERROR, describe, standard_error

NUM_PROPOSALS = 1000
# A long record's posterior is closer to normal, and each proposal costs more: outcomes evaluated in all, at least
# as many proposals as the effective number that is asked for.
NUM_EVALUATED = 80_000_000
LEAST_PROPOSALS = 120
# Leave-one-out needs 25 draws for a tail to smooth.
LEAST_JUDGED = 28
DEGREES_OF_FREEDOM = 7.0


def approximate(
    key: Array,
    prepared: Prepared,
    num_chains: int,
    num_draws: int,
    tick: Callable[[int], None] | None = None,
) -> Draws:
    """Draw from the posterior of pooled or separate devices; to be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    key : PRNG key
    prepared : Prepared
        Pool ``complete`` or ``none``, without latent variables.
    num_chains, num_draws : int
        Shape of the result; the draws are independent, chains are only a layout.
    tick : callable, optional
        Called with the number of proposals after each batch.
    """
    generator = generator_from(key)
    proposals, log_ratios, remarks = _weighed(generator, prepared, tick)
    log_weights, k, effective = _smoothed(log_ratios)
    picked = _resample(generator, log_weights, num_chains * num_draws)  # (unit, draw)
    values = _values(prepared, proposals, picked, (num_chains, num_draws))
    names = [p.name for p in prepared.model.free]
    worst_unit = int(np.argmax(k))
    convergence = Convergence(
        max_rhat=float("nan"),
        min_ess_bulk=float(effective.min()),
        divergences=0,
        worst=", ".join(names) if len(k) == 1 else f"unit {worst_unit}",
        pareto_k=float(k.max()),
    )
    return Draws(
        values=values,
        stats={"diverging": np.zeros((num_chains, num_draws), bool)},
        convergence=convergence,
        remarks=remarks,
    )


def kept_draws(num_chains: int, num_draws: int, size: int) -> np.ndarray:
    """Numbers of the draws whose terms of leave-one-out are evaluated: all of a short record's."""
    wanted = max(NUM_EVALUATED // size, LEAST_JUDGED)
    number = min(-(-wanted // num_chains), num_draws)
    return np.unique(np.linspace(0, num_draws - 1, number).astype(int))


def _weighed(
    generator: np.random.Generator, prepared: Prepared, tick: Callable[[int], None] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Proposals (proposal, unit, parameter), the logarithm of posterior over proposal density, and remarks."""
    modes, size = prepared.known.modes, prepared.data["blank"].size
    stand_in = modes.stand_in
    size = size if stand_in is None else stand_in.number
    told: tuple[str, ...] = ()
    if stand_in is not None:
        proposals, log_q = _proposals(generator, prepared, stand_in.measured.size)
        density = _density(prepared, stand_in.arrays, with_terms=True)
        log_p, terms = density(np.concatenate([modes.mode[None], proposals]), tick)
        errors = standard_error(terms[1:], terms[0])
        errors = np.sqrt((errors**2).sum(1)) if prepared.pool == "complete" else errors
        error = float(np.quantile(errors, JUDGED_AT))
        told = (describe(stand_in, error),)
        if error <= LARGEST_ERROR:
            return proposals, log_p[1:] - log_q, told
        if stand_in.only:
            raise FitError(
                f"{told[0]}; too large, and the record is too long to be evaluated whole: fit a part of it"
            )
        told = (f"{told[0]}; too large, each proposal was evaluated on all samples",)
    proposals, log_q = _proposals(generator, prepared, size)
    log_p, _ = _density(prepared, prepared.data["arrays"])(proposals, tick)
    return proposals, log_p - log_q, told


def _density(prepared: Prepared, arrays: Mapping[str, Any], *, with_terms: bool = False) -> Density:
    names = [p.linked_name for p in prepared.model.free]
    return Density(
        prepared.model,
        tuple((name, family) for name, family in prepared.families if name in names),
        prepared.pool,
        arrays,
        {name: prepared.data["priors"][name] for name in names},
        with_terms=with_terms,
    )


def _proposals(
    generator: np.random.Generator, prepared: Prepared, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws from the multivariate t around each unit's mode, (proposal, unit, parameter), and ln of their density.

    As many as `size` outcomes of each allow.
    """
    modes = prepared.known.modes
    num_parameters = modes.mode.shape[1]
    number = int(np.clip(NUM_EVALUATED // size, LEAST_PROPOSALS, NUM_PROPOSALS))
    root = np.linalg.cholesky(modes.covariance)
    normal = generator.standard_normal((number, *modes.mode.shape))
    shrink = np.sqrt(generator.chisquare(DEGREES_OF_FREEDOM, (number, len(root))) / DEGREES_OF_FREEDOM)
    scaled = normal / shrink[..., None]
    eta = modes.mode + np.einsum("uij,suj->sui", root, scaled)
    power = (DEGREES_OF_FREEDOM + num_parameters) / 2
    log_density = -power * np.log1p((scaled**2).sum(-1) / DEGREES_OF_FREEDOM)
    return eta, log_density  # up to a constant of each unit, which weights do not need


def _smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalised log weights (unit, proposal), Pareto k and effective number of proposals of each unit."""
    units = [smoothed_weights(column) for column in log_ratios.T]
    return (
        np.stack([unit.log_weights for unit in units]),
        np.array([unit.pareto_k for unit in units]),
        np.array([unit.effective for unit in units]),
    )


def _resample(generator: np.random.Generator, log_weights: np.ndarray, number: int) -> np.ndarray:
    """Systematic resampling, then shuffled: every proposal as often as its weight asks for, (unit, number)."""
    picked = np.empty((len(log_weights), number), dtype=int)
    for unit, weights in enumerate(np.exp(log_weights)):
        points = (np.arange(number) + generator.uniform()) / number
        places = np.minimum(np.searchsorted(np.cumsum(weights) / weights.sum(), points), len(weights) - 1)
        picked[unit] = generator.permutation(places)
    return picked


def _values(
    prepared: Prepared, proposals: np.ndarray, picked: np.ndarray, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Natural values (chain, draw[, device]) of the resampled proposals."""
    chosen = np.stack([proposals[picked[unit], unit] for unit in range(len(picked))], axis=1)
    chosen = chosen.reshape(*shape, *chosen.shape[1:])
    if prepared.pool == "complete":
        chosen = chosen[:, :, 0]
    linked = {p.linked_name: jnp.asarray(chosen[..., i]) for i, p in enumerate(prepared.model.free)}
    return {n: np.asarray(v) for n, v in prepared.model.values_from_linked(linked).items()}
