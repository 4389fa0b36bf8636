"""The models that can be fitted: which law, which of its parameters are free, and on which scale they vary.

Adding a model of pulse switching is adding one entry to `MODELS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices import AbstractSwitchingLaw, LogisticSwitching
from charz.errors import FitError

Values = Mapping[str, Float[Array, "..."]]


@dataclass(frozen=True)
class Link:
    """A one-to-one map from the natural range of a parameter to the real line, on which devices vary.

    Parameters
    ----------
    prefix : str
        Put before the parameter's name where a value on the linked scale is shown, for example ``log_width``.
    forward, inverse : callable
        Natural to linked scale, and back.
    """

    prefix: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


IDENTITY = Link("", lambda value: value, lambda value: value)
LOG = Link("log_", jnp.log, jnp.exp)
LOGIT = Link("logit_", jax.scipy.special.logit, jax.nn.sigmoid)


@dataclass(frozen=True)
class FreeParameter:
    """A free parameter of a model.

    Parameters
    ----------
    name : str
        Name on the natural scale.
    link : Link
        Scale on which the parameter has its population, a normal distribution.
    has_drive_unit : bool
        The natural value is in the unit of the drive (otherwise it is dimensionless).
    meaning : str
        A few words for tables and labels.
    """

    name: str
    link: Link
    has_drive_unit: bool
    meaning: str

    @property
    def linked_name(self) -> str:
        """Name on the linked scale: ``location``, ``log_width``, ``logit_floor``."""
        return self.link.prefix + self.name

    def unit(self, drive_unit: str) -> str:
        """Give the unit of the natural value."""
        return drive_unit if self.has_drive_unit else "1"


@dataclass(frozen=True)
class SwitchingModel:
    """A model of `pulse_switching` data.

    Parameters
    ----------
    name : str
        What the user types after ``--model``.
    summary : str
        One line for lists of models.
    free : tuple of FreeParameter
        Parameters that are estimated, in a fixed order.
    natural : callable
        From free values on their natural scale to all values shown (law parameters by name).
    law : callable
        From the values of `natural` to the law that is likelihood and simulator alike.
    """

    name: str
    summary: str
    free: tuple[FreeParameter, ...]
    natural: Callable[[Values], dict[str, Array]]
    law: Callable[[Values], AbstractSwitchingLaw]
    experiment: str = "pulse_switching"

    def values_from_linked(self, linked: Values) -> dict[str, Array]:
        """All law parameters from the free ones on their linked scales."""
        return self.natural({p.name: p.link.inverse(linked[p.linked_name]) for p in self.free})

    def law_from_linked(self, linked: Values) -> AbstractSwitchingLaw:
        """Build the law from free parameters on their linked scales."""
        return self.law(self.values_from_linked(linked))


LOCATION = FreeParameter("location", IDENTITY, True, "centre of the curve")
WIDTH = FreeParameter("width", LOG, True, "logistic scale")
FLOOR = FreeParameter("floor", LOGIT, False, "lower asymptote")
# The ceiling is reached through what it lacks, so that no value of the pair can cross: floor < ceiling always.
SHORTFALL = FreeParameter("shortfall", LOGIT, False, "(1 - ceiling)/(1 - floor)")


def _logistic(values: Values) -> LogisticSwitching:
    location = jnp.asarray(values["location"])
    zero, one = jnp.zeros_like(location), jnp.ones_like(location)
    return LogisticSwitching(
        location=location,
        width=values["width"],
        floor=values.get("floor", zero),
        ceiling=values.get("ceiling", one),
    )


def _with_ceiling(values: Values) -> dict[str, Array]:
    ceiling = 1 - values["shortfall"] * (1 - values["floor"])
    return {name: values[name] for name in ("location", "width", "floor")} | {"ceiling": ceiling}


MODELS: dict[str, SwitchingModel] = {
    model.name: model
    for model in (
        SwitchingModel(
            "logistic",
            "logistic curve with a free floor and the ceiling at 1 (Ellis 2023, E1)",
            (LOCATION, WIDTH, FLOOR),
            dict,
            _logistic,
        ),
        SwitchingModel(
            "logistic-plain",
            "logistic curve from 0 to 1, without asymptotes",
            (LOCATION, WIDTH),
            dict,
            _logistic,
        ),
        SwitchingModel(
            "logistic-asymptotes",
            "logistic curve with free floor and free ceiling",
            (LOCATION, WIDTH, FLOOR, SHORTFALL),
            _with_ceiling,
            _logistic,
        ),
    )
}


def find_model(name: str) -> SwitchingModel:
    """Look a model up by name.

    Raises
    ------
    FitError
        When there is no such model; the message lists those that exist.
    """
    if name not in MODELS:
        raise FitError(f"model {name!r} is not known; choose one of {', '.join(sorted(MODELS))}")
    return MODELS[name]
