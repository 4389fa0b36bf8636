"""Mean/variance rule on synapses that are measured: outputs from the hardware, derivatives from what is believed."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import ArrayLike, NDArray

from charz.devices.law import AbstractSwitchingLaw
from charz.learning.estimators.activity_perturbation import Loss
from charz.learning.estimators.mean_variance import VARIANCE_FLOOR
from charz.learning.hardware.black_box import checked
from charz.learning.network import Theta
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.synapse_network import pass_on, read_through

# ``read(layer, drive (wires, inputs, outputs), x (batch, inputs)) -> Y (batch, outputs)``: program the drives, send the
# inputs as probabilities of a domain wall, and average N reads of each neuron's summed synapses (a differential pair
# subtracts its second wire). Neither bias nor nonlinearity.
MeasuredLayer = Callable[[int, NDArray[np.float32], NDArray[np.float32]], ArrayLike]


def measured_mean_variance(
    read: MeasuredLayer,
    believed: Sequence[AbstractSwitchingLaw],
    num_reads: int | None,
    variance_floor: float = VARIANCE_FLOOR,
    loss: Loss | None = None,
) -> GradientEstimator:
    """Estimator of `mean_variance` for synapses on a bench (Ellis et al. 2023, E5 and E6).

    A layer is measured, then the next at what the first gave; afterwards the same forward pass is differentiated with
    the measured outputs in it, where only the believed switching curve has a derivative. Runs step by step
    (`train_measured`), not in a compiled loop.

    Parameters
    ----------
    read : callable
        ``read(layer, drive, x) -> Y (batch, outputs)``, dimensionless: mean over N reads of the summed synapses.
    believed : sequence of AbstractSwitchingLaw
        Of each layer, leaves (wires, inputs, outputs) or scalar: the calibrated device, or the posterior's mean.
    num_reads : int or None
        N that `read` averages; None where it averages so many that they have no spread.
    variance_floor : float
        Added to σ² under the root.
    loss : callable, optional
        ``loss(logits, labels) -> (batch,)``; softmax cross-entropy by default.

    Returns
    -------
    GradientEstimator
        Theta and ``info`` as of `mean_variance`; ``deterministic`` is None: what the synapses are is not known.

    Raises
    ------
    HardwareError
        By ``estimate`` and ``predict``, when `read` does not return one finite output a sample and neuron.
    """
    loss = loss or optax.softmax_cross_entropy_with_integer_labels

    def measure(theta: Theta, x: Array) -> tuple[Array, list[Array]]:
        outputs: list[Array] = []
        for index, layer in enumerate(theta):
            answer = read(index, np.asarray(layer.weight, np.float32), np.asarray(x, np.float32))
            shape = (x.shape[0], layer.weight.shape[-1])
            answer = checked(f"outputs of layer {index}", answer, shape, "samples × neurons")
            outputs.append(jnp.asarray(answer, jnp.float32))
            x = pass_on(outputs[-1], layer, index == len(theta) - 1)
        return x, outputs

    @jax.jit
    def differentiate(
        theta: Theta, batch: Batch, outputs: list[Array]
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], Theta]:
        def mean_loss(theta: Theta) -> tuple[Float[Array, ""], Float[Array, ""]]:
            def known(index: int, drive: Array, x: Array) -> Array:
                return outputs[index]

            logits, reads = read_through(theta, believed, batch.x, known, num_reads, variance_floor)
            return loss(logits, batch.y).mean(), jax.lax.stop_gradient(reads)

        return jax.value_and_grad(mean_loss, has_aux=True)(theta)

    def init(key: PRNGKeyArray, theta: Theta) -> tuple[()]:
        return ()

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: tuple[()], batch: Batch
    ) -> tuple[Theta, tuple[()], dict[str, Array]]:
        _, outputs = measure(theta, batch.x)
        (value, reads), direction = differentiate(theta, batch, outputs)
        return direction, state, {"loss": value, "reads": reads}

    def predict(key: PRNGKeyArray, theta: Theta, state: tuple[()], x: Array) -> Array:
        return measure(theta, x)[0]

    return GradientEstimator(init, estimate, predict)
