"""Activations of hidden neurons: smooth ones, and quantized ones with a window in place of their derivative."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.errors import TrainError

Activation = Callable[[Float[Array, "..."]], Float[Array, "..."]]


def ternary(threshold: float = 1.0, window: float = 0.5) -> Activation:
    r"""Ternary neurons, (Deng et al., arXiv:1705.09283, eqs. 3 and 6; Greenberg et al. 2021).

    .. math:: \varphi(x) = \mathrm{sign}(x)\,1[|x| > r], \qquad
              \varphi'(x) \approx \frac{1}{2a}\,1\bigl[\,\bigl||x| - r\bigr| < a\,\bigr]

    The window has the area of the jump that it stands for: 1 at each of ±r.

    Parameters
    ----------
    threshold : float
        r > 0. Authors' code: 1.
    window : float
        Half-width a, 0 < a ≤ r. Authors' code: ½, so that the derivative is 1 for ½ < \|x\| < 1½.

    Raises
    ------
    TrainError
        For a threshold that is not positive, or windows that are empty or reach across zero.
    """
    if not threshold > 0:
        raise TrainError(f"threshold is {threshold}; it must be positive: smaller inputs give 0")
    if not 0 < window <= threshold:
        raise TrainError(
            f"window is {window}; it must be positive and at most the threshold {threshold}: the windows around"
            " -threshold and +threshold must not overlap"
        )

    def value(x: Array) -> Array:
        return jnp.sign(x) * (jnp.abs(x) > threshold)

    def derivative(x: Array) -> Array:
        return (jnp.abs(jnp.abs(x) - threshold) < window) / (2 * window)

    return _surrogate(value, derivative)


def binary(window: float = 1.0) -> Activation:
    r"""Binary neurons: :math:`\mathrm{sign}(x)`, +1 at zero, with :math:`\varphi'(x) \approx 1[|x| < a]/a`.

    The window has the area 2 of the jump; at a = 1 it is that of binarized networks (Hubara et al. 2016).

    Parameters
    ----------
    window : float
        Half-width a > 0.

    Raises
    ------
    TrainError
        For a window that is not positive.
    """
    if not window > 0:
        raise TrainError(f"window is {window}; it must be positive: elsewhere the derivative is zero")
    return _surrogate(
        lambda x: jnp.where(x >= 0, 1.0, -1.0).astype(x.dtype), lambda x: (jnp.abs(x) < window) / window
    )


def hard_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    r""":math:`\mathrm{clip}(x, -1, 1)`: what a quantized neuron would be without quantization."""
    return jnp.clip(x, -1, 1)


SMOOTH: dict[str, Activation] = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "hard-tanh": hard_tanh}


def smooth_activation(name: str) -> Activation:
    """The activation of that name.

    Raises
    ------
    TrainError
        For an unknown name.
    """
    if name not in SMOOTH:
        raise TrainError(f"activation {name!r} is not known; choose one of {', '.join(SMOOTH)}")
    return SMOOTH[name]


def _surrogate(value: Activation, derivative: Activation) -> Activation:
    """Give a function a derivative that it does not have."""
    return partial(_step, value, derivative)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _step(value: Activation, derivative: Activation, x: Array) -> Array:
    return value(x)


@_step.defjvp
def _step_jvp(
    value: Activation, derivative: Activation, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return value(x), derivative(x) * tangent
