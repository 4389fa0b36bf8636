"""Where a model has priors: the typical value of each parameter and its spread between devices, with units."""

from dataclasses import dataclass

import jax
import numpy as np
from numpy.typing import NDArray

from charz.errors import FitError, UnitError
from charz.fitting.contract import LOG, LOGIT, FreeParameter, Model, Observations
from charz.fitting.population import varies
from charz.units import ARBITRARY, DIMENSIONLESS, to_si


@dataclass(frozen=True)
class Site:
    """One quantity that has a prior.

    Parameters
    ----------
    name : str
        Linked name of a parameter, or ``{linked}_sd`` for its spread between devices.
    parameter : FreeParameter
    spread : bool
    unit : str
        Unit of the parameter's natural value.
    """

    name: str
    parameter: FreeParameter
    spread: bool
    unit: str

    @property
    def is_log(self) -> bool:
        """The parameter varies on a logarithmic scale."""
        return self.parameter.link.prefix == LOG.prefix

    @property
    def families(self) -> tuple[str, ...]:
        """Families that a file may name: those whose support is the scale, and for logarithms a natural one."""
        if self.spread:
            return ("half-normal",)
        return {LOG.prefix: ("log-normal", "normal"), LOGIT.prefix: ("logit-beta", "normal")}.get(
            self.parameter.link.prefix, ("normal",)
        )

    @property
    def scale_unit(self) -> str:
        """Unit of the prior's own variable: ``V``, ``ln(V)``, ``1``; of a spread on a transformed scale ``1``."""
        if not self.parameter.link.prefix:
            return self.unit
        return f"ln({self.unit})" if self.is_log and not self.spread else DIMENSIONLESS

    @property
    def meaning(self) -> str:
        """A few words for tables."""
        return f"spread between devices of {self.parameter.name}" if self.spread else self.parameter.meaning

    def natural(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Value of the prior's variable as a natural one; of a spread on a logarithmic scale a factor."""
        if self.spread:
            return np.exp(value) if self.is_log else value
        with jax.enable_x64(True):
            return np.asarray(self.parameter.link.inverse(jax.numpy.asarray(value)))

    @property
    def natural_unit(self) -> str:
        """Unit of what `natural` gives: ``factor`` for the spread of a logarithm."""
        if not self.spread or not self.parameter.link.prefix:
            return self.unit
        return "factor" if self.is_log else f"on the {self.parameter.link.prefix.rstrip('_')} scale"


def prior_sites(model: Model, observations: Observations, pool: str) -> dict[str, Site]:
    """All priors of a model by name, typical values first."""
    free = model.parameters(observations)
    units = {p.name: observations.unit_of(p) for p in free}
    typical = [Site(p.linked_name, p, False, units[p.name]) for p in free]
    spread = [Site(f"{p.linked_name}_sd", p, True, units[p.name]) for p in free if varies(p, pool)]
    return {site.name: site for site in (*typical, *spread)}


def converted(values: list[float], stated: str, unit: str) -> list[float]:
    """Convert values from a stated unit to the unit of a parameter.

    Raises
    ------
    FitError
        When the stated unit is none, or of another dimension; a unit that is not known (``arb``) converts to nothing.
    """
    if stated.strip() == unit:
        return values
    valid = unit if ARBITRARY in unit else f"{unit} with any prefix"
    try:
        if ARBITRARY in unit:
            raise UnitError(
                f"the data are in a unit that is not known, so nothing converts to it from {stated!r}"
            )
        numbers, canonical = to_si(values, _parsable(stated), "prior")
        (zero, one), target = to_si([0.0, 1.0], _parsable(unit), "prior")
        if canonical != target:
            raise UnitError(f"{stated!r} has the wrong dimension")
    except UnitError as error:
        raise FitError(f"{error}; valid is {valid}") from error
    return [float(number) for number in (numbers - zero) / (one - zero)]


def _parsable(unit: str) -> str:
    """Write ``1/s`` as ``s**-1``: a unit that begins with a number is none to `charz.units`."""
    return f"{unit[2:]}**-1" if unit.startswith("1/") and "*" not in unit and "/" not in unit[2:] else unit
