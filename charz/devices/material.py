"""A material network: the output current of a nonlinear many-electrode device as a smooth function of its voltages."""

import math
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.errors import CharzError

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "erf": jax.scipy.special.erf}
# Random voltages at which the current of a synthetic material is brought to its scale.
NUM_SCALING_POINTS = 4096


class MaterialSurrogate(eqx.Module):
    r"""A smooth network for the output current of a material, its noise, and the voltages it was learnt on.

    .. math:: I(V) = I_0 + g \cdot V + w \cdot h_L, \qquad h_l = \phi(W_l h_{l-1} + b_l), \qquad h_0 = V

    With :math:`\phi` = tanh or erf all derivatives exist and are bounded, as gradients by perturbation need them (a
    network of rectifiers has derivatives that jump; Boon et al., arXiv:2105.11233, use one). It stands for a dopant
    network or any other black box :math:`I = f(V_1, \dots, V_n) + \text{noise}`. Leaves here are those of ONE
    material; of posterior draws they have a leading draw axis, for `equinox.filter_vmap`.

    Parameters
    ----------
    hidden_weights : tuple of array
        :math:`W_l`: (unit, electrode) in 1/V, the following ones (unit, unit) dimensionless. Empty: a linear device.
    hidden_offsets : tuple of array (unit,)
        :math:`b_l`, dimensionless.
    output_weight : array (unit,)
        :math:`w`, in A; (0,) for a linear device.
    slope : array (electrode,)
        :math:`g`, in A/V: the part that is linear in the voltages.
    intercept : array ()
        :math:`I_0`, in A.
    noise : array ()
        Standard deviation of the noise of one read, in A.
    lowest, highest : array (electrode,)
        Range of each electrode, in V: outside it the function is an extrapolation, and the device may break.
    clip : array ()
        Largest current that the amplifier shows, of either sign, in A; infinite for no limit.
    activation : {"tanh", "erf"}
        :math:`\\phi`, static; the fitted surrogate has erf, whose infinitely wide network has a known kernel.

    Raises
    ------
    CharzError
        When the leaves do not fit each other.
    """

    hidden_weights: tuple[Float[Array, "unit before"], ...]
    hidden_offsets: tuple[Float[Array, " unit"], ...]
    output_weight: Float[Array, " unit"]
    slope: Float[Array, " electrode"]
    intercept: Float[Array, ""]
    noise: Float[Array, ""]
    lowest: Float[Array, " electrode"]
    highest: Float[Array, " electrode"]
    clip: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.asarray(jnp.inf))
    activation: Literal["tanh", "erf"] = eqx.field(static=True, default="tanh")

    def __check_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise CharzError(
                f"activation {self.activation!r} is not known; it must be one of {', '.join(ACTIVATIONS)}, which are "
                "smooth and bounded"
            )
        sizes = [jnp.shape(leaf)[-1] for leaf in (self.slope, self.lowest, self.highest)]
        if len(set(sizes)) > 1:
            raise CharzError(
                f"slope, lowest and highest have {sizes} electrodes; they must have the same number, one value an "
                "electrode"
            )
        before = sizes[0]
        layers = list(zip(self.hidden_weights, self.hidden_offsets, strict=False))
        for number, (weight, offset) in enumerate(layers):
            if jnp.shape(weight)[-1] != before or jnp.shape(weight)[-2] != jnp.shape(offset)[-1]:
                raise CharzError(
                    f"hidden layer {number} has weights {jnp.shape(weight)[-2:]} and {jnp.shape(offset)[-1]} offsets;"
                    f" they must be (units, {before}) and (units,), since {before} values come in"
                )
            before = jnp.shape(weight)[-2]
        last = before if layers else 0
        if len(self.hidden_weights) != len(self.hidden_offsets) or jnp.shape(self.output_weight)[-1] != last:
            raise CharzError(
                f"{len(self.hidden_weights)} layers of weights, {len(self.hidden_offsets)} of offsets and "
                f"{jnp.shape(self.output_weight)[-1]} output weights; every layer needs both, and the output one "
                f"weight for each of the last {last} units"
            )

    def current(self, voltage: Float[Array, "*shape electrode"]) -> Float[Array, "*shape"]:
        """Mean output current in A at `voltage` in V: smooth, neither noise nor clipping."""
        linear = self.intercept + voltage @ self.slope
        hidden = voltage
        for weight, offset in zip(self.hidden_weights, self.hidden_offsets, strict=True):
            hidden = ACTIVATIONS[self.activation](hidden @ weight.T + offset)
        return linear + hidden @ self.output_weight if self.hidden_weights else linear

    def read(self, key: PRNGKeyArray, voltage: Float[Array, "*shape electrode"]) -> Float[Array, "*shape"]:
        """One noisy read at each voltage, in A, as the amplifier shows it: noise first, then clipping."""
        mean = self.current(voltage)
        drawn = mean + self.noise * jax.random.normal(key, mean.shape, mean.dtype)
        return jnp.clip(drawn, -self.clip, self.clip)

    def clips(self, current: Float[Array, "..."]) -> Float[Array, "..."]:
        """Where a current, in A, is at or beyond the amplifier's limit: derivatives measured there are 0."""
        return jnp.abs(current) >= self.clip

    def project(self, voltage: Float[Array, "*shape electrode"]) -> Float[Array, "*shape electrode"]:
        """Bring voltages, in V, into the range of each electrode."""
        return jnp.clip(voltage, self.lowest, self.highest)

    def inside(self, voltage: Float[Array, "*shape electrode"]) -> Float[Array, "*shape"]:
        """Say where all voltages, in V, are within their ranges: elsewhere the surrogate extrapolates."""
        return jnp.all((voltage >= self.lowest) & (voltage <= self.highest), axis=-1)


def noise_of(spectral_density: float, sampling_rate: float) -> float:
    r"""Standard deviation of one sample of white noise, :math:`\sigma = \sqrt{S f_s / 2}`.

    Parameters
    ----------
    spectral_density : float
        One-sided :math:`S`, in A²/Hz.
    sampling_rate : float
        :math:`f_s`, in 1/s.

    Returns
    -------
    float
        In A.

    Raises
    ------
    CharzError
        When the density is negative or the rate not positive.
    """
    if not (spectral_density >= 0 and sampling_rate > 0):
        raise CharzError(
            f"spectral density {spectral_density} A²/Hz at {sampling_rate} samples a second: the density must be at "
            "least 0 and the rate above 0, for their product is a variance"
        )
    return math.sqrt(spectral_density * sampling_rate / 2)


def synthetic_material(
    key: PRNGKeyArray,
    *,
    num_electrodes: int = 7,
    num_units: int = 40,
    gain: float = 1.3,
    scale: float = 15e-9,
    noise: float = 0.3e-9,
    lowest: float = -0.9,
    highest: float = 1.2,
    clip: float = math.inf,
) -> MaterialSurrogate:
    """Make a random smooth material: two layers of tanh units, with folds of negative differential resistance.

    The published devices come without a model; this one has their scales (Boon et al., arXiv:2105.11233: seven
    electrodes, -0.9 to 1.2 V, some 15 nA). It is simulated, and stands for no particular device.

    Parameters
    ----------
    key : PRNG key
    num_electrodes, num_units : int
        Electrodes, and units of each of the two layers.
    gain : float
        Standard deviation of the first weights, in 1/V; more is more nonlinear.
    scale : float
        99 % of the currents at random voltages within the ranges are below it, in A.
    noise : float
        Standard deviation of one read, in A; see `noise_of`.
    lowest, highest : float
        Range of every electrode, in V.
    clip : float
        Limit of the amplifier, in A.
    """
    first, shift, second, last, points = jax.random.split(key, 5)
    low, high = jnp.full(num_electrodes, lowest), jnp.full(num_electrodes, highest)
    raw = MaterialSurrogate(
        hidden_weights=(
            gain * jax.random.normal(first, (num_units, num_electrodes)),
            1.5 / math.sqrt(num_units) * jax.random.normal(second, (num_units, num_units)),
        ),
        hidden_offsets=(jax.random.normal(shift, (num_units,)), jnp.zeros(num_units)),
        output_weight=jax.random.normal(last, (num_units,)),
        slope=jnp.zeros(num_electrodes),
        intercept=jnp.zeros(()),
        noise=jnp.asarray(noise),
        lowest=low,
        highest=high,
        clip=jnp.asarray(clip),
    )
    voltage = jax.random.uniform(points, (NUM_SCALING_POINTS, num_electrodes), minval=low, maxval=high)
    reach = jnp.quantile(jnp.abs(raw.current(voltage)), 0.99)
    return eqx.tree_at(lambda material: material.output_weight, raw, raw.output_weight * scale / reach)
