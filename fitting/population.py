"""The joint model: population, devices, counts; for one shared device, separate devices, or a population."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float

from charz.fitting.models import SwitchingModel
from charz.fitting.priors import distribution
from charz.fitting.pulse import log_likelihood_kernel

POOLS = ("hierarchical", "complete", "none")

# What the compiled program receives: amplitude, num_trials, num_switched (unit, setting); priors by name;
# centring (unit,) and reference_sd () by linked name.
ModelData = Mapping[str, Any]
# The two maps below are plain arithmetic: traced in the model, NumPy at the start points.
Value = Any


@lru_cache(maxsize=64)
def joint_model(
    model: SwitchingModel, pool: str, families: tuple[tuple[str, str], ...]
) -> Callable[[ModelData], None]:
    """Build the NumPyro model.

    Sites that are sampled live on the linked scales, so everything but the spreads is on the real line:
    ``{linked}_mean``, ``{linked}_sd`` and the partially centred ``{linked}_u`` in a hierarchy, ``{linked}``
    otherwise. Deterministic sites are the law's parameters.

    Parameters
    ----------
    model : SwitchingModel
    pool : str
        ``hierarchical``, ``complete`` or ``none``.
    families : tuple of (name, family)
        Shape of the priors; their constants are data.
    """
    family = dict(families)

    def model_function(data: ModelData) -> None:
        num_units = data["amplitude"].shape[0]

        def prior(name: str) -> dist.Distribution:
            return distribution(family[name], data["priors"][name])

        linked: dict[str, Array] = {}
        for parameter in model.free:
            name = parameter.linked_name
            if pool == "hierarchical":
                mean = numpyro.sample(f"{name}_mean", prior(name))
                sd = numpyro.sample(f"{name}_sd", prior(f"{name}_sd"))
                weight, reference = data["centring"][name], data["reference_sd"][name]
                u = numpyro.sample(
                    f"{name}_u",
                    dist.Normal(weight * mean, reference * (sd / reference) ** weight).to_event(1),
                )
                linked[name] = centre(u, mean, sd, weight, reference)
            elif pool == "none":
                linked[name] = numpyro.sample(name, prior(name).expand((num_units,)).to_event(1))
            else:
                linked[name] = numpyro.sample(name, prior(name))
        for name, value in model.values_from_linked(linked).items():
            if pool == "hierarchical" or name not in linked:  # a location is sampled under its own name
                numpyro.deterministic(name, value)
        law = model.law_from_linked({name: value[..., None] for name, value in linked.items()})
        terms = log_likelihood_kernel(law, data["amplitude"], data["num_trials"], data["num_switched"])
        numpyro.factor("num_switched", terms.sum())

    return model_function


def centre(u: Value, mean: Value, sd: Value, weight: Value, reference: Value) -> Value:
    """Device value x from the partially centred u (`charz.fitting.centring`)."""
    return mean + (sd / reference) ** (1 - weight) * (u - weight * mean)


def uncentre(x: Value, mean: Value, sd: Value, weight: Value, reference: Value) -> Value:
    """Inverse of `centre`: the coordinate u of a device value x."""
    return weight * mean + (sd / reference) ** (weight - 1) * (x - mean)


def draw_devices(
    key: Array,
    model: SwitchingModel,
    population: Mapping[str, Float[Array, " draw"]],
    shape: tuple[int, ...],
) -> dict[str, Float[Array, "draw *shape"]]:
    """Draw devices nobody has measured, each draw from its own population.

    Parameters
    ----------
    key : PRNG key
    model : SwitchingModel
    population : mapping
        ``{linked}_mean`` and ``{linked}_sd`` of each free parameter, one value a draw.
    shape : tuple of int
        Shape of the device array.

    Returns
    -------
    dict
        Values of the law's parameters, shape (draw, *shape); always possible ones, because the population is
        normal on the linked scales.
    """
    keys = jax.random.split(key, len(model.free))
    linked = {}
    for parameter, key_parameter in zip(model.free, keys, strict=True):
        mean, sd = (population[f"{parameter.linked_name}_{what}"] for what in ("mean", "sd"))
        axes = (slice(None),) + (None,) * len(shape)
        noise = jax.random.normal(key_parameter, (len(mean), *shape), jnp.result_type(mean))
        linked[parameter.linked_name] = mean[axes] + sd[axes] * noise
    return model.values_from_linked(linked)
