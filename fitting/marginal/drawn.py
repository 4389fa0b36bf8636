r"""Draws of every device given its population, by importance resampling of a few candidates.

For population :math:`\phi_i` a device is nearly normal, by its parabola; candidates come in pairs
:math:`\theta = \mu \pm L^{-T} z`, so that a skewed device is drawn right to first order by two of them, with weights

.. math:: w = e^{R(\theta)}\,\frac{\varphi_p(z)}{q(z)},

R the remainder of the likelihood and q a multivariate t with 12 degrees of freedom, so that no weight grows with the
distance alone; a single pair, at equal distance, cannot correct the width of a t, and is normal. One candidate is kept
by its weight. Random numbers belong to (device, draw): no draw depends on how devices or draws are cut into blocks.

A likelihood in single precision takes a third of the time; where it is exact enough to weigh candidates by, which
`charz.fitting.marginal.drawn_twice` measures, it may be asked for.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from charz.devices.random_words import offset_key, random_words, to_normal, to_uniform
from charz.fitting.contract import Model
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.marginal.calls import ahead, chunks
from charz.fitting.marginal.devices import Devices, log_likelihood_of
from charz.fitting.marginal.surrogate import Surrogate, conditional, merged, parabola
from charz.fitting.marginal.tails import pareto_shapes

DEGREES_OF_FREEDOM = 12.0
# Uniform numbers whose logarithms make the sum of so many squares of normal numbers.
NUM_UNIFORM = 6


class DrawnDevices(NamedTuple):
    """Draws of all devices.

    Parameters
    ----------
    values : dict
        Natural values by name, (draw, device), or (draw,) of what is shared.
    pareto_k : array (device,)
        Shape of the tail of each device's weights.
    efficiency : array (device,)
        Effective share of its candidates.
    """

    values: dict[str, np.ndarray]
    pareto_k: np.ndarray
    efficiency: np.ndarray


def draw_given_population(
    key: PRNGKeyArray,
    devices: Devices,
    surrogate: Surrogate,
    phis: np.ndarray,
    pairs: int,
    single: bool = False,
) -> DrawnDevices:
    """Draw each device once for each population.

    Parameters
    ----------
    key : PRNG key
    devices : Devices
    surrogate : Surrogate
    phis : array (draw, size)
    pairs : int
        Pairs of candidates.
    single : bool
        Likelihoods in single precision.
    """
    coordinates, number = devices.coordinates, devices.number
    program = _drawn(devices.model, coordinates.varying, coordinates.shared, pairs, single)
    common = _without_device(devices.model, coordinates.varying)
    values: dict[str, np.ndarray] = {}
    shapes, efficiency = np.empty(number), np.empty(number)
    everything = (surrogate, devices.labels)
    numbered = np.concatenate([phis, np.arange(len(phis))[:, None]], axis=1)

    def draws() -> Iterator[tuple[slice, slice, tuple[dict[str, Array], Array]]]:
        for here, arrays, (block, labels) in devices.split(everything, single):
            for part, chosen in chunks(numbered, devices.draws_per_call(2 * pairs)):
                order = chosen[:, -1].astype(np.uint32)
                yield here, part, program(key, chosen[:, :-1], order, block, labels, arrays)

    log_ratios = np.empty((devices.block, len(phis), pairs))
    for here, part, (found, ratios) in ahead(draws()):
        many, size = part.stop - part.start, here.stop - here.start
        log_ratios[:, part] = np.asarray(ratios)[:many].swapaxes(0, 1)
        for name, value in found.items():
            drawn = np.asarray(value)[:many]
            if name in common:
                values.setdefault(name, np.empty(len(phis)))[part] = drawn[:, 0]
            else:
                values.setdefault(name, np.empty((len(phis), number)))[part, here] = drawn[:, :size]
        if part.stop == len(phis):  # the last part of a block
            # One candidate of each pair: the other one lies at the same distance.
            of_block = log_ratios[:size].reshape(size, -1)
            shapes[here] = pareto_shapes(of_block)
            weight = np.exp(of_block - of_block.max(1, keepdims=True))
            efficiency[here] = weight.sum(1) ** 2 / (weight**2).sum(1) / weight.shape[1]
    return DrawnDevices(values, shapes, efficiency)


def _without_device(model: Model, varying: tuple[int, ...]) -> set[str]:
    """Names of natural values that are the same for all devices: those that only shared parameters enter."""
    linked = {
        p.linked_name: jax.ShapeDtypeStruct((2,) if i in varying else (), float)
        for i, p in enumerate(model.free)
    }
    shapes = jax.eval_shape(model.values_from_linked, linked)
    return {name for name, shape in shapes.items() if not shape.shape}


@lru_cache(maxsize=32)
def _drawn(
    model: Model, varying: tuple[int, ...], common: tuple[int, ...], pairs: int, single: bool
) -> Callable[..., tuple[dict[str, Array], Array]]:
    function, p = log_likelihood_of(model), len(varying)
    precision = jnp.float32 if single else jnp.float64
    names = [parameter.linked_name for parameter in model.free]

    def one(
        key: Array, phi: Array, draw: Array, device: Surrogate, label: Array, arrays: Any
    ) -> tuple[dict[str, Array], Array]:
        shared = phi[2 * p :]
        given = conditional(device, phi[:p], phi[p : 2 * p], shared, varying, common)
        count = pairs * (p + NUM_UNIFORM) + 1
        # Single precision is fine enough for where a candidate lies; its weight is that of the very place.
        words = jnp.concatenate(random_words(offset_key(key, draw, label), (-(-count // 2),)))
        noise = to_normal(words[: pairs * p]).astype(jnp.float64).reshape(pairs, p)
        chance = to_uniform(words[pairs * p : count]) + jnp.float32(2.0**-25)
        squares = -2 * jnp.log(chance[1:]).reshape(NUM_UNIFORM, pairs).sum(0).astype(jnp.float64)
        half = noise if pairs == 1 else noise * jnp.sqrt(DEGREES_OF_FREEDOM / squares)[:, None]
        z = jnp.concatenate([half, -half])

        def log_ratio(point: Array) -> Array:
            eta = merged(given.point(point), shared, varying, common)
            value = function(eta.astype(precision), arrays).astype(jnp.float64)
            remainder = value - parabola(device, eta)
            square = (point**2).sum()
            excess = (DEGREES_OF_FREEDOM + p) / 2 * jnp.log1p(square / DEGREES_OF_FREEDOM) - square / 2
            return remainder if pairs == 1 else remainder + excess

        ratios = jax.vmap(log_ratio)(z)
        share = jnp.cumsum(jnp.exp(ratios - ratios.max()))
        picked = jnp.minimum((share < chance[0] * share[-1]).sum(), 2 * pairs - 1)
        eta = merged(given.point(z[picked]), shared, varying, common)
        linked = {name: eta[i] for i, name in enumerate(names)}
        return model.values_from_linked(linked), ratios[:pairs]

    each = jax.vmap(one, (None, None, None, 0, 0, 0))
    every = jax.vmap(each, (None, 0, 0, None, None, None))
    return jax.jit(every, compiler_options=COMPILER_OPTIONS)
