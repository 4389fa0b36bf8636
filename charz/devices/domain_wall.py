"""Domain-wall binary stochastic synapse: a wire passes a wall (1) or pins it (0); N reads are averaged."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.law import AbstractSwitchingLaw
from charz.devices.logistic import LogisticSwitching

# Published constants of the mean wire (authors' code of Ellis et al. 2023). The unit of the control variable
# is not published: it stays symbolic.
MEAN_WIRE_CENTRE = 4.63168
MEAN_WIRE_STEEPNESS = 2.72741
MEAN_WIRE_AMPLITUDE = 0.97813


def mean_wire() -> LogisticSwitching:
    """Switching law of the published mean wire, w0 = 4.63168, k = 2.72741, a = 0.97813 (Ellis 2023, E1).

    The control variable has no published unit; location and width are in that unknown unit.
    """
    return LogisticSwitching(
        location=jnp.asarray(MEAN_WIRE_CENTRE),
        width=jnp.asarray(1 / MEAN_WIRE_STEEPNESS),
        floor=jnp.asarray(1 - MEAN_WIRE_AMPLITUDE),
        ceiling=jnp.asarray(1.0),
    )


class DomainWallSynapses(eqx.Module):
    """An array of wires used as synapses, with what the controller believes kept apart from what is.

    Parameters
    ----------
    actual : AbstractSwitchingLaw
        Law that the hardware obeys: one parameter set a wire, drawn once (device-to-device).
    believed : AbstractSwitchingLaw
        Law from which the controller computes probabilities and slopes for its gradient, for example the
        posterior mean. Passing the same law for both states that every wire is perfectly calibrated.
    """

    actual: AbstractSwitchingLaw
    believed: AbstractSwitchingLaw

    def start_drive(self) -> Float[Array, "..."]:
        """Drive at the middle between the believed asymptotes, where every synapse starts (Ellis 2023)."""
        return self.believed.middle()
