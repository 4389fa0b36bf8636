"""The joint model: population, devices, outcomes; for one shared device, separate devices, or a population."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float

from charz.fitting.contract import FreeParameter, Model, Observations, Values
from charz.fitting.priors import Prior, distribution

POOLS = ("hierarchical", "complete", "none")
LOG_LIKELIHOOD = "log_likelihood"

# What the compiled program receives: `arrays` (device, ...), `blank` (device, *dims) of zeros, `priors` by name,
# `centring` (device,) and `reference_sd` () by linked name, `places` of the latent variables by name.
ModelData = Mapping[str, Any]
# The two maps below are plain arithmetic: traced in the model, NumPy at the start points.
Value = Any


def varies(parameter: FreeParameter, pool: str) -> bool:
    """Whether a parameter has a population of devices."""
    return pool == "hierarchical" and not parameter.shared


def population_names(model: Model, pool: str) -> tuple[str, ...]:
    """Names of the centres and spreads of a hierarchy, in the order of the parameters."""
    linked = [p.linked_name for p in model.free if varies(p, pool)]
    return tuple(f"{name}_{what}" for name in linked for what in ("mean", "sd"))


def default_priors(model: Model, observations: Observations, pool: str) -> dict[str, Prior]:
    """Priors of a model for a dataset: of each typical value, and of the spread of what varies.

    Returns
    -------
    dict
        By linked name and, for a hierarchical fit, by ``{linked}_sd``.
    """
    pairs = model.priors(observations)
    free = model.parameters(observations)
    typical = {p.linked_name: pairs[p.linked_name][0] for p in free}
    spread = {f"{p.linked_name}_sd": pairs[p.linked_name][1] for p in free if varies(p, pool)}
    return typical | spread


@lru_cache(maxsize=64)
def joint_model(
    model: Model, pool: str, families: tuple[tuple[str, str], ...], latents: tuple[str, ...] = ()
) -> Callable[[ModelData], None]:
    """Build the NumPyro model.

    Sites that are sampled live on the linked scales, so everything but the spreads is on the real line:
    ``{linked}_mean``, ``{linked}_sd`` and the partially centred ``{linked}_u`` of what varies in a hierarchy,
    ``{linked}`` otherwise, and the latent variables. Deterministic sites are the law's values.

    Parameters
    ----------
    model : Model
    pool : str
        ``hierarchical``, ``complete`` or ``none``.
    families : tuple of (name, family)
        Shape of the priors; their constants are data.
    latents : tuple of str
        Names of the latent variables.
    """
    family = dict(families)

    def model_function(data: ModelData) -> None:
        num_devices = data["blank"].shape[0]

        def prior(name: str) -> dist.Distribution:
            return distribution(family[name], data["priors"][name])

        linked: dict[str, Array] = {}
        sampled: set[str] = set()
        for parameter in model.free:
            name = parameter.linked_name
            if varies(parameter, pool):
                mean = numpyro.sample(f"{name}_mean", prior(name))
                sd = numpyro.sample(f"{name}_sd", prior(f"{name}_sd"))
                weight, reference = data["centring"][name], data["reference_sd"][name]
                u = numpyro.sample(
                    f"{name}_u",
                    dist.Normal(weight * mean, reference * (sd / reference) ** weight).to_event(1),
                )
                linked[name] = centre(u, mean, sd, weight, reference)
                continue
            shape = (num_devices,) if pool == "none" else ()
            linked[name] = numpyro.sample(name, prior(name).expand(shape).to_event(len(shape)))
            sampled.add(name)
        hidden = {name: _scattered(name, data) for name in latents}
        values = model.values_from_linked(linked)
        for name, value in values.items():
            if name not in sampled:  # a location is sampled under its own name
                numpyro.deterministic(name, value)
        terms = device_terms(model.log_likelihood, {**values, **hidden}, data["arrays"], num_devices)
        numpyro.factor(LOG_LIKELIHOOD, terms.sum())

    return model_function


def _scattered(name: str, data: ModelData) -> Array:
    """Sample a latent variable where it exists; 0 elsewhere."""
    place, blank = data["places"][name], data["blank"]
    flat = numpyro.sample(name, dist.Normal(0.0, 1.0).expand(place.shape).to_event(1))
    return scattered(flat, place, blank)


def scattered(flat: Array, place: Array, blank: Array) -> Array:
    """Put the entries of a latent variable at their places in an array like the measurement's."""
    return blank.ravel().at[place].set(flat).reshape(blank.shape)


def device_terms(
    function: Callable[[Values, Mapping[str, Any]], Array],
    values: Values,
    arrays: Mapping[str, Any],
    num_devices: int,
) -> Float[Array, "device *term"]:
    """Evaluate a function of one device for all of them; a value without a device axis is the same for all."""
    each = {
        name: jnp.broadcast_to(value, (num_devices,)) if jnp.ndim(value) == 0 else value
        for name, value in values.items()
    }
    return jax.vmap(function)(each, arrays)


def centre(u: Value, mean: Value, sd: Value, weight: Value, reference: Value) -> Value:
    """Device value x from the partially centred u (`charz.fitting.centring`)."""
    return mean + (sd / reference) ** (1 - weight) * (u - weight * mean)


def uncentre(x: Value, mean: Value, sd: Value, weight: Value, reference: Value) -> Value:
    """Inverse of `centre`: the coordinate u of a device value x."""
    return weight * mean + (sd / reference) ** (weight - 1) * (x - mean)


def draw_devices(
    key: Array,
    model: Model,
    population: Mapping[str, Float[Array, " draw"]],
    shape: tuple[int, ...],
) -> dict[str, Float[Array, "draw *shape"]]:
    """Draw devices nobody has measured, each draw from its own population.

    Parameters
    ----------
    key : PRNG key
    model : Model
    population : mapping
        ``{linked}_mean`` and ``{linked}_sd`` of each free parameter that varies, the natural value of each that
        is shared; one value a draw.
    shape : tuple of int
        Shape of the device array.

    Returns
    -------
    dict
        Values of the law, shape (draw, *shape); always possible ones, because the population is normal on the
        linked scales.
    """
    keys = jax.random.split(key, len(model.free))
    axes = (slice(None),) + (None,) * len(shape)
    linked = {}
    for parameter, key_parameter in zip(model.free, keys, strict=True):
        name = parameter.linked_name
        if parameter.shared:
            value = jnp.asarray(population[parameter.name])
            linked[name] = jnp.broadcast_to(parameter.link.forward(value)[axes], (len(value), *shape))
            continue
        mean, sd = (population[f"{name}_{what}"] for what in ("mean", "sd"))
        noise = jax.random.normal(key_parameter, (len(mean), *shape), jnp.result_type(mean))
        linked[name] = mean[axes] + sd[axes] * noise
    return model.values_from_linked(linked)
