"""The contract of a switching law: probability of switching as a function of the drive, and its inverse."""

import abc
from typing import Self

import equinox as eqx
import jax.numpy as jnp
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

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Logarithms of `probability` and of 1 - `probability`, in nats, with finite first and second derivatives.

        Both at once, because they share most of the work. Here they stop where the probability is too small to be
        squared; a law that can follow its tails further says so itself.
        """
        probability = self.probability(drive)
        return jnp.log(_inside(probability)), jnp.log(_inside(1 - probability))

    def log_probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of `probability`, in nats."""
        return self.log_shares(drive)[0]

    def log_complement(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the probability to stay, 1 - `probability`, in nats."""
        return self.log_shares(drive)[1]


class AbstractPulsedLaw(AbstractSwitchingLaw):
    """A law that knows the pulse width: one device under pulses of any width.

    Parameters
    ----------
    width : array
        Pulse width in s, positive; broadcasts against the drive. NaN where it has yet to be chosen by `for_width`,
        as in the devices of a posterior: every probability is NaN until then.
    """

    width: eqx.AbstractVar[Float[Array, "..."]]

    def for_width(self, width: Float[Array, "..."]) -> Self:
        """Give the same device under pulses of another width, in s."""
        return eqx.tree_at(lambda law: law.width, self, jnp.asarray(width, jnp.result_type(self.width)))


def _inside(share: Float[Array, "..."]) -> Float[Array, "..."]:
    """Keep a probability from 0, where its logarithm has no finite second derivative."""
    return jnp.maximum(share, jnp.finfo(share.dtype).tiny ** (1 / 3))
