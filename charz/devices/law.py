"""The contract of a switching law: probability of switching as a function of the drive, and its inverse."""

import abc

import equinox as eqx
from jaxtyping import Array, Float


class AbstractSwitchingLaw(eqx.Module):
    """A pure, differentiable map from drive to switching probability.

    The leaves of the module are the law's parameters, in SI units, named in full. They broadcast against the
    drive, with leading axes ``(draw, *array)``; an un-batched law has scalar leaves. The *same* method is the
    likelihood in `charz.fitting` and the simulator in `charz.learning`.
    """

    @abc.abstractmethod
    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Probability in [0, 1] that one pulse of amplitude `drive` switches the device."""

    @abc.abstractmethod
    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Derivative of `probability` with respect to the drive, in 1/unit of drive."""

    @abc.abstractmethod
    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        """Drive at which the device switches with the given probability (inverse of `probability`)."""

    @abc.abstractmethod
    def middle(self) -> Float[Array, "..."]:
        """Drive at which the probability is halfway between the curve's asymptotes, in the unit of drive."""
