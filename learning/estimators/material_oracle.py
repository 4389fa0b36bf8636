"""Oracle of a simulated material: exact gradients through its formula, to tell what the device can do at all."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.material import MaterialSurrogate
from charz.learning.estimators.homodyne import HomodyneState, current_logits
from charz.learning.gate_reading import read_gate
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.set_losses import SetLoss, cor_sigmoid
from charz.learning.waveform import Wiring


def material_oracle(
    material: MaterialSurrogate, wiring: Wiring, loss: SetLoss | None = None
) -> GradientEstimator:
    """Autodiff of the loss through the noise-free, clipped current at each case: no experiment can have this.

    A random device may be incapable of a gate; where this estimator, with the same restarts and steps, does not
    reach it, a failure of a measured gradient says nothing.

    Parameters
    ----------
    material : MaterialSurrogate
    wiring : Wiring
    loss : SetLoss, optional
        As of `homodyne`.

    Returns
    -------
    GradientEstimator
        Theta, batch and ``info`` as of `homodyne`; ``reads`` is 0 and ``noise`` the material's own.
    """
    chosen = loss or cor_sigmoid()

    def means(theta: Array, x: Array) -> Float[Array, " case"]:
        return jnp.clip(material.current(wiring.levels(x, theta)), -material.clip, material.clip)

    def init(key: PRNGKeyArray, theta: Array) -> HomodyneState:
        return HomodyneState(jnp.zeros((), theta.dtype))

    def estimate(
        key: PRNGKeyArray, theta: Array, state: HomodyneState, batch: Batch
    ) -> tuple[Array, HomodyneState, dict[str, Array]]:
        current, back = jax.vjp(lambda theta: means(theta, batch.x), theta)
        value, by_current = chosen(current, batch.y)
        reading = read_gate(current, material.noise, batch.y)
        info = {
            "loss": value,
            "reads": jnp.zeros(()),
            "correlation": reading.correlation,
            "separation": reading.separation,
            "noise": reading.noise,
            "clipped": material.clips(current).any().astype(value.dtype),
        }
        return back(by_current)[0], HomodyneState(reading.threshold), info

    def deterministic(theta: Array, state: HomodyneState, x: Array) -> Array:
        return current_logits(means(theta, x), state)

    def predict(key: PRNGKeyArray, theta: Array, state: HomodyneState, x: Array) -> Array:
        return deterministic(theta, state, x)

    return GradientEstimator(init, estimate, predict, deterministic)
