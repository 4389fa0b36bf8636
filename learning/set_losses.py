"""Losses of a whole set of cases, and their derivative by the mean current of each case.

Homodyne gradients multiply the derivative of the loss by the measured derivatives of the current, so a loss comes
with its own: a function from case means in A and targets to (loss, derivative in 1/A). Nothing else is
differentiated. Equal options give the same function, so that a program with it is compiled once.
"""

from collections.abc import Callable
from functools import cache

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.errors import TrainError

SetLoss = Callable[[Float[Array, " case"], Array], tuple[Float[Array, ""], Float[Array, " case"]]]

NANOAMPERE = 1e-9
# Least spread of the currents, in nA, for a correlation: equal currents have none, and its derivative is infinite.
LEAST_SPREAD = 1e-6
# Added to the sigmoid (authors' code), so that a set in the wrong order has a finite loss.
FLOOR = 0.05


def correlation(current: Float[Array, " case"], target: Array) -> Float[Array, ""]:
    """Pearson's correlation of currents, in any unit, with targets; 0 where the currents are equal."""
    return _correlation(current / NANOAMPERE, target)[0]


def separation(current: Float[Array, " case"], target: Array) -> Float[Array, ""]:
    """Lowest current with target 1 minus the highest with target 0, in the unit of the current."""
    high, low = _sides(current, target)
    return high.min() - low.max()


@cache
def cor_sigmoid(centre: float = 5.0, scale: float = 3.0) -> SetLoss:
    r"""Correlation over a sigmoid of the separation, of the authors' code.

    .. math:: E = \frac{1.1 - \rho}{S + 0.05}, \qquad S = \frac{1}{1 + e^{-(\Delta - c)/s}}

    ρ is Pearson's correlation of currents and targets, Δ the lowest current with target 1 minus the highest with
    target 0. The derivative is (B6), derived anew: the public code has errors in it. It is discontinuous where
    another case becomes the lowest or highest. The least possible value is 0.1/1.05.

    Parameters
    ----------
    centre : float
        c, in nA.
    scale : float
        s, in nA; the variant of the authors' code has 4 and 2.

    Returns
    -------
    callable
        ``loss(current (case,) in A, target (case,) of 0 and 1) -> (loss, derivative (case,) in 1/A)``.

    Raises
    ------
    TrainError
        When the scale is not positive.
    """
    _check_scale(scale)

    def loss(current: Array, target: Array) -> tuple[Array, Array]:
        amount = current / NANOAMPERE
        rho, slope = _correlation(amount, target)
        high, low = _sides(amount, target)
        sigmoid = 1 / (1 + jnp.exp(-(high.min() - low.max() - centre) / scale))
        cases = jnp.arange(amount.size)
        edge = 1.0 * (cases == high.argmin()) - 1.0 * (cases == low.argmax())
        steepness = sigmoid * (1 - sigmoid) / scale * edge
        whole = sigmoid + FLOOR
        return (1.1 - rho) / whole, (-slope * whole - (1.1 - rho) * steepness) / whole**2 / NANOAMPERE

    return loss


@cache
def corrsig(centre: float = 5.0, scale: float = 3.0) -> SetLoss:
    r"""Correlation over a sigmoid of the distance of the two means.

    .. math:: E = \frac{1.1 - \rho}{S}, \qquad S = \frac{1}{1 + e^{-(\bar I_1 - \bar I_0 - c)/s}}

    The form of brains-py, whose scale is 1/s; c and s here are those of `cor_sigmoid` (our choice). Smooth
    everywhere, but silent about a single case on the wrong side.

    Parameters
    ----------
    centre, scale : float
        c and s, in nA.

    Returns
    -------
    callable
        As of `cor_sigmoid`.

    Raises
    ------
    TrainError
        When the scale is not positive.
    """
    _check_scale(scale)

    def loss(current: Array, target: Array) -> tuple[Array, Array]:
        amount = current / NANOAMPERE
        rho, slope = _correlation(amount, target)
        is_high = target > 0.5
        weight = jnp.where(is_high, 1 / is_high.sum(), -1 / (~is_high).sum())
        # 1/S, written so that it is finite wherever its value is.
        inverse = 1 + jnp.exp(-(weight @ amount - centre) / scale)
        return (1.1 - rho) * inverse, (
            -slope * inverse - (1.1 - rho) * (inverse - 1) / scale * weight
        ) / NANOAMPERE

    return loss


@cache
def mean_square(low: float, high: float) -> SetLoss:
    r"""Mean square distance, in nA², of the currents from targets that the device can reach.

    .. math:: E = \frac1N \sum_c \left(I_c - I^*_c\right)^2, \qquad I^*_c = I_{low} + y_c (I_{high} - I_{low})

    Parameters
    ----------
    low, high : float
        Currents in A that stand for 0 and 1. They must lie within what the device gives: a target of 0 and 1 nA is
        unreachable for a device with an offset. low > high asks for the inverted output.

    Returns
    -------
    callable
        As of `cor_sigmoid`; targets may be any numbers.

    Raises
    ------
    TrainError
        When both currents are the same.
    """
    if not abs(high - low) > 0:
        raise TrainError(f"low and high are both {low} A; two currents must differ to stand for 0 and 1")

    def loss(current: Array, target: Array) -> tuple[Array, Array]:
        miss = (current - low - target * (high - low)) / NANOAMPERE
        return (miss**2).mean(), 2 * miss / miss.size / NANOAMPERE

    return loss


def _correlation(amount: Float[Array, " case"], target: Array) -> tuple[Array, Array]:
    """ρ, and its derivative by each current (B6); population standard deviations."""
    centred, wanted = amount - amount.mean(), target - target.mean()
    spread = jnp.sqrt((centred**2).mean() + LEAST_SPREAD**2)
    wanted = wanted / jnp.sqrt((wanted**2).mean())
    rho = (centred * wanted).mean() / spread
    return rho, (wanted / spread - rho * centred / spread**2) / amount.size


def _sides(amount: Float[Array, " case"], target: Array) -> tuple[Array, Array]:
    """Currents with target 1, others +∞; and with target 0, others -∞."""
    is_high = target > 0.5
    return jnp.where(is_high, amount, jnp.inf), jnp.where(is_high, -jnp.inf, amount)


def _check_scale(scale: float) -> None:
    if not scale > 0:
        raise TrainError(f"scale is {scale} nA; it must be positive, so that more separation is less loss")
