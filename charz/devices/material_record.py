"""A material as an instrument sees it: voltages over time go in, a sampled, noisy, clipped current comes out."""

import math
from collections.abc import Callable
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.material import MaterialSurrogate, noise_of
from charz.devices.random_words import normal
from charz.errors import CharzError

# The contract of every black box: ``measure(key, voltage (time, electrode)) -> current (time,)``, V in, A out. A
# `RecordedMaterial` has it, and so has a Python function that talks to an instrument and ignores the key.
Measure = Callable[[PRNGKeyArray, Float[Array, "time electrode"]], Float[Array, " time"]]


class RecordedMaterial(eqx.Module):
    r"""A material surrogate sampled in time, with noise of stated spectrum, clipping, and optionally memory.

    .. math:: I_n = \mathrm{clip}\left[f(\tilde V_n) + \xi_n\right], \qquad
              S_\xi(f) = \frac{2\sigma^2}{f_s}\left(1 + \frac{f_c}{f}\right), \qquad
              \tilde V = (1 - m) V + m v, \qquad \tau \dot v = V - v

    σ is the material's ``noise``, the standard deviation of one sample of the white part; S is one-sided, in A²/Hz.
    With memory, the device feels a share m of its voltages only after the time τ: currents then depend on the way
    to a voltage (hysteresis), and tones faster than 1/2πτ see only (1 - m) of each derivative. That case is made
    for tests that must notice it; no published memory time is known (Boon et al., arXiv:2105.11233).

    Every record starts at rest, v = V at its first sample. Noise of density ∝ 1/f is drawn over the record's
    length: it repeats after it, and holds nothing slower. Leaves are those of ONE material; posterior draws have a
    leading axis, for `equinox.filter_vmap` or `jax.vmap`.

    Parameters
    ----------
    material : MaterialSurrogate
        Synthetic, or a draw of a fitted one.
    sampling_rate : float
        :math:`f_s`, in Hz.
    corner_frequency : float
        :math:`f_c`, in Hz, below which 1/f noise exceeds the white one; 0 for white noise alone.
    memory_time : float
        τ, in s; 0 for a device without memory.
    memory_share : float
        m, dimensionless, 0 to 1.

    Raises
    ------
    CharzError
        When a rate, a frequency, a time or a share cannot be.
    """

    material: MaterialSurrogate
    sampling_rate: float = eqx.field(static=True)
    corner_frequency: float = eqx.field(static=True, default=0.0)
    memory_time: float = eqx.field(static=True, default=0.0)
    memory_share: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        if not (0 < self.sampling_rate < math.inf):
            raise CharzError(
                f"sampling_rate is {self.sampling_rate} Hz; it must be positive and finite, for it sets the time "
                "between samples"
            )
        for name, value, unit in (
            ("corner_frequency", self.corner_frequency, "Hz"), ("memory_time", self.memory_time, "s"),
        ):  # fmt: skip
            if not (0 <= value < math.inf):
                raise CharzError(
                    f"{name} is {value} {unit}; it must be finite and at least 0 (0 switches it off)"
                )
        if not (0 <= self.memory_share <= 1):
            raise CharzError(
                f"memory_share is {self.memory_share}; it must be 0 to 1, the share of a voltage that acts late"
            )

    @classmethod
    def with_density(
        cls, material: MaterialSurrogate, spectral_density: float, sampling_rate: float, **options: float
    ) -> Self:
        """Give a material white output noise of this one-sided density, in A²/Hz, whatever noise it had.

        Parameters
        ----------
        material : MaterialSurrogate
        spectral_density : float
            Of the white part, in A²/Hz; the standard deviation of a sample follows from `noise_of`.
        sampling_rate : float
            In Hz.
        **options
            ``corner_frequency``, ``memory_time``, ``memory_share``.

        Raises
        ------
        CharzError
            When the density is negative, or another number cannot be.
        """
        sigma = jnp.broadcast_to(noise_of(spectral_density, sampling_rate), jnp.shape(material.noise))
        quiet = eqx.tree_at(lambda device: device.noise, material, sigma.astype(material.slope.dtype))
        return cls(quiet, sampling_rate, **options)

    def spectral_density(self, frequency: Float[Array, "..."]) -> Float[Array, "..."]:
        """One-sided density of the noise at `frequency` in Hz, in A²/Hz."""
        white = 2 * self.material.noise**2 / self.sampling_rate
        return white * (1 + self.corner_frequency / frequency)

    def measure(self, key: PRNGKeyArray, voltage: Float[Array, "time electrode"]) -> Float[Array, " time"]:
        """Record the current, in A, under voltages in V given at every sample; noise is fresh in every sample."""
        felt = self._felt(voltage) if self.memory_time > 0 and self.memory_share > 0 else voltage
        current = self.material.current(felt)
        noise = normal(key, (voltage.shape[0],)).astype(current.dtype)
        drawn = current + self.material.noise * self._coloured(noise)
        return jnp.clip(drawn, -self.material.clip, self.material.clip)

    def _felt(self, voltage: Float[Array, "time electrode"]) -> Float[Array, "time electrode"]:
        """Voltages as the device feels them: mixed with their own past, first-order low-passed."""
        approach = -math.expm1(-1 / (self.sampling_rate * self.memory_time))

        def follow(slow: Array, now: Array) -> tuple[Array, Array]:
            slow = slow + approach * (now - slow)
            return slow, slow

        _, slow = jax.lax.scan(follow, voltage[0], voltage)
        return (1 - self.memory_share) * voltage + self.memory_share * slow

    def _coloured(self, white: Float[Array, " time"]) -> Float[Array, " time"]:
        """White noise of unit variance with its spectrum multiplied by 1 + f_c/f."""
        if self.corner_frequency == 0:
            return white
        # Bin 0 would be infinite: the mean of a record wanders as much as its slowest oscillation.
        bins = jnp.maximum(jnp.arange(white.size // 2 + 1), 1)
        gain = jnp.sqrt(1 + self.corner_frequency * white.size / (self.sampling_rate * bins))
        return jnp.fft.irfft(gain * jnp.fft.rfft(white), white.size).astype(white.dtype)
