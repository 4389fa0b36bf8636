r"""Log marginal likelihood of populations by nodes laid once, steadied by what the parabola gives in closed form.

.. math:: \ln m_d(\phi) = \ln G_d(\phi)
          + \ln \frac{\sum_n w_n \frac{e^{Q_d(\theta_n)}}{g_d(\theta_n)} \mathrm{Normal}(\theta_n \mid \phi)\,
                      e^{R_d(\theta_n)}}
                     {\sum_n w_n \frac{e^{Q_d(\theta_n)}}{g_d(\theta_n)} \mathrm{Normal}(\theta_n \mid \phi)}

with the parabola Q, its evidence G under the population (`charz.fitting.marginal.surrogate`), R what it leaves of the
log likelihood. The ratio is a mean of :math:`e^R`: of a device that its parabola describes it is 1 wherever nodes lie,
so that few of them serve populations far narrower than the one that they were laid for. Two sums and a Cholesky factor
for each device and population: for grids over many axes, of which nodes that follow every population are too many.
"""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.marginal.calls import chunks
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.quadrature import LARGEST_REMAINDER, Nodes
from charz.fitting.marginal.surrogate import Surrogate, conditional, parabola

NODES_AT_ONCE = 4_000_000


def steadied(devices: Devices, surrogate: Surrogate, nodes: Nodes, phis: np.ndarray) -> np.ndarray:
    """Log marginal likelihood (population,) of all devices, in nats; for models without shared parameters.

    Parameters
    ----------
    devices : Devices
    surrogate : Surrogate
    nodes : Nodes
        Laid once.
    phis : array (population, size)
    """
    result, program = np.zeros(len(phis)), _steadied(devices.coordinates.varying)
    size = int(np.clip(NODES_AT_ONCE // (devices.block * nodes.theta.shape[1]), 1, 256))
    for here, _, block in devices.split((surrogate, *nodes)):
        for part, chosen in chunks(phis, size):
            terms = np.asarray(program(chosen, *block))
            result[part] += terms[: part.stop - part.start, : here.stop - here.start].sum(1)
    return result


@lru_cache(maxsize=32)
def _steadied(varying: tuple[int, ...]) -> Callable[..., Array]:
    p = len(varying)

    def one(phi: Array, device: Surrogate, theta: Array, log_weight: Array, log_density: Array) -> Array:
        mean, log_sd = phi[:p], phi[p:]
        curve = jax.vmap(parabola, (None, 0))(device, theta)
        remainder = log_weight + log_density - curve
        height = curve - log_density - ((theta - mean) ** 2 * jnp.exp(-2 * log_sd)).sum(-1) / 2
        share = jax.nn.softmax(height)
        mean_of_remainder = (share * jnp.exp(jnp.minimum(remainder, LARGEST_REMAINDER))).sum()
        return conditional(device, mean, log_sd, phi[2 * p :], varying, ()).log_evidence + jnp.log(
            mean_of_remainder
        )

    each = jax.vmap(one, (None, 0, 0, 0, 0))
    return jax.jit(jax.vmap(each, (0, None, None, None, None)), compiler_options=COMPILER_OPTIONS)
