"""Tones on electrodes: their sines over a window, and the products of a nonlinear device that fall onto them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import TrainError

# Periods within the window, and samples of it, may miss an integer by rounding only.
INTEGER_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Tones:
    r"""One small sine for each control electrode, all on at once, phase 0 at the start of the window.

    .. math:: V_k(t) = V_k + A_k \sin(2\pi f_k t), \qquad 0 \le t < T

    (Boon et al., arXiv:2105.11233). Over T every :math:`f_k T` is an integer, so that the tones are orthogonal to
    each other and to a constant; otherwise they leak into each other as
    :math:`|\mathrm{sinc}((f_k - f_j) T)| \sim 1/\pi |f_k - f_j| T`. Hashable, so that it is a constant of a compiled
    program.

    Parameters
    ----------
    frequencies : tuple of float
        :math:`f_k`, in Hz, all different, one for each control electrode in its order.
    amplitudes : tuple of float
        :math:`A_k`, in V.
    window : float
        T, in s.
    sampling_rate : float
        :math:`f_s`, in Hz.
    orthogonal : bool
        Demand whole periods; False allows any window, to show the leakage.

    Raises
    ------
    TrainError
        When the numbers do not belong together, two frequencies are equal, an amplitude is not positive, a frequency
        is at or beyond half the sampling rate, or a window does not hold whole samples or whole periods.
    """

    frequencies: tuple[float, ...]
    amplitudes: tuple[float, ...]
    window: float
    sampling_rate: float
    orthogonal: bool = True

    def __post_init__(self) -> None:
        _check_numbers(self)
        half = self.sampling_rate / 2
        for frequency in self.frequencies:
            if not 0 < frequency < half:
                raise TrainError(
                    f"frequency {frequency:g} Hz is not between 0 and {half:g} Hz, half the sampling rate: sampled, "
                    "it would look like another one"
                )
            if self.orthogonal and not _is_whole(frequency * self.window):
                raise TrainError(
                    f"frequency {frequency:g} Hz makes {frequency * self.window:g} periods in the window of "
                    f"{self.window:g} s; it must make a whole number, or the tones leak into each other"
                )

    @property
    def num_samples(self) -> int:
        """Samples of one window."""
        return round(self.window * self.sampling_rate)

    def sines(self, start: int = 0, delay: float = 0.0) -> NDArray[np.float64]:
        r""":math:`\sin 2\pi f_k (t - \tau)`, shape (sample, tone), from `start` samples (≤ 0) to the window's end."""
        return np.sin(self._phases(start, delay))

    def cosines(self, delay: float = 0.0) -> NDArray[np.float64]:
        r""":math:`\cos 2\pi f_k (t - \tau)` over the window, shape (sample, tone)."""
        return np.cos(self._phases(0, delay))

    def _phases(self, start: int, delay: float) -> NDArray[np.float64]:
        time = np.arange(start, self.num_samples) / self.sampling_rate - delay
        return 2 * np.pi * time[:, None] * np.asarray(self.frequencies)


def _check_numbers(tones: Tones) -> None:
    if len(tones.frequencies) != len(tones.amplitudes) or not tones.frequencies:
        raise TrainError(
            f"{len(tones.frequencies)} frequencies and {len(tones.amplitudes)} amplitudes; each control electrode "
            "needs one of both, and there must be at least one"
        )
    if len(set(tones.frequencies)) < len(tones.frequencies):
        raise TrainError(
            f"frequencies {tones.frequencies} Hz are not all different; electrodes that share one cannot be told apart"
        )
    if not all(0 < amplitude < math.inf for amplitude in tones.amplitudes):
        raise TrainError(
            f"amplitudes {tones.amplitudes} V must all be positive: a derivative is measured per volt"
        )
    if not (0 < tones.sampling_rate < math.inf and 0 < tones.window < math.inf):
        raise TrainError(
            f"window {tones.window} s at {tones.sampling_rate} Hz; both must be positive and finite to hold samples"
        )
    samples = tones.window * tones.sampling_rate
    if not _is_whole(samples) or round(samples) < 2:
        raise TrainError(
            f"a window of {tones.window:g} s at {tones.sampling_rate:g} Hz holds {samples:g} samples; it must hold a "
            "whole number, at least 2, or its sums are not over whole periods"
        )


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) <= INTEGER_TOLERANCE * max(1.0, abs(value))


class Hits(NamedTuple):
    """Products of tones that fall onto a tone.

    ``second`` counts pairs with 2a, a + b or |a - b| on a tone. With zero delay these are cosines, which spoil the
    magnitude and the phase but not the in-phase part. ``difference`` counts a + b - c (a = b included) and ``total``
    a + b + c (equal ones included) on another tone: these are sines and bias the in-phase part by O(A²).
    """

    second: int
    difference: int
    total: int

    @property
    def third(self) -> int:
        """All hits of third order."""
        return self.difference + self.total


def intermodulation(multipliers: Sequence[int]) -> Hits:
    r"""Count the products of second and third order that fall onto a tone.

    Their effect on the measured derivative (derived; signs verified numerically):
    :math:`f_k = f_a + f_b - f_c`, :math:`+\frac{A_a A_b A_c}{4 A_k}\partial_a\partial_b\partial_c I`;
    :math:`f_k = 2f_a - f_c`, :math:`+\frac{A_a^2 A_c}{8 A_k}\partial_a^2\partial_c I`;
    :math:`f_k = 2f_a + f_c`, :math:`-\frac{A_a^2 A_c}{8 A_k}\partial_a^2\partial_c I`;
    :math:`f_k = f_a + f_b + f_c`, :math:`-\frac{A_a A_b A_c}{4 A_k}\partial_a\partial_b\partial_c I`;
    :math:`3 f_a = f_k`: :math:`-\frac{A_a^3}{24 A_k}\partial_a^3 I`.

    Parameters
    ----------
    multipliers : sequence of int
        Frequencies in units of a common base; all odd ones have no hit of second order (odd ± odd is even).
    """
    tones, present = sorted(multipliers), set(multipliers)
    pairs = list(itertools.combinations(tones, 2))
    second = sum(2 * a in present for a in tones)
    second += sum((a + b in present) + (b - a in present) for a, b in pairs)
    both = list(itertools.combinations_with_replacement(tones, 2))
    # c = k counts: then a + b = 2k, and the term has the derivative by the tone's own electrode in it.
    difference = sum(a + b - c in present for a, b in both for c in present - {a, b})
    total = sum(sum(three) in present for three in itertools.combinations_with_replacement(tones, 3))
    return Hits(second, difference, total)
