"""Simulated populations of domain-wall wires: who the wires are, and what a measurement of them would count.

Everything here is traced by JAX: functions take keys and arrays, so that hundreds of simulated truths are one
`vmap`. Two levels of randomness, never mixed: a wire's parameters are drawn once, its pulses at every trial.
"""

from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.devices import AbstractSwitchingLaw, LogisticSwitching, mean_wire, sample_counts

# The spread from wire to wire is not published. These three numbers are our choice: large enough to matter
# for a network (0.2 is about half a width), small enough that a sweep of ±2 sees every wire's curve.
LOCATION_SD = 0.2
LOG_WIDTH_SD = 0.15
LOGIT_FLOOR_SD = 0.5


class WirePopulation(NamedTuple):
    r"""Distribution of wires: normal location, log-normal width, logit-normal floor, ceiling at 1.

    .. math:: w_0 \sim N(m_0, s_0), \quad \ln s \sim N(m_1, s_1), \quad \mathrm{logit} f \sim N(m_2, s_2)

    Parameters
    ----------
    location_mean, location_sd : array, shape ()
        Of the centre, in the (unpublished) unit of the control variable.
    log_width_mean, log_width_sd : array, shape ()
        Of the logarithm of the logistic scale, in that unit.
    logit_floor_mean, logit_floor_sd : array, shape ()
        Of the logit of the lower asymptote, dimensionless.
    """

    location_mean: Float[Array, ""]
    location_sd: Float[Array, ""]
    log_width_mean: Float[Array, ""]
    log_width_sd: Float[Array, ""]
    logit_floor_mean: Float[Array, ""]
    logit_floor_sd: Float[Array, ""]

    @classmethod
    def around_mean_wire(
        cls,
        location_sd: float = LOCATION_SD,
        log_width_sd: float = LOG_WIDTH_SD,
        logit_floor_sd: float = LOGIT_FLOOR_SD,
    ) -> Self:
        """Centre a population on the published mean wire (Ellis 2023, E1).

        The centres are published, the three spreads are NOT: the defaults are our choice. On the scales of
        the population (log, logit) the mean wire is the median wire.
        """
        wire = mean_wire()
        return cls(
            location_mean=wire.location,
            location_sd=jnp.asarray(location_sd),
            log_width_mean=jnp.log(wire.width),
            log_width_sd=jnp.asarray(log_width_sd),
            logit_floor_mean=jax.scipy.special.logit(wire.floor),
            logit_floor_sd=jnp.asarray(logit_floor_sd),
        )


def draw_wires(key: PRNGKeyArray, population: WirePopulation, shape: tuple[int, ...]) -> LogisticSwitching:
    """Draw wires from a population: device-to-device variation, once for each wire.

    Parameters
    ----------
    key : PRNG key
    population : WirePopulation
    shape : tuple of int
        Array of wires, for example ``(24,)`` or ``(196, 10)``.

    Returns
    -------
    LogisticSwitching
        Every leaf has the given shape.
    """
    location_key, width_key, floor_key = jax.random.split(key, 3)
    dtype = jnp.result_type(population.location_mean)

    def normal(part: PRNGKeyArray, mean: Float[Array, ""], sd: Float[Array, ""]) -> Float[Array, "..."]:
        return mean + sd * jax.random.normal(part, shape, dtype)

    return LogisticSwitching(
        location=normal(location_key, population.location_mean, population.location_sd),
        width=jnp.exp(normal(width_key, population.log_width_mean, population.log_width_sd)),
        floor=jax.nn.sigmoid(normal(floor_key, population.logit_floor_mean, population.logit_floor_sd)),
        ceiling=jnp.ones(shape, dtype),
    )


def count_passes(
    key: PRNGKeyArray,
    law: AbstractSwitchingLaw,
    amplitude: Float[Array, " setting"],
    num_trials: int,
) -> Int[Array, "wire setting"]:
    """Send `num_trials` domain walls into every wire at every setting and count those that pass.

    Trials are independent (cycle-to-cycle); the counts are exact binomial draws by the function that also
    reads the synapses of a network, `charz.devices.sample_counts`.

    Parameters
    ----------
    key : PRNG key
    law : AbstractSwitchingLaw
        Leaves of shape (wire,).
    amplitude : array, shape (setting,)
        Control variable, in the unit of the law's location.
    num_trials : int
        Trials at each setting.

    Returns
    -------
    array of int32, shape (wire, setting)
        Between 0 and `num_trials`.
    """
    probability = jax.vmap(law.probability, out_axes=1)(amplitude)
    # Counts are drawn from 32-bit words, whatever the precision of the law.
    return sample_counts(key, probability.astype(jnp.float32), num_trials).astype(jnp.int32)


def simulate_population(
    key: PRNGKeyArray,
    population: WirePopulation,
    amplitude: Float[Array, " setting"],
    *,
    num_wires: int = 24,
    num_trials: int = 100,
) -> tuple[LogisticSwitching, Int[Array, "wire setting"]]:
    """Draw wires and measure them; jit and vmap over `key` and the fields of `population` at will.

    Parameters
    ----------
    key : PRNG key
    population : WirePopulation
        The simulated truth.
    amplitude : array, shape (setting,)
        Settings of the control variable.
    num_wires, num_trials : int
        Wires measured, and trials at each setting of each wire.

    Returns
    -------
    law : LogisticSwitching
        True parameters, leaves of shape (wire,).
    num_passed : array of int32, shape (wire, setting)

    Examples
    --------
    >>> keys = jax.random.split(jax.random.key(0), 5)
    >>> population = WirePopulation.around_mean_wire()
    >>> amplitude = jnp.linspace(2.6, 6.6, 13)
    >>> simulate = jax.vmap(lambda key: simulate_population(key, population, amplitude))
    >>> simulate(keys)[1].shape
    (5, 24, 13)
    """
    wires_key, trials_key = jax.random.split(key)
    law = draw_wires(wires_key, population, (num_wires,))
    return law, count_passes(trials_key, law, amplitude, num_trials)
