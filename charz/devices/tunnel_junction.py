"""Superparamagnetic tunnel junction at every node: telegraph noise with memory, from published or fitted constants."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from charz.devices.node_noise import NodeNoise, require_everywhere, require_nodes
from charz.devices.random_words import random_words, to_normal, to_uniform
from charz.devices.telegraph import (
    KOENDERS_FLIP_PROBABILITY,
    KOENDERS_HALF_SEPARATION,
    KOENDERS_NOISE,
    KOENDERS_OFFSET,
    ArrheniusTelegraph,
    DrivenTelegraph,
    TelegraphJunction,
)
from charz.devices.two_state_chain import run_chain
from charz.errors import CharzError

# Reads drawn at once.
BLOCK = 32
# By so much may the sum of two probabilities exceed 1 in single precision.
ROUNDING = 1e-6


class JunctionState(NamedTuple):
    """State of every junction: 0 low, 1 high."""

    high: UInt32[Array, "nodes"]


class JunctionNoise(NodeNoise):
    r"""Voltage of one superparamagnetic junction a node, read at a fixed interval (Koenders et al. 2025, (K1)).

    .. math:: V_t = V_0 + s_t\,\Delta V + \sigma\,\xi_t, \quad \xi_t \sim N(0, 1), \quad s_t \in \{0, 1\}, \qquad
              P(0 \to 1) = p_\uparrow, \quad P(1 \to 0) = p_\downarrow

    from read to read. The share of reads in the high state is :math:`p_\uparrow/(p_\uparrow + p_\downarrow)`, free to
    differ from 1/2 away from the compensation field; the state's autocorrelation over k reads is :math:`\rho^k` with
    :math:`\rho = 1 - p_\uparrow - p_\downarrow`.

    Parameters
    ----------
    low : array () or (nodes,)
        Lower level :math:`V_0`, in V.
    separation : array () or (nodes,)
        Upper minus lower level :math:`\Delta V` > 0, in V.
    noise : array () or (nodes,)
        Standard deviation :math:`\sigma \ge 0` of one read, in V.
    flip_up, flip_down : array () or (nodes,)
        Probabilities per read to leave the low and the high state, with a sum inside (0, 1]: a jump process in
        continuous time has :math:`\rho = e^{-(r_\uparrow + r_\downarrow)t} \ge 0` at any interval t.

    Raises
    ------
    CharzError
        For values outside these ranges.
    """

    low: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    separation: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    noise: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    flip_up: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    flip_down: Float[Array, "..."] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        require_everywhere(
            "separation", self.separation, lambda value: value > 0, "positive: upper minus lower level, in V"
        )
        require_everywhere(
            "noise",
            self.noise,
            lambda value: value >= 0,
            "0 or more: it is a standard deviation, in V",
        )
        for name in ("flip_up", "flip_down"):
            require_everywhere(
                name,
                getattr(self, name),
                lambda value: (value >= 0) & (value <= 1),
                "a probability, from 0 to 1",
            )
        require_everywhere(
            "flip_up + flip_down",
            self.flip_up + self.flip_down,
            lambda value: (value > 0) & (value <= 1 + ROUNDING),
            "above 0, or the junction never switches, and at most 1: a jump process never anticorrelates, whatever "
            "the interval between reads",
        )

    def init(self, key: PRNGKeyArray, nodes: int) -> JunctionState:
        """States of junctions that have run for long: high with probability `fraction_high`."""
        require_nodes(self, nodes)
        high = to_uniform(random_words(key, (nodes,))[0]) < self.fraction_high()
        return JunctionState(high.astype(jnp.uint32))

    def draw(
        self, key: PRNGKeyArray, state: JunctionState, batch: int, nodes: int
    ) -> tuple[Float[Array, "batch nodes"], JunctionState]:
        """Voltages of `batch` consecutive reads of every junction, in V, and the states they end in."""

        def block(high: Array, index: Array, size: int = BLOCK) -> tuple[Array, Array]:
            # One cipher block a read gives both the word that decides on the flip and the Gaussian.
            read, flips = random_words(jax.random.fold_in(key, index), (size, nodes))
            states, high = run_chain(flips, high, self.flip_up, self.flip_down)
            return high, self.low + self.separation * states + self.noise * to_normal(read)

        # The loop is there for its output: a whole batch at once would be fused into everything that uses the
        # noise, and the cipher computed again for each use - half as much again for a step of training.
        num_blocks, rest = divmod(batch, BLOCK)
        high, volts = jax.lax.scan(block, state.high, jnp.arange(num_blocks))
        volts = volts.reshape(-1, nodes)
        if rest:
            high, last = block(high, jnp.asarray(num_blocks), rest)
            volts = jnp.concatenate([volts, last])
        return volts, JunctionState(high)

    def fraction_high(self) -> Float[Array, "..."]:
        """Share of reads in the high state."""
        return self.flip_up / (self.flip_up + self.flip_down)

    def correlation(self) -> Float[Array, "..."]:
        """Correlation ρ of the state from one read to the next."""
        return 1 - self.flip_up - self.flip_down

    def mean(self) -> Float[Array, "..."]:
        """Mean voltage of a read, in V."""
        return self.low + self.separation * self.fraction_high()

    def variance(self) -> Float[Array, "..."]:
        """Variance of a read, in V²: two levels and the noise of reading."""
        high = self.fraction_high()
        return self.separation**2 * high * (1 - high) + self.noise**2

    def residual(self) -> Float[Array, "..."]:
        """Standard deviation of a read while the state stays, in V."""
        return self.noise


def published_junction() -> JunctionNoise:
    """Junction of Koenders et al. (2025): levels 36.16 and 48.02 mV, noise 0.908 mV, flips 0.0809 a read (K1)."""
    return JunctionNoise(
        low=jnp.asarray(KOENDERS_OFFSET - KOENDERS_HALF_SEPARATION),
        separation=jnp.asarray(2 * KOENDERS_HALF_SEPARATION),
        noise=jnp.asarray(KOENDERS_NOISE),
        flip_up=jnp.asarray(KOENDERS_FLIP_PROBABILITY),
        flip_down=jnp.asarray(KOENDERS_FLIP_PROBABILITY),
    )


def junction_noise(
    telegraph: TelegraphJunction | DrivenTelegraph | ArrheniusTelegraph,
    read_interval: float | Float[Array, "..."],
    gain: float | Float[Array, "..."] = 1.0,
) -> JunctionNoise:
    r"""Node noise of telegraph devices, as a fit of `telegraph` records gives them, read at an interval.

    .. math:: p_\uparrow = \frac{r_\uparrow}{r_\uparrow + r_\downarrow}
              \left(1 - e^{-(r_\uparrow + r_\downarrow) t}\right), \qquad
              p_\downarrow = \frac{r_\downarrow}{r_\uparrow + r_\downarrow}
              \left(1 - e^{-(r_\uparrow + r_\downarrow) t}\right)

    exactly, whatever happened within the interval t. Leaves keep their shape: ``Posterior.new_devices(key, draws,
    (nodes,))`` gives one junction a node in every draw.

    Parameters
    ----------
    telegraph : TelegraphJunction, DrivenTelegraph or ArrheniusTelegraph
        Leaves () or (nodes,), with a leading draw axis where there is one. Of a device whose rates follow drive or
        temperature, the junction at its reference is taken; ``telegraph.at(...)`` gives any other.
    read_interval : float
        Time t between two reads of a node, in s (in samples where the rates are in 1/sample), > 0. Flips within it
        are exact; the noise of one read is that of the measurement, whatever the interval.
    gain : float
        Volts at the node per unit of the measured signal, > 0: 1 for a record in V; for a record in A or ohm the
        amplifier's ohm, or the current in A.

    Returns
    -------
    JunctionNoise

    Raises
    ------
    CharzError
        For an interval or a gain that is not positive, or a device that is no two-level junction.
    """
    require_everywhere(
        "read_interval", read_interval, lambda value: value > 0, "positive: the time between reads, in s"
    )
    require_everywhere(
        "gain", gain, lambda value: value > 0, "positive: volts at the node per unit of signal"
    )
    if isinstance(telegraph, DrivenTelegraph | ArrheniusTelegraph):
        telegraph = telegraph.junction
    if not isinstance(telegraph, TelegraphJunction):
        raise CharzError(
            f"telegraph is a {type(telegraph).__name__}; it must be a junction of two levels, for a node's noise is "
            "one telegraph: fit the record with model two-state"
        )
    flip_up, flip_down = telegraph.flip_probabilities(jnp.asarray(read_interval))
    return JunctionNoise(
        low=gain * telegraph.low,
        separation=gain * telegraph.separation,
        noise=gain * telegraph.noise,
        flip_up=flip_up,
        flip_down=flip_down,
    )
