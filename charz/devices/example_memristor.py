"""A memristor to begin with, before one is measured: all of it our choice (li2023.md, section 2).

The paper's conductance window and pulse settings are not known to us. These are round numbers of oxide devices.
"""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from charz.devices.memristor import ExponentialMemristor

CONDUCTANCE_MIN, CONDUCTANCE_MAX = 2e-6, 20e-6  # S
NUM_PULSES = 64  # from one end of the window to the other
BETA = 2.0  # a step is exp(-BETA) times smaller at the far end of the window
CYCLE_NOISE = 0.3  # of one step
SPREAD = 0.2  # relative, between devices: steps and their decays
SYMMETRY_SPREAD = 0.05  # relative, between devices: symmetry point


def example_memristor() -> ExponentialMemristor:
    r"""The typical device, without spread.

    From the symmetric form of the law, with x from 0 to 1 over the window W,

    .. math:: \Delta G_+ = \alpha e^{-\beta x}, \qquad \Delta G_- = -\alpha e^{-\beta(1-x)}, \qquad
              \alpha = W\,\frac{e^\beta - 1}{\beta N}

    which takes N pulses from end to end (x(n) = ln(1 + βαn/W)/β).
    """
    window = CONDUCTANCE_MAX - CONDUCTANCE_MIN
    alpha = window * jnp.expm1(BETA) / (BETA * NUM_PULSES)
    decay = jnp.asarray(window / BETA)
    return ExponentialMemristor(
        symmetric_conductance=jnp.asarray((CONDUCTANCE_MIN + CONDUCTANCE_MAX) / 2),
        symmetric_step=alpha * jnp.exp(-BETA / 2),
        decay_potentiation=decay,
        decay_depression=decay,
        cycle_noise=jnp.asarray(CYCLE_NOISE),
        additive_noise=jnp.asarray(0.0),
    )


def example_memristors(key: PRNGKeyArray, num_draws: int, shape: tuple[int, ...]) -> ExponentialMemristor:
    """Devices that differ lognormally: leaves (draw, *shape). The population is known, so that all draws are alike.

    Steps and decays spread by `SPREAD`, each on its own, the symmetry point by `SYMMETRY_SPREAD`.
    """
    typical = example_memristor()
    keys = jax.random.split(key, 4)

    def spread(key: PRNGKeyArray, value: jax.Array, relative: float) -> jax.Array:
        return value * jnp.exp(relative * jax.random.normal(key, (num_draws, *shape)))

    def alike(value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, (num_draws, *shape))

    return ExponentialMemristor(
        symmetric_conductance=spread(keys[0], typical.symmetric_conductance, SYMMETRY_SPREAD),
        symmetric_step=spread(keys[1], typical.symmetric_step, SPREAD),
        decay_potentiation=spread(keys[2], typical.decay_potentiation, SPREAD),
        decay_depression=spread(keys[3], typical.decay_depression, SPREAD),
        cycle_noise=alike(typical.cycle_noise),
        additive_noise=alike(typical.additive_noise),
    )
