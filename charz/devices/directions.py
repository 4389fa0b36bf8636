"""Two states of one junction: one law for the way there, another for the way back."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.devices.law import AbstractPulsedLaw, AbstractSwitchingLaw


class TwoDirections(eqx.Module):
    """A junction that switches out of either of two states, each by its own law (AP→P and P→AP, set and reset).

    Each law takes the drive counted towards *its* switching: where set needs positive and reset negative pulses,
    a pulse of amplitude V has the drive V for set and -V for reset.

    Parameters
    ----------
    set, reset : AbstractSwitchingLaw
        Switching out of state 0 (the lower initial state) and out of state 1.
    """

    set: AbstractSwitchingLaw
    reset: AbstractSwitchingLaw

    def probability(self, drive: Float[Array, "..."], state: Int[Array, "..."]) -> Float[Array, "..."]:
        """Probability that a pulse switches the device out of `state` (0 or 1)."""
        return jnp.where(state == 0, self.set.probability(drive), self.reset.probability(drive))

    def for_width(self, width: Float[Array, "..."]) -> Self:
        """Give the same junction under pulses of another width, in s; laws without one stay as they are."""
        there, back = (
            law.for_width(width) if isinstance(law, AbstractPulsedLaw) else law
            for law in (self.set, self.reset)
        )
        return type(self)(there, back)

    def pulse(
        self, key: PRNGKeyArray, state: Int[Array, "..."], drive: Float[Array, "..."]
    ) -> Int[Array, "..."]:
        """State after one pulse, drawn afresh for every device.

        Parameters
        ----------
        key : PRNG key
        state : array of int
            0 or 1 before the pulse.
        drive : array
            Amplitude counted towards switching out of `state`, in the unit of the laws.
        """
        probability = self.probability(drive, state)
        switches = jax.random.bernoulli(key, probability)
        return jnp.where(switches, 1 - state, state)
