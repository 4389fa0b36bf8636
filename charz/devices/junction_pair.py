r"""Synapse of two tunnel junctions: three weights, written by pulses that switch each junction by chance.

.. math:: W = \frac{b_1 + b_2}{2}, \qquad b_1, b_2 \in \{-1, +1\}

b₁ = +1 is a junction that conducts well (parallel) on the branch of positive input, b₂ = +1 one that conducts badly
(antiparallel) on the branch of negative input, so that the current is :math:`u(G_1 - G_2) \propto u\,W`. A pulse
towards +1 therefore sets the first junction and resets the second, each by the law of its own direction. There are
two zeros, (+1, -1) and (-1, +1): what a pulse does depends on which, so both bits are kept. A pulse cannot switch a
junction that already points its way (no back-hopping).

Source: the mapping of the notes on Greenberg-Toledo et al., Semicond. Sci. Technol. 36, 114003 (2021), section 2.1.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8

from charz.devices.directions import TwoDirections
from charz.devices.in_plane import InPlaneBallistic


class PairBits(NamedTuple):
    """State of an array of pairs: ``bits`` (2, *array), 0 for b = -1 and 1 for b = +1."""

    bits: Int8[Array, "2 *array"]

    @property
    def weight(self) -> Float[Array, "*array"]:
        """W: -1, 0 or 1, dimensionless."""
        return (self.bits[0] + self.bits[1] - 1).astype(jnp.float32)


class JunctionPairs(eqx.Module):
    """Junctions of many pairs, with what the controller believes kept apart from what is.

    Parameters
    ----------
    actual : TwoDirections
        Laws that the junctions obey, drawn once a junction and fixed from then on: leaves (2 × pairs,), first all
        first junctions of a layer, then all second ones; or scalars, where all are alike.
    believed : TwoDirections
        Laws by which the controller codes its pulses; scalar leaves.
    """

    actual: TwoDirections
    believed: TwoDirections


def example_junction() -> TwoDirections:
    r"""In-plane junction of 50 × 20 × 2 nm³ under currents in units of its critical one.

    From the notes on Greenberg-Toledo et al. (2021), all *assumed* there: α = 0.01, M_s = 5e5 A/m, hence
    :math:`\tau = 2/(\alpha\gamma\mu_0 M_s)` = 1.81 ns; θ0 = 0.1 (their reference run) is Δ = 50. Both directions
    are alike.
    """
    law = InPlaneBallistic(
        thermal_stability=jnp.asarray(50.0),
        critical=jnp.asarray(1.0),
        relaxation_time=jnp.asarray(1.81e-9),
        width=jnp.asarray(jnp.nan),
    )
    return TwoDirections(law, law)
