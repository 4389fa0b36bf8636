r"""Draws of devices with long records, from candidates that are drawn once and serve all populations.

Where a device has so many outcomes that a likelihood takes long, candidates :math:`\theta_m` of its own are drawn from
a mixture q, of a multivariate t around its parabola for each of some populations of the posterior, and each draw of the
population picks one by the weight

.. math:: w_{im} = \frac{L(\theta_m)\,\mathrm{Normal}(\theta_m \mid \phi_i)}{q(\theta_m)} .

A likelihood a candidate, however many populations there are. Candidates for one population alone would be too narrow
for those that know less of the device: its posterior came out by up to a fifth too narrow. Whether they are good for
all, Pareto k of their weights under all populations says.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, PRNGKeyArray

from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.drawn import DEGREES_OF_FREEDOM, DrawnDevices
from charz.fitting.marginal.quadrature import normal_given
from charz.fitting.marginal.surrogate import Surrogate
from charz.fitting.marginal.tails import pareto_shapes

# Candidates of a device: their effective number is what is left of the draws' precision. Fewer where a record is long,
# up to so many outcomes times candidates.
MOST_CANDIDATES, FEWEST_CANDIDATES, MOST_OUTCOMES = 3600, 1200, 30_000_000
# Populations that they are drawn for, evenly many for each.
NUM_COMPONENTS = 60
# Outcomes of a device from which on likelihoods are what takes the time.
MANY_OUTCOMES = 1000


def candidates_serve_all(devices: Devices) -> bool:
    """Whether records are so long that candidates are drawn once; nothing may be shared, it would need its own."""
    return devices.outcomes >= MANY_OUTCOMES and not devices.coordinates.shared


def number_of_candidates(devices: Devices) -> int:
    """Return how many candidates each device has, a multiple of the components."""
    number = int(np.clip(MOST_OUTCOMES // devices.outcomes, FEWEST_CANDIDATES, MOST_CANDIDATES))
    return number // NUM_COMPONENTS * NUM_COMPONENTS


def draw_from_candidates(
    key: PRNGKeyArray, devices: Devices, surrogate: Surrogate, phis: np.ndarray
) -> DrawnDevices:
    """Draw each device once for each population.

    Parameters
    ----------
    key : PRNG key
        Random numbers belong to a device: no draw depends on how devices are cut into blocks.
    devices : Devices
        Nothing of them shared.
    surrogate : Surrogate
    phis : array (draw, size)
    """
    size, number = len(devices.coordinates.names), number_of_candidates(devices)
    noise, squares, places = _random(key, jnp.asarray(devices.labels), len(phis), number, size)
    some = phis[np.linspace(0, len(phis) - 1, NUM_COMPONENTS).astype(int)]
    centre, root = map(np.stack, zip(*(normal_given(devices, surrogate, phi) for phi in some), strict=True))
    z = np.asarray(noise * jnp.sqrt(DEGREES_OF_FREEDOM / squares)[..., None])
    z = z.reshape(devices.number, -1, NUM_COMPONENTS, size)
    theta = centre.swapaxes(0, 1)[:, None] + np.einsum("dkci,cdij->dkcj", z, np.linalg.inv(root))
    theta = theta.reshape(devices.number, number, size)
    log_density = np.asarray(_log_mixture(theta, centre.swapaxes(0, 1), root.swapaxes(0, 1)))
    log_weight = devices.log_likelihoods(theta) - log_density
    picked, shares = _picked(theta, log_weight, places, *devices.coordinates.parts(phis)[:2])
    chosen = np.take_along_axis(theta, np.asarray(picked)[..., None], axis=1).swapaxes(0, 1)
    linked = {name: jnp.asarray(chosen[..., i]) for i, name in enumerate(devices.coordinates.names)}
    values = {name: np.array(value) for name, value in devices.model.values_from_linked(linked).items()}
    shares = np.asarray(shares)
    with np.errstate(divide="ignore"):
        log_shares = np.log(shares)
    return DrawnDevices(values, pareto_shapes(log_shares), 1 / (shares**2).sum(1) / number)


@partial(jax.jit, static_argnums=(2, 3, 4))
def _random(
    key: PRNGKeyArray, labels: Array, num_draws: int, number: int, size: int
) -> tuple[Array, Array, Array]:
    """Draw candidates' noise and chi squares, and where each draw picks (evenly spread, shuffled), of every device."""

    def one(label: Array) -> tuple[Array, Array, Array]:
        key_noise, key_square, key_place, key_order = jax.random.split(jax.random.fold_in(key, label), 4)
        noise = jax.random.normal(key_noise, (number, size))
        squares = jax.random.chisquare(key_square, DEGREES_OF_FREEDOM, (number,))
        places = (jnp.arange(num_draws) + jax.random.uniform(key_place)) / num_draws
        return noise, squares, jax.random.permutation(key_order, places)

    return jax.vmap(one)(labels)


@jax.jit
def _log_mixture(theta: Array, centre: Array, root: Array) -> Array:
    """Log density, up to a constant, of candidates (device, candidate) under the components (device, component)."""

    def of_device(one: tuple[Array, Array, Array]) -> Array:
        points, centres, roots = one

        def of_component(centre: Array, root: Array) -> Array:
            square = (((points - centre) @ root) ** 2).sum(-1)
            exponent = (DEGREES_OF_FREEDOM + points.shape[-1]) / 2
            return jnp.log(jnp.diag(root)).sum() - exponent * jnp.log1p(square / DEGREES_OF_FREEDOM)

        return logsumexp(jax.vmap(of_component)(centres, roots), axis=0)

    found: Array = jax.lax.map(of_device, (theta, centre, root))
    return found


@partial(jax.jit, compiler_options=COMPILER_OPTIONS)
def _picked(
    theta: Array, log_weight: Array, places: Array, mean: Array, log_sd: Array
) -> tuple[Array, Array]:
    """Pick a candidate (device, draw) at places in [0, 1); and all candidates' mean shares (device, candidate)."""

    def of_device(one: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        points, weights, where = one

        def of_draw(total: Array, given: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            place, centre, log_spread = given
            off = (points - centre) * jnp.exp(-log_spread)
            share = jax.nn.softmax(weights - (off**2).sum(-1) / 2)
            return total + share, (jnp.cumsum(share) < place).sum()

        total, picked = jax.lax.scan(of_draw, jnp.zeros_like(weights), (where, mean, log_sd))
        return jnp.minimum(picked, len(weights) - 1), total / len(where)

    found: tuple[Array, Array] = jax.lax.map(of_device, (theta, log_weight, places))
    return found
