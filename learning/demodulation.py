"""Derivatives from a record under tones: what oscillates with each sine, divided by its amplitude.

Plain sums over a window, so that a record of an instrument (NumPy, double precision) and a simulated one (JAX) take
the same way. The mean of each window is subtracted first: single precision then suffices for small amplitudes.
"""

import math
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from charz.devices.material_record import Measure
from charz.errors import TrainError
from charz.learning.tones import Tones
from charz.learning.waveform import Record, Waveform

Demodulation = Literal["in-phase", "signed-magnitude"]
# Points in a period of the fastest tone at which a delay is tried before it is refined.
POINTS_A_PERIOD = 16


def quadratures(windows: Record, tones: Tones, delay: float = 0.0) -> tuple[Record, Record]:
    r"""In-phase and quadrature part of the response to each tone.

    .. math:: X_k = \frac{2}{N}\sum_n y_n \sin(2\pi f_k t_n - \varphi_k), \quad
              Y_k = \frac{2}{N}\sum_n y_n \cos(2\pi f_k t_n - \varphi_k), \quad
              y = I - \bar I, \quad \varphi_k = 2\pi f_k \tau

    with the mean of each case and N samples a window (B2).

    Parameters
    ----------
    windows : array (..., case, sample)
        Current during the windows, in A; ramps and slopes cut away (`Waveform.windows`).
    tones : Tones
    delay : float
        τ, delay of the set-up, in s (`calibrate_delay`).

    Returns
    -------
    tuple of array (..., case, tone)
        X and Y, in A. Of white noise σ each has standard deviation :math:`\sigma\sqrt{2/N}`; of one-sided density
        S, :math:`\sqrt{S(f_k)/T}`.
    """
    centred = windows - windows.mean(-1, keepdims=True)
    scale = 2 / tones.num_samples
    sine, cosine = tones.sines(delay=delay) * scale, tones.cosines(delay) * scale
    # The references take the precision of the record, which alone decides it.
    return centred @ sine.astype(windows.dtype), centred @ cosine.astype(windows.dtype)


def derivatives(
    windows: Record, tones: Tones, delay: float = 0.0, demodulation: Demodulation = "in-phase"
) -> Record:
    r"""Measured derivative of the current by each control voltage, for each case, in A/V.

    "in-phase", (B3): :math:`g_k = X_k / A_k`, linear in the record and so without bias by noise.
    "signed-magnitude", of the authors' code: :math:`\pm\sqrt{X_k^2 + Y_k^2}/A_k`, positive where the phase is within
    90°; by noise alone it is :math:`\sigma_g\sqrt{\pi/2}` on average, never 0 (Rice). For comparison.

    Parameters
    ----------
    windows, tones, delay
        As in `quadratures`.
    demodulation : {"in-phase", "signed-magnitude"}

    Returns
    -------
    array (..., case, tone)

    Raises
    ------
    TrainError
        For an unknown demodulation.
    """
    in_phase, quadrature = quadratures(windows, tones, delay)
    amplitudes = np.asarray(tones.amplitudes, windows.dtype)
    if demodulation == "in-phase":
        return in_phase / amplitudes
    if demodulation == "signed-magnitude":
        # Whichever library the record is from; currents of 1e-9 A squared still fit single precision.
        library = np if isinstance(windows, np.ndarray) else jnp
        magnitude = library.hypot(in_phase, quadrature)
        return library.where(in_phase >= 0, magnitude, -magnitude) / amplitudes
    raise TrainError(
        f"demodulation {demodulation!r} is not known; it must be 'in-phase' or 'signed-magnitude'"
    )


def calibrate_delay(windows: Record, tones: Tones) -> float:
    r"""Delay of the set-up, in s, from one record: the one that leaves the least in quadrature.

    The response to a tone is :math:`\pm R_k \sin 2\pi f_k (t - \tau)` with unknown sign, so τ maximises
    :math:`\sum_{c,k} X_{ck}(\tau)^2`, which is periodic in :math:`1/2g`, g the greatest common divisor of the
    frequencies. Once for a set-up, from a record with settling longer than the delay.

    Parameters
    ----------
    windows : array (case, sample)
        Current in A.
    tones : Tones

    Returns
    -------
    float
        Between ±1/4g; its standard deviation is about :math:`1/2\pi f` divided by the ratio of signal to noise of
        the strongest tones.

    Raises
    ------
    TrainError
        When nothing oscillates at the tones.
    """
    in_phase, quadrature = (np.asarray(part, float) for part in quadratures(np.asarray(windows), tones))
    frequencies = np.asarray(tones.frequencies)
    if not np.any(in_phase**2 + quadrature**2 > 0):
        raise TrainError(
            "the record does not oscillate at any tone (is the amplifier clipping?): a delay shows only in a response"
        )

    def missed(delay: float | NDArray[np.float64]) -> NDArray[np.float64]:
        angle = 2 * np.pi * frequencies * np.asarray(delay)[..., None, None]
        return -((in_phase * np.cos(angle) - quadrature * np.sin(angle)) ** 2).sum((-1, -2))

    reach = 0.25 / _common_divisor(tones)
    number = POINTS_A_PERIOD * math.ceil(2 * reach * frequencies.max())
    grid = np.linspace(-reach, reach, number, endpoint=False)
    # With response in all cases; the grid is so fine that its best point lies on the slope of the true maximum.
    best, step = grid[np.argmin(missed(grid))], grid[1] - grid[0]
    found = minimize_scalar(
        missed, bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-12}
    )
    return float(found.x)


def _common_divisor(tones: Tones) -> float:
    """Greatest common divisor of the frequencies, in Hz: whole numbers of periods in a window have one."""
    periods = [round(frequency * tones.window) for frequency in tones.frequencies]
    return math.gcd(*periods) / tones.window


def measure_derivatives(
    key: PRNGKeyArray,
    measure: Measure,
    waveform: Waveform,
    levels: Float[Array, "case electrode"],
    controls: tuple[int, ...],
    *,
    delay: float = 0.0,
    demodulation: Demodulation = "in-phase",
) -> Record:
    """Record all cases once and take the derivatives by all controls, (case, control) in A/V.

    Parameters
    ----------
    key : PRNG key
        For the noise of a simulated device; an instrument ignores it.
    measure : callable
        ``measure(key, voltage (time, electrode)) -> current (time,)``, in V and A.
    waveform : Waveform
    levels : array (case, electrode)
        Voltages about which to measure, in V.
    controls : tuple of int
        Electrodes with tones, in the order of the tones.
    delay, demodulation
        As of `derivatives`.

    Raises
    ------
    TrainError
        When tones, controls and record do not belong together.
    """
    record = measure(key, waveform.voltage(levels, controls))
    return derivatives(waveform.windows(record, levels.shape[0]), waveform.tones, delay, demodulation)
