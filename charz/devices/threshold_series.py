"""Thresholds of successive cycles of one device: not independent, and drifting as it wears."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.threshold_tails import log_normal_below
from charz.devices.thresholds import LognormalThreshold, WeibullThreshold

CYCLES_PER_DRIFT = 1000.0
# A correlation of exactly one would leave no cycle-to-cycle spread at all.
LEAST_INNOVATION = 1e-12
LEAST_CORRELATION = 1e-12


class SerialThreshold(eqx.Module):
    r"""Law of thresholds whose scale drifts and whose normal scores wander.

    .. math:: z_t = \Phi^{-1}(F_t(y_t)) = \sqrt{q}\,s_t + \sqrt{1 - q}\,\eta_t, \qquad
              s_t = \rho s_{t-1} + \sqrt{1 - \rho^2}\,\varepsilon_t, \qquad F_t(y) = F(y\,e^{-d\,t/1000})

    a Gaussian copula: every cycle has the law F, shifted by the drift; t counts cycles from that for which F holds.
    Scores k cycles apart, some of those between perhaps not recorded, have the correlation :math:`q\rho^k`: an AR(1)
    chain for q = 1, below that a slow wander under fresh noise in every cycle.

    Parameters
    ----------
    law : WeibullThreshold or LognormalThreshold
        F, at t = 0.
    drift : array
        d, change of ln y per 1000 cycles.
    correlation : array
        :math:`\rho`, of successive states of the chain s, between -1 and 1.
    chain_share : array
        q, share of the variance of the scores that the chain carries, between 0 and 1.
    """

    law: WeibullThreshold | LognormalThreshold
    drift: Float[Array, "..."]
    correlation: Float[Array, "..."]
    chain_share: Float[Array, "..."]

    def at(self, kilocycles: Float[Array, "..."]) -> WeibullThreshold | LognormalThreshold:
        """Law of the cycles at t = 1000 × `kilocycles`."""
        return self.law.shifted(self.drift * kilocycles)

    def mean(self) -> Float[Array, "..."]:
        """Mean threshold at t = 0, in the unit of drive."""
        return self.law.mean()

    def over(self, num_cycles: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of the chain's states that many cycles apart (a whole number; 0 for none earlier)."""
        # The general power has no second derivative at 0, where searches start; there it is 0 beyond one cycle.
        gone = jnp.abs(self.correlation) < LEAST_CORRELATION
        base = jnp.where(gone, LEAST_CORRELATION, self.correlation)
        several = jnp.where(gone, 0.0, base ** jnp.maximum(num_cycles, 2))
        return jnp.select([num_cycles == 1, num_cycles > 1], [self.correlation, several], 0.0)

    def sample(self, key: PRNGKeyArray, kilocycles: Float[Array, " cycle"]) -> Float[Array, "... cycle"]:
        r"""Draw one record of successive cycles at ``1000 × kilocycles = t``; the first state is stationary.

        Returns
        -------
        array (\*leaves, cycle), in the unit of drive
        """
        shape = jnp.broadcast_shapes(*(leaf.shape for leaf in jax.tree.leaves(self)))
        key_chain, key_fresh = jax.random.split(key)
        noise, fresh_noise = (
            jax.random.normal(each, (kilocycles.size, *shape), jnp.result_type(float))
            for each in (key_chain, key_fresh)
        )
        rest = jnp.sqrt(innovation(self.correlation))

        def step(score: Array, fresh: Array) -> tuple[Array, Array]:
            following = self.correlation * score + rest * fresh
            return following, following

        _, later = jax.lax.scan(step, noise[0], noise[1:])
        chain = jnp.concatenate([noise[:1], later])
        scores = jnp.sqrt(self.chain_share) * chain + jnp.sqrt(1 - self.chain_share) * fresh_noise
        scores = jnp.moveaxis(scores, 0, -1)
        each = jax.tree.map(lambda leaf: leaf[..., None], self)
        return each.at(kilocycles).threshold_for(jnp.exp(log_normal_below(scores)))


def innovation(correlation: Float[Array, "..."]) -> Float[Array, "..."]:
    """Share of the variance that the neighbour does not fix, 1 - ρ², never 0."""
    return jnp.maximum(1 - correlation**2, LEAST_INNOVATION)
