"""What the record of a set of cases says about a gate: means, order, noise, and whether it counts as solved."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from charz.errors import TrainError
from charz.learning.set_losses import correlation, separation


class GateReading(NamedTuple):
    """Numbers of one reading.

    ``correlation`` is ρ of case means and targets; ``separation`` Δ in A, the lowest mean with target 1 minus the
    highest with target 0; ``noise`` the standard deviation of one sample within its case, in A; ``threshold`` the
    current in A midway between the two sides.
    """

    correlation: Float[Array, "..."]
    separation: Float[Array, "..."]
    noise: Float[Array, "..."]
    threshold: Float[Array, "..."]


def read_gate(current: Float[Array, " case"], noise: Float[Array, ""], target: Array) -> GateReading:
    """Read the numbers off the mean currents of all cases, in A, with the noise of one sample, in A."""
    is_high = target > 0.5
    lowest_high = jnp.where(is_high, current, jnp.inf).min()
    highest_low = jnp.where(is_high, -jnp.inf, current).max()
    return GateReading(
        correlation(current, target), separation(current, target), noise, (lowest_high + highest_low) / 2
    )


@dataclass(frozen=True)
class GateCriterion:
    r"""When a gate counts as solved, on a reading *without* tones: all three conditions.

    .. math:: \rho \ge 0.95, \qquad \Delta \ge 3\,\mathrm{nA}, \qquad \Delta \ge 5\sigma_n

    Our choice; the authors' code asks for a loss below 0.1 or a threshold that separates all cases.

    Parameters
    ----------
    correlation : float
        Least ρ.
    separation : float
        Least Δ, in A.
    noise_multiple : float
        Least Δ in standard deviations of one sample.

    Raises
    ------
    TrainError
        When a limit is not positive, or a correlation above 1 is demanded.
    """

    correlation: float = 0.95
    separation: float = 3e-9
    noise_multiple: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.correlation <= 1:
            raise TrainError(
                f"correlation is {self.correlation}; it must be above 0 and no correlation is above 1"
            )
        for name, unit in (("separation", " A"), ("noise_multiple", "")):
            if not getattr(self, name) > 0:
                raise TrainError(
                    f"{name} is {getattr(self, name)}{unit}; it must be positive, or cases in the wrong order pass"
                )

    def margin(self, reading: GateReading) -> Float[Array, "..."]:
        """The weakest of the three conditions as a ratio to what is demanded: solved from 1 on."""
        distance = jnp.maximum(self.separation, self.noise_multiple * reading.noise)
        return jnp.minimum(reading.correlation / self.correlation, reading.separation / distance)

    def solved(self, reading: GateReading) -> Bool[Array, "..."]:
        """Whether all three conditions hold."""
        return self.margin(reading) >= 1
