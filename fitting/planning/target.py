"""A parameter of a posterior as the target of a plan."""

import difflib
import re

import jax.numpy as jnp
import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model
from charz.fitting.planning.contract import FlatDraws, Target
from charz.fitting.posterior import Posterior


def parameter_target(posterior: Posterior, name: str) -> Target:
    """Parameter by the name that a fit's tables show: ``location_mean``, ``location_sd``, ``location[d03]``.

    Raises
    ------
    FitError
        For a name that the posterior does not have.
    """
    draws, devices = posterior.flat_draws, posterior.device_names
    found = re.fullmatch(r"(?P<name>[^\[]+)(\[(?P<device>.+)\])?", name.strip())
    base, device = (found["name"], found["device"]) if found else (name, None)
    if base not in draws:
        near = difflib.get_close_matches(base, draws, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FitError(f"target {name!r} is not in the posterior, which has {', '.join(draws)}{hint}")
    each = draws[base].ndim > 1
    if each and device not in devices:
        raise FitError(
            f"target {name!r}: {base!r} is a parameter of each device; name one as in '{base}[{devices[0]}]', of"
            f" {', '.join(devices[:6])}{', ...' if len(devices) > 6 else ''}"
        )
    if not each and device is not None:
        raise FitError(f"target {name!r}: {base!r} is one number, not one a device; leave [{device}] out")
    unit = posterior.units().get(base, "1")
    if not each:
        return Target(name, unit, lambda flat: flat[base])
    place = devices.index(str(device))

    def of_device(flat: FlatDraws) -> np.ndarray:
        return flat[base][:, place]

    return Target(name, unit, of_device, device=place)


def population_vectors(model: Model, draws: FlatDraws) -> np.ndarray:
    """Populations as the vectors of `charz.fitting.marginal.coordinates`, (draw, size)."""
    varying = [p.linked_name for p in model.free if not p.shared]
    columns = [draws[f"{name}_mean"] for name in varying]
    columns += [np.log(np.maximum(draws[f"{name}_sd"], 1e-300)) for name in varying]
    columns += [np.asarray(p.link.forward(jnp.asarray(draws[p.name]))) for p in model.free if p.shared]
    return np.stack(columns, axis=1)
