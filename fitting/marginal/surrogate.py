r"""Each device's log likelihood as a parabola, what a normal population makes of it in closed form.

With all parameters of a device, :math:`\delta = (\theta, \sigma) - (\theta_0, \sigma_0)` from a point of expansion,

.. math:: Q(\delta) = \ell + g \cdot \delta - \tfrac12\,\delta^T H \delta .

Under a population :math:`\mathrm{Normal}(m, s)` of what varies, and with :math:`\sigma` given, the device is normal
with precision :math:`A = H_{\theta\theta} + \mathrm{diag}(s^{-2})` and mean :math:`m + A^{-1} r`, with the parabola's
gradient r and value Q at the population's centre,

.. math:: r = \frac{\partial Q}{\partial \theta}(m, \sigma), \qquad
          \ln G = Q(m, \sigma) - \sum \ln s - \tfrac12 \ln |A| + \tfrac12\,r^T A^{-1} r .

(Completing the square around :math:`\theta_0` gives the same as a difference of two numbers that grow with
:math:`s^{-2}`, of which nothing is left for a population much narrower than its devices are known.)

What is left of the likelihood, :math:`R = \ln L - Q`, is small where the device is well measured; it is integrated by
quadrature around the mean (`charz.fitting.marginal.quadrature`): the parabola shapes the nodes, never the result.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.marginal.elementwise import cholesky, solve_lower, solve_upper


class Surrogate(NamedTuple):
    """Parabolas of devices; of arrays the leading axis is the device.

    Parameters
    ----------
    at : array (device, parameter)
        Point of expansion, linked scales, all parameters of the model in its order.
    value : array (device,)
        Log likelihood there, in nats.
    gradient : array (device, parameter)
    curvature : array (device, parameter, parameter)
        Minus the second derivatives; positive semidefinite.
    """

    at: Array | np.ndarray
    value: Array | np.ndarray
    gradient: Array | np.ndarray
    curvature: Array | np.ndarray


class Conditional(NamedTuple):
    r"""A device given its population: normal, by the parabola.

    Parameters
    ----------
    log_evidence : array ()
        :math:`\ln G` of the module's formula, in nats.
    mean : array (varying,)
    root : list of lists
        Lower Cholesky factor L of the precision A.
    """

    log_evidence: Array
    mean: Array
    root: list[list[Array]]

    def point(self, z: Array) -> Array:
        """Turn standard normal coordinates (varying,) into values on the linked scales."""
        return self.mean + jnp.stack(solve_upper(self.root, list(z)))


def conditional(
    one: Surrogate,
    mean: Array,
    log_sd: Array,
    shared: Array,
    varying: tuple[int, ...],
    common: tuple[int, ...],
) -> Conditional:
    """Condition ONE device on its population (formulas of the module); arrays without the device axis."""
    precision = jnp.exp(-2 * log_sd)
    at_mean = merged(mean, shared, varying, common)
    slope = one.gradient - (one.curvature * (at_mean - one.at)).sum(-1)
    h = one.curvature
    matrix = [[h[r, c] + (precision[i] if r == c else 0.0) for c in varying] for i, r in enumerate(varying)]
    root = cholesky(matrix)
    half = solve_lower(root, [slope[place] for place in varying])
    log_evidence = parabola(one, at_mean) + sum(
        half[i] ** 2 / 2 - log_sd[i] - jnp.log(root[i][i]) for i in range(len(varying))
    )
    centre = mean + jnp.stack(solve_upper(root, half))
    return Conditional(jnp.asarray(log_evidence), centre, root)


def parabola(one: Surrogate, eta: Array) -> Array:
    """Q of ONE device at all its linked parameters (parameter,), in nats."""
    step = eta - one.at
    bend = (step[:, None] * step * one.curvature).sum()
    return jnp.asarray(one.value + (one.gradient * step).sum() - bend / 2)


def merged(theta: Array, shared: Array, varying: tuple[int, ...], common: tuple[int, ...]) -> Array:
    """Put what varies and what is shared into one vector in the order of the model."""
    order = [*varying, *common]
    columns = [*(theta[i] for i in range(len(varying))), *(shared[i] for i in range(len(common)))]
    return jnp.stack([columns[order.index(place)] for place in range(len(order))])
