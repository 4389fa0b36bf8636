"""Likelihood of the power-law response, of both polarities or of one, and its law."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from charz.devices.pulse_response import PowerLawResponse
from charz.fitting.contract import Arrays, Values

LOG_TEN = math.log(10.0)


def with_first(values: Values) -> dict[str, Any]:
    """Add the conductance after the first pulse, g₁ = g₁₀ / 10^k, of both polarities or of the one there is."""
    sides = [side for side in ("", "_potentiation", "_depression") if f"tenth{side}" in values]
    first = {
        f"first{side}": values[f"tenth{side}"] * jnp.exp(-values[f"slope{side}"] * LOG_TEN) for side in sides
    }
    return {**values, **first}


def power_law(values: Values) -> PowerLawResponse:
    """Build the law from the values of `with_first`; a record of one polarity has one power for both."""

    def of(name: str, side: str) -> Any:
        return values.get(f"{name}_{side}", values.get(name))

    return PowerLawResponse(
        first_potentiation=of("first", "potentiation"),
        first_depression=of("first", "depression"),
        slope_potentiation=of("slope", "potentiation"),
        slope_depression=of("slope", "depression"),
        noise=values["noise"],
    )


def log_likelihood(values: Values, arrays: Arrays) -> Array:
    """Terms of one device, (cycle, pulse), in nats; the reads are independent given the law."""
    terms = power_law(values).log_density(
        jnp.asarray(arrays["conductance"]), arrays["number"], arrays["polarity"]
    )
    return jnp.where(arrays["polarity"] != 0, terms, 0.0)
