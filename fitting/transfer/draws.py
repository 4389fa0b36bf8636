"""Draws of all parameters of a model of a material, in SI units, from the scaled posterior."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from threadpoolctl import threadpool_limits

from charz.fitting.priors import Prior
from charz.fitting.transfer.evidence import Problem, draw_weights_at
from charz.fitting.transfer.features import HiddenLayer, hidden_layer, num_units
from charz.fitting.transfer.hyper import MAX_PARETO_K, draw_hyper
from charz.fitting.transfer.linear import draw_linear
from charz.fitting.transfer.priors import LINEAR, ScaledPriors, scaled_priors
from charz.fitting.transfer.record import Record

# Settings of the hyperparameters; each has several draws of the weights.
MAX_SETTINGS, MIN_SETTINGS = 400, 50
# Multiplications that the draws may take: fewer settings for a long record.
WORK = 4e10


@dataclass(frozen=True)
class MaterialDraws:
    """Independent draws, and what is to be said about them.

    Parameters
    ----------
    values : mapping
        ``level`` (draw,) in A, ``slope`` (draw, electrode) in A/V, ``noise`` (draw,) in A, and for the surrogate
        ``amplitude`` (draw,) in A, ``relevance`` (draw, electrode) in 1/V, ``output_weight`` (draw, unit) in A.
    expected : array (draw, sample)
        Mean current of each sample, in A.
    left_out : array (draw, sample)
        Log density of each sample given all others, in nats: of the linear model under each draw's noise, of the
        surrogate with the hyperparameters integrated out, the same in every draw.
    sampler, statement : str
    converged : bool
    """

    values: Mapping[str, np.ndarray]
    expected: np.ndarray
    left_out: np.ndarray
    sampler: str
    statement: str
    converged: bool


def layer_of(record: Record, model_name: str) -> HiddenLayer:
    """Hidden layer of a model for a record; no units for the linear one."""
    units = 0 if model_name == LINEAR else num_units(len(record.current))
    return hidden_layer(record.voltage.shape[1], units)


def problem_of(record: Record, layer: HiddenLayer, scaled: ScaledPriors) -> Problem:
    """Scale a record for the evidence. Call inside ``jax.enable_x64``."""
    voltage = record.scaled(record.voltage)
    expected = scaled.weight_mean[0] + voltage @ scaled.weight_mean[1:]
    current = (record.current - record.middle_current) / record.half_current - expected
    arrays = (
        voltage,
        current,
        layer.direction,
        layer.offset,
        scaled.weight_sd,
        scaled.hyper_mean,
        scaled.hyper_sd,
    )
    return Problem(*(jnp.asarray(array, jnp.float64) for array in arrays))


def draw_material(
    generator: np.random.Generator,
    record: Record,
    model_name: str,
    priors: Mapping[str, Prior],
    number: int,
    tick: Callable[[int], None] | None = None,
) -> MaterialDraws:
    """Draw from the posterior of a model. Call inside ``jax.enable_x64``."""
    scaled = scaled_priors(priors, record)
    problem = problem_of(record, layer_of(record, model_name), scaled)
    if model_name == LINEAR:
        log_noise, weights, expected, left_out = draw_linear(generator, problem, number)
        hyper = log_noise[:, None]
        sampler = "exact: weights in closed form, noise by inversion of its tabulated posterior"
        statement, converged = f"{number} independent exact draws: no chain that could fail to converge", True
    else:
        # The matrices are small: threads of the linear algebra would wait for each other longer than they work.
        with threadpool_limits(1, user_api="blas"):
            hyper, weights, expected, left_out, (sampler, statement, converged) = _draw_surrogate(
                generator, problem, number, tick
            )
    # Draws that share a setting of the hyperparameters are spread over the chains.
    order = generator.permutation(number)
    values = in_si(record, scaled, hyper[order], weights[order])
    offset = scaled.weight_mean[0] + record.scaled(record.voltage) @ scaled.weight_mean[1:]
    current = record.middle_current + record.half_current * (expected[order] + offset)
    return MaterialDraws(
        values, current, left_out[order] - np.log(record.half_current), sampler, statement, converged
    )


def _draw_surrogate(
    generator: np.random.Generator, problem: Problem, number: int, tick: Callable[[int], None] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, str, bool]]:
    samples, weights = problem.voltage.shape[0], problem.weight_sd.size + problem.direction.shape[0]
    cost = samples**2 * weights + samples**3
    settings = int(np.clip(WORK / cost, MIN_SETTINGS, min(MAX_SETTINGS, number)))
    each = -(-number // settings)
    found = draw_hyper(generator, problem, settings, tick)
    normal = [jnp.asarray(generator.standard_normal((settings, each, size))) for size in (weights, samples)]
    drawn, expected = map(np.asarray, draw_weights_at(problem, jnp.asarray(found.values), *normal))
    picked = generator.permutation(settings * each)[:number]
    setting, which = np.divmod(picked, each)
    good = found.pareto_k <= MAX_PARETO_K
    words = (
        f"weights in closed form; {settings} settings of noise, amplitude and relevances from a Laplace "
        "approximation, corrected by Pareto-smoothed importance sampling"
    )
    high = int(np.sum(~(found.left_out_k <= MAX_PARETO_K)))
    words += f"; {high} of {samples} samples have Pareto k above {MAX_PARETO_K} when left out" if high else ""
    numbers = f"Pareto k {found.pareto_k:.2f}, {found.effective:.0f} effective proposals"
    verdict = (
        f"importance sampling is reliable: {numbers}"
        if good
        else f"NOT CONVERGED: the importance weights are too uneven ({numbers}; k must be at most {MAX_PARETO_K}), "
        "so the intervals of the hyperparameters are those of the proposals"
    )
    return (
        found.values[setting], drawn[setting, which], expected[setting, which],
        np.broadcast_to(found.left_out, (number, samples)),
        (words, verdict, good),
    )  # fmt: skip


def in_si(
    record: Record, scaled: ScaledPriors, hyper: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Bring scaled draws to the natural parameters in SI units (`MaterialDraws.values`)."""
    reach, linear = record.half_current, scaled.weight_sd.size
    natural = scaled.weight_mean + scaled.weight_sd * weights[:, :linear]
    values = {
        "level": record.middle_current + reach * natural[:, 0],
        "slope": reach * natural[:, 1:] / record.half_range,
        "noise": reach * np.exp(hyper[:, 0]),
    }
    if hyper.shape[1] == 1:
        return values
    amplitude = reach * np.exp(hyper[:, 1])
    units = weights.shape[1] - linear
    return values | {
        "amplitude": amplitude,
        "relevance": np.exp(hyper[:, 2:]) / record.half_range,
        "output_weight": amplitude[:, None] / np.sqrt(units) * weights[:, linear:],
    }
