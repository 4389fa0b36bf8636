"""What the model expects to see: before the data (prior) and after them (posterior), at the same settings."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Arrays, Model, Observations, Values
from charz.fitting.population import device_terms, scattered, varies
from charz.fitting.priors import Prior

# Numbers held at once while terms of many draws are evaluated.
CHUNK_NUMBERS = 4_000_000
# Draws of a long record that take together no more memory than one whose every sample is kept.
SHARING = 32


def pointwise_terms(
    model: Model,
    values: Mapping[str, np.ndarray],
    latents: Mapping[str, np.ndarray],
    observations: Observations,
) -> np.ndarray:
    """Log likelihood of every observation for leave-one-out, (chain, draw, device, *term), in nats.

    Where outcomes depend on each other, each term is conditional on all the others (`Model.left_out`). NaN at
    padding: it is no observation. To be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    model : Model
    values : mapping
        Values of the law, (chain, draw[, device]).
    latents : mapping
        Latent variables at their places, (chain, draw, place).
    observations : Observations
    """
    function = model.log_likelihood if model.left_out is None else model.left_out
    masks = model.latents(observations)
    places = {name: jnp.asarray(np.flatnonzero(masks[name])) for name in latents}
    arrays = {name: jnp.asarray(a, jnp.float64) for name, a in observations.arrays.items()}
    shape = next(iter(values.values())).shape[:2]
    flat = {name: v.reshape(-1, *v.shape[2:]) for name, v in {**values, **latents}.items()}
    size = max(1, sum(a.size for a in observations.arrays.values()))
    if observations.blocks is not None:
        # A long record is shared by all draws: each adds its terms, one a block, and the lanes of its forward pass.
        size = max(observations.blocks.size, size // SHARING)
    number = shape[0] * shape[1]
    chunk = -(-number // -(-number // int(np.clip(CHUNK_NUMBERS // size, 1, number))))
    evaluate = _evaluation(function, tuple(latents))
    blank = jnp.zeros(observations.measured.shape)
    mask = observations.measured if observations.blocks is None else observations.blocks
    terms = np.empty((number, *mask.shape))
    for start in range(0, number, chunk):
        # Equal chunks, the last one filled up with its last draw: another shape would be compiled anew.
        rows = np.minimum(np.arange(start, start + chunk), number - 1)
        part = np.asarray(evaluate({n: v[rows] for n, v in flat.items()}, arrays, places, blank))
        terms[start : start + chunk] = part[: number - start]
    terms[:, ~mask] = np.nan
    return terms.reshape(*shape, *terms.shape[1:])


@lru_cache(maxsize=32)
def _evaluation(
    function: Callable[[Values, Arrays], Array], latents: tuple[str, ...]
) -> Callable[[Any, Any, Any, Any], Array]:
    """Terms of all devices for a stack of draws, compiled."""

    def one(draw: Any, arrays: Any, places: Any, blank: Array) -> Array:
        hidden = {name: scattered(draw[name], places[name], blank) for name in latents}
        return device_terms(function, {**draw, **hidden}, arrays, blank.shape[0])

    return jax.jit(jax.vmap(one, in_axes=(0, None, None, None)))


def prior_draws(
    generator: np.random.Generator,
    model: Model,
    priors: Mapping[str, Prior],
    pool: str,
    num_draws: int,
    num_devices: int,
) -> dict[str, np.ndarray]:
    """Draw populations and law values from the prior.

    Written without the sampler's model function, so that calibration tests one against the other.

    Returns
    -------
    dict
        Populations (draw,) as ``{linked}_mean`` and ``{linked}_sd``; law values (draw, device), or (draw,) where
        devices share them.
    """
    populations: dict[str, np.ndarray] = {}
    linked: dict[str, Array] = {}
    for parameter in model.free:
        name = parameter.linked_name
        if varies(parameter, pool):
            mean = priors[name].draw(generator, (num_draws,))
            sd = priors[f"{name}_sd"].draw(generator, (num_draws,))
            noise = generator.standard_normal((num_draws, num_devices))
            populations |= {f"{name}_mean": mean, f"{name}_sd": sd}
            linked[name] = jnp.asarray(mean[:, None] + sd[:, None] * noise)
        else:
            shape = (num_draws, num_devices) if pool == "none" else (num_draws,)
            draw = jnp.asarray(priors[name].draw(generator, shape))
            # In a hierarchy a shared value stands beside device values: it gets a device axis of one.
            linked[name] = draw[:, None] if pool == "hierarchical" else draw
    values = {name: np.asarray(value) for name, value in model.values_from_linked(linked).items()}
    if pool == "hierarchical":
        values = {name: v[:, 0] if v.shape[1] == 1 and num_devices > 1 else v for name, v in values.items()}
    return populations | values


def with_device_axis(
    values: Mapping[str, np.ndarray], num_sample_dims: int, num_devices: int
) -> dict[str, np.ndarray]:
    """Flatten the sample axes and give every value a device axis: (sample, device)."""
    result = {}
    for name, value in values.items():
        flat = np.reshape(value, (-1, *np.shape(value)[num_sample_dims:]))
        column = flat if flat.ndim > 1 else flat[:, None]
        result[name] = np.broadcast_to(column, (len(flat), num_devices))
    return result


def replicates(
    generator: np.random.Generator,
    model: Model,
    values: Mapping[str, np.ndarray],
    observations: Observations,
) -> dict[str, np.ndarray]:
    """Outcomes that devices with these values would have given at the same settings.

    Parameters
    ----------
    generator : numpy.random.Generator
    model : Model
    values : mapping
        Values of the law, (chain, draw[, device]) or, from the prior, (draw[, device]) with a chain axis of one.
    observations : Observations

    Returns
    -------
    dict
        For every observed name (chain, draw, device, *dims); NaN or 0 at padding.
    """
    sample_shape = next(iter(values.values())).shape[:2]
    flat = with_device_axis(values, 2, len(observations.devices))
    drawn = model.replicate(generator, flat, observations)
    result = {}
    for name in observations.observed:
        array = np.where(observations.measured, drawn[name], 0 if name in observations.integers else np.nan)
        if name in observations.integers:
            array = array.astype(np.int32)
        result[name] = array.reshape(*sample_shape, *observations.measured.shape)
    return result
