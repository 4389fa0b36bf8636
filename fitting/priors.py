"""Prior distributions as plain numbers: drawn by NumPy, sampled by NumPyro, written as a table.

Which prior a parameter has by default, and why, stands in the ``priors`` module of each family.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from charz.errors import FitError

FAMILIES = {"normal": 2, "logit-beta": 2, "half-normal": 1}


@dataclass(frozen=True)
class Prior:
    """A prior distribution as plain numbers.

    Parameters
    ----------
    family : str
        ``normal`` (mean, sd), ``logit-beta`` (a, b of the Beta on the natural scale; the variable is its logit)
        or ``half-normal`` (scale).
    constants : tuple of float
        The numbers in the order above.
    unit : str
        Unit of the variable: that of the drive, ``1``, or ``ln(V)`` for the logarithm of a value in volts.
    """

    family: str
    constants: tuple[float, ...]
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise FitError(f"prior family {self.family!r} is not known; choose one of {', '.join(FAMILIES)}")
        if len(self.constants) != FAMILIES[self.family]:
            raise FitError(
                f"a {self.family} prior has {FAMILIES[self.family]} constants, {len(self.constants)} were given"
            )
        positive = self.constants[1:] if self.family == "normal" else self.constants
        if not all(math.isfinite(value) for value in self.constants) or min(positive) <= 0:
            raise FitError(f"a {self.family} prior cannot have the constants {self.constants}")

    def expand(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log density up to a constant, its slope, and its curvature with the sign changed (a precision).

        Only for the families with the real line as support.
        """
        first, second = self.constants
        if self.family == "logit-beta":
            share = np.exp(-np.logaddexp(0, -value))  # without overflow far below
            log_density = -first * np.logaddexp(0, -value) - second * np.logaddexp(0, value)
            return log_density, first - (first + second) * share, (first + second) * share * (1 - share)
        deviation = (value - first) / second
        return -(deviation**2) / 2, -deviation / second, np.full_like(value, second**-2.0)

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw values of the variable, in double precision."""
        if self.family == "half-normal":
            return np.abs(generator.normal(0.0, self.constants[0], shape))
        if self.family == "normal":
            return generator.normal(self.constants[0], self.constants[1], shape)
        # Beta(1, 20) gives values down to 1e-300; ln x - ln(1 - x) is finite for all of them but 0 itself.
        share = np.maximum(generator.beta(self.constants[0], self.constants[1], shape), np.finfo(float).tiny)
        return np.log(share) - np.log1p(-share)

    def describe(self) -> str:
        """Distribution in words, for tables."""
        return f"{self.family}({', '.join(f'{value:.4g}' for value in self.constants)})"


def with_overrides(defaults: Mapping[str, Prior], given: Mapping[str, Prior] | None) -> dict[str, Prior]:
    """Replace some default priors by the user's.

    Raises
    ------
    FitError
        When a name is not one of the model's.
    """
    unknown = set(given or {}) - set(defaults)
    if unknown:
        raise FitError(
            f"prior for {', '.join(sorted(unknown))}: no such parameter here; there are {', '.join(defaults)}"
        )
    return {**defaults, **(given or {})}


def families_of(priors: Mapping[str, Prior]) -> tuple[tuple[str, str], ...]:
    """Return the part of the priors that shapes the compiled program: (name, family), hashable."""
    return tuple((name, prior.family) for name, prior in priors.items())


def constants_of(priors: Mapping[str, Prior]) -> dict[str, tuple[float, ...]]:
    """Return the part that is data: the program is compiled once for all values of it."""
    return {name: prior.constants for name, prior in priors.items()}


def distribution(family: str, constants: tuple[Float[Array, ""], ...]) -> dist.Distribution:
    """Build the NumPyro distribution of a family; constants may be traced."""
    if family == "logit-beta":
        return dist.TransformedDistribution(dist.Beta(*constants), dist.transforms.SigmoidTransform().inv)
    return {"normal": dist.Normal, "half-normal": dist.HalfNormal}[family](*constants)


def priors_to_json(priors: Mapping[str, Prior]) -> str:
    """Table of the priors as one JSON string, for the attributes of a file."""
    table = [
        {"name": name, "distribution": prior.describe(), "unit": prior.unit} for name, prior in priors.items()
    ]
    return json.dumps(table)


def priors_from_json(text: str) -> dict[str, Prior]:
    """Read a table that `priors_to_json` wrote; constants come back with the four digits that it shows.

    Raises
    ------
    FitError
        When the text is no such table.
    """
    found = {}
    try:
        for row in json.loads(text):
            family, _, constants = row["distribution"].removesuffix(")").partition("(")
            numbers = tuple(float(number) for number in constants.split(","))
            found[row["name"]] = Prior(family, numbers, row["unit"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FitError(f"not a table of priors as charz writes it ({error})") from error
    return found
