"""Mean/variance gradient of stochastic synapses (Ellis et al. 2023, equations E2-E6)."""

from collections.abc import Sequence

import jax
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices import DomainWallSynapses
from charz.learning.network import Theta
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.stochastic_layer import Sampling, measure
from charz.learning.synapse_network import read_through

# Added to σ² = S/N inside the square root (authors' code): keeps ε finite where no input is active.
VARIANCE_FLOOR = 1e-4


def mean_variance(
    layers: Sequence[DomainWallSynapses],
    num_reads: int | None,
    sampling: Sampling = "exact",
    variance_floor: float = VARIANCE_FLOOR,
    loss: optax.GradientTransformation | None = None,
) -> GradientEstimator:
    r"""Gradient through the believed mean and variance, at the measured sample.

    The forward pass is a measurement of the *actual* wires; its value is held constant. The direction is

    .. math:: \partial L/\partial w_{ij} = \sum_{batch} \delta_i\,x_j\,p'(w_{ij})
              \left[1 + (Y_i - \mu_i)\,\frac{1/2 - P_{ij}}{S_i}\right]

    with p, p', μ and S from the *believed* law (E5), and to earlier layers (E6) by the same rule. Hidden
    neurons pass on ``sigmoid(Y + b)`` in (0, 1), the probability that a wall is sent to the next layer.
    Expected over reads it equals ∇E[L] for quadratic loss at any N; for cross-entropy the bias comes from
    skewness only.

    Parameters
    ----------
    layers : sequence of DomainWallSynapses
        Devices of each layer, leaves of shape (wires, inputs, outputs) or scalar.
    num_reads : int or None
        Measurements N per synapse and forward pass; None is the mean-field limit.
    sampling : {"exact", "gaussian"}
        How the simulated hardware draws, see `measure`.
    variance_floor : float
        Added to σ² under the root; 0 gives (E5) exactly.
    loss : callable, optional
        ``loss(logits, labels) -> (batch,)``; softmax cross-entropy by default.

    Returns
    -------
    GradientEstimator
        Theta is a tuple of `Layer`; ``info`` has ``loss`` and ``reads`` (synapse measurements made).
    """
    loss = loss or optax.softmax_cross_entropy_with_integer_labels

    def forward(key: PRNGKeyArray, theta: Theta, x: Array, num_reads: int | None) -> tuple[Array, Array]:
        def read(index: int, drive: Array, x: Array) -> Array:
            actual = layers[index].actual.probability(drive)
            return measure(jax.random.fold_in(key, index), x, actual, num_reads, sampling)

        believed = [synapses.believed for synapses in layers]
        return read_through(theta, believed, x, read, num_reads, variance_floor)

    def mean_loss(theta: Theta, key: PRNGKeyArray, batch: Batch) -> tuple[Float[Array, ""], Array]:
        logits, reads = forward(key, theta, batch.x, num_reads)
        return loss(logits, batch.y).mean(), reads

    def init(key: PRNGKeyArray, theta: Theta) -> tuple[()]:
        return ()

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: tuple[()], batch: Batch
    ) -> tuple[Theta, tuple[()], dict[str, Array]]:
        (value, reads), direction = jax.value_and_grad(mean_loss, has_aux=True)(theta, key, batch)
        return direction, state, {"loss": value, "reads": jax.lax.stop_gradient(reads)}

    def predict(key: PRNGKeyArray, theta: Theta, state: tuple[()], x: Array) -> Array:
        return forward(key, theta, x, num_reads)[0]

    def deterministic(theta: Theta, state: tuple[()], x: Array) -> Array:
        return forward(jax.random.key(0), theta, x, None)[0]  # the mean field draws nothing

    return GradientEstimator(init, estimate, predict, deterministic)
