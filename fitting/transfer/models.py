"""The two models of a material network, as the rest of the fitting sees them: numbers a draw, and their currents.

Every parameter of the posterior is one number a draw (``slope_0``, ``slope_1``, ...). The many output weights of the
surrogate stand beside them in a group of their own; ``draw_number`` says which of them, and which row of
``fitted_current``, belong to a draw.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.errors import FitError
from charz.fitting.contract import IDENTITY, LOG, Arrays, FreeParameter, Model, Observations, Values
from charz.fitting.priors import Prior
from charz.fitting.transfer.priors import LINEAR, SURROGATE, default_priors
from charz.fitting.transfer.record import record_of

DRAW_NUMBER = "draw_number"
FITTED = "fitted_current"


def numbered(name: str, values: Mapping[str, Any]) -> list[str]:
    """Names of a parameter that each electrode has, in the order of the electrodes."""
    return [f"{name}_{number}" for number in range(sum(1 for key in values if key.startswith(f"{name}_")))]


def expected_current(values: Mapping[str, np.ndarray], observations: Observations) -> np.ndarray:
    """Mean current at the measured voltages, in A.

    Parameters
    ----------
    values : mapping
        (draw, 1) each.
    observations : Observations

    Returns
    -------
    array (draw, 1, sample)
    """
    if DRAW_NUMBER in values:
        return observations.arrays[FITTED][0][np.asarray(values[DRAW_NUMBER])[:, 0].astype(int)][:, None]
    voltage = observations.arrays["voltage"][0]
    middle = (voltage.min(0) + voltage.max(0)) / 2
    slope = np.concatenate([values[name] for name in numbered("slope", values)], axis=1)
    return (values["level"] + slope @ (voltage - middle).T)[:, None]


def replicate(
    generator: np.random.Generator, values: Mapping[str, np.ndarray], observations: Observations
) -> dict[str, np.ndarray]:
    """Currents that the material would have given at the same voltages: (draw, 1, sample), in A."""
    mean = expected_current(values, observations)
    return {"current": mean + values["noise"][..., None] * generator.standard_normal(mean.shape)}


def log_likelihood(values: Values, arrays: Arrays) -> Array:
    """Normal log density of each current of ONE draw, in nats."""
    if DRAW_NUMBER in values:
        mean = arrays[FITTED][jnp.asarray(values[DRAW_NUMBER], int)]
    else:
        voltage = arrays["voltage"]
        slope = jnp.stack([values[name] for name in numbered("slope", values)])
        mean = values["level"] + (voltage - (voltage.min(0) + voltage.max(0)) / 2) @ slope
    standard = (arrays["current"] - mean) / values["noise"]
    return -(standard**2) / 2 - jnp.log(values["noise"]) - jnp.log(2 * jnp.pi) / 2


def _no_law(values: Values) -> Any:
    raise FitError(
        f"a material cannot be built from {len(values)} numbers: its response has a weight for every unit and belongs "
        "to the voltages of its record; use Posterior.devices or Posterior.new_devices"
    )


def _parameters(name: str, observations: Observations) -> tuple[FreeParameter, ...]:
    """Parameters of a record: some are there once an electrode."""
    electrodes = range(record_of(observations).voltage.shape[1])
    linear = (
        FreeParameter("level", IDENTITY, "A", "current at the middle of all voltage ranges"),
        *(FreeParameter(f"slope[{e}]", IDENTITY, "A/V", f"slope along electrode {e}") for e in electrodes),
        FreeParameter("noise", LOG, "A", "standard deviation of a read"),
    )
    if name == LINEAR:
        return linear
    bends = (FreeParameter(f"relevance[{e}]", LOG, "1/V", f"bend along electrode {e}") for e in electrodes)
    return (*linear, FreeParameter("amplitude", LOG, "A", "scale of the nonlinear part"), *bends)


def _priors(name: str, observations: Observations) -> dict[str, tuple[Prior, Prior]]:
    """Priors of a record; there is one device, so the second of each pair is not used."""
    typical = default_priors(name, record_of(observations))
    return {site: (prior, Prior("half-normal", (1.0,))) for site, prior in typical.items()}


def _no_candidates(observations: Observations) -> dict[str, np.ndarray]:
    del observations
    return {}


def _model(name: str, summary: str) -> Model:
    return Model(
        name=name,
        summary=summary,
        free=(),
        law=_no_law,
        log_likelihood=log_likelihood,
        replicate=replicate,
        priors=partial(_priors, name),
        free_in=partial(_parameters, name),
        candidates=_no_candidates,
    )


MODELS = (
    _model(
        SURROGATE,
        "smooth network of erf units with linear part, Gaussian noise; spread grows outside the data",
    ),
    _model(LINEAR, "current linear in the voltages, Gaussian noise: the baseline"),
)
