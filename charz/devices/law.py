"""The contract of a switching law: probability of switching as a function of the drive, and its inverse."""

import abc
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Widths, in s, between which `width_for` looks: beyond all pulses that are made. 80 halvings exhaust doubles.
SHORTEST, LONGEST, NUM_HALVINGS = 1e-15, 1e5, 80


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
    critical : array
        Drive at which the barrier vanishes, in the unit of the drive; its sign is the switching polarity.
    width : array
        Pulse width in s, positive; broadcasts against the drive. NaN where it has yet to be chosen by `for_width`,
        as in the devices of a posterior: every probability is NaN until then.
    """

    critical: eqx.AbstractVar[Float[Array, "..."]]
    width: eqx.AbstractVar[Float[Array, "..."]]

    def for_width(self, width: Float[Array, "..."]) -> Self:
        """Give the same device under pulses of another width, in s."""
        return eqx.tree_at(lambda law: law.width, self, jnp.asarray(width, jnp.result_type(self.width)))

    def width_for(self, probability: Float[Array, "..."], drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Pulse width, in s, with which a pulse at `drive` switches with the given probability.

        By halving the logarithm of the width between 1e-15 and 1e5 s, 80 times; the probability must not fall with
        the width. NaN where no such width gives it.
        """
        return _halved_width(self, probability, drive)


@jax.jit
def _halved_width(
    law: AbstractPulsedLaw, probability: Float[Array, "..."], drive: Float[Array, "..."]
) -> Float[Array, "..."]:
    # The law's own width does not count: it is what is looked for.
    others = jax.tree.leaves(law.for_width(jnp.zeros(())))
    shape = jnp.broadcast_shapes(jnp.shape(probability), jnp.shape(drive), *map(jnp.shape, others))
    dtype = jnp.result_type(probability, drive, float)

    def chance(log_width: Array) -> Array:
        return law.for_width(jnp.exp(log_width)).probability(drive)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        centre = (low + high) / 2
        below = chance(centre) < probability
        return jnp.where(below, centre, low), jnp.where(below, high, centre)

    low, high = (jnp.full(shape, jnp.log(end), dtype) for end in (SHORTEST, LONGEST))
    reached = (chance(low) < probability) & (probability <= chance(high))
    low, high = jax.lax.fori_loop(0, NUM_HALVINGS, halve, (low, high))
    return jnp.where(reached, jnp.exp((low + high) / 2), jnp.nan)


def _inside(share: Float[Array, "..."]) -> Float[Array, "..."]:
    """Keep a probability from 0, where its logarithm has no finite second derivative."""
    return jnp.maximum(share, jnp.finfo(share.dtype).tiny ** (1 / 3))
