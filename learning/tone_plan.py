"""Planner of tones: frequencies that do not disturb each other, amplitudes between bias and noise, and the reasons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charz.errors import TrainError
from charz.learning.tones import Hits, Tones, intermodulation

# Spacing that also keeps drift and 1/f sidebands of a strong neighbour away (Boon et al., figure 3: 10 Hz, one bin of
# 0.1 s, is not enough, 40 Hz is), in bins of 1/T.
SPACING_IN_BINS = 2
# Starting points of the search for a set without hits.
MAX_STARTS = 200


@dataclass(frozen=True)
class TonePlan:
    """Tones, and the numbers from which they were chosen.

    Parameters
    ----------
    tones : Tones
    base : float
        Frequency of which all are odd multiples, in Hz.
    hits : Hits
        Products of second and third order that fall onto a tone.
    density : tuple of float
        One-sided noise density at each tone, in A²/Hz.
    curvature : tuple of float
        Scale of the third derivative at each electrode, in A/V³.
    limited : tuple of bool
        Where the best amplitude was above the largest allowed.
    """

    tones: Tones
    base: float
    hits: Hits
    density: tuple[float, ...]
    curvature: tuple[float, ...]
    limited: tuple[bool, ...]

    @property
    def noise(self) -> tuple[float, ...]:
        r"""Standard deviation of each derivative, :math:`\sqrt{S(f_k)/T}/A_k`, in A/V."""
        pairs = zip(self.density, self.tones.amplitudes, strict=True)
        return tuple(math.sqrt(density / self.tones.window) / amplitude for density, amplitude in pairs)

    @property
    def bias(self) -> tuple[float, ...]:
        r"""Root-mean-square bias of each derivative from the third derivatives, in A/V (`plan_amplitudes`)."""
        amplitude, curvature = np.asarray(self.tones.amplitudes), np.cbrt(self.curvature)
        reach = amplitude * curvature
        square = curvature**2 * (reach**4 / 64 + ((reach**4).sum() - reach**4) / 16)
        return tuple(np.sqrt(square).tolist())

    def explain(self) -> str:
        """Say what was chosen and why, in numbers with units."""
        tones = self.tones
        multiples = [round(frequency / self.base) for frequency in tones.frequencies]
        lines = [
            f"Window {tones.window * 1e3:g} ms at {tones.sampling_rate:g} Hz: {tones.num_samples} samples, "
            f"bins of {1 / tones.window:g} Hz.",
            f"Frequencies are {multiples} × {self.base:g} Hz: each makes a whole number of periods in the window, so "
            f"they do not leak into each other; all are below {tones.sampling_rate / 2:g} Hz, half the sampling rate.",
            f"All multiples are odd, so sums and differences of two, which are even, miss every tone "
            f"({self.hits.second} hits of second order).",
            f"Third order: {self.hits.third} products fall onto a tone ({self.hits.difference} of the kind a+b-c, "
            f"{self.hits.total} of the kind a+b+c)"
            + (
                "; none biases a derivative." if self.hits.third == 0
                else "; fewer were not found below half the sampling rate."
            ),
            f"Neighbours are at least {2 * self.base:g} Hz apart.",
            "Amplitudes balance noise, sqrt(S/T)/A, against bias, which grows as A²:",
        ]  # fmt: skip
        rows = zip(
            tones.frequencies,
            tones.amplitudes,
            self.density,
            self.noise,
            self.bias,
            self.limited,
            strict=True,
        )
        for number, (frequency, amplitude, density, noise, bias, limited) in enumerate(rows):
            lines.append(
                f"  control {number}: {frequency:g} Hz, {amplitude * 1e3:.3g} mV; S = {density * 1e18:.3g} nA²/Hz; "
                f"noise {noise * 1e9:.3g} nA/V, bias about {bias * 1e9:.3g} nA/V"
                + (" (limited by the largest amplitude allowed)" if limited else "")
            )
        return "\n".join(lines)


def plan_tones(
    num_tones: int,
    *,
    window: float,
    sampling_rate: float,
    noise_density: float,
    curvature: float | Sequence[float],
    corner_frequency: float = 0.0,
    spacing: float | None = None,
    lowest_frequency: float = 0.0,
    max_amplitude: float = 0.1,
) -> TonePlan:
    """Choose frequencies and amplitudes for homodyne gradients.

    Parameters
    ----------
    num_tones : int
        Control electrodes.
    window : float
        T, time of one input case, in s.
    sampling_rate : float
        In Hz.
    noise_density : float
        One-sided density of the white output noise, in A²/Hz.
    curvature : float or sequence of float
        Scale of the third derivative of the current, in A/V³: one, or one a control.
    corner_frequency : float
        Below it 1/f noise exceeds the white noise, in Hz; no tone is put below it if there is room.
    spacing : float, optional
        Least distance of two tones, in Hz, a multiple of 2/T; default 2/T.
    lowest_frequency : float
        No tone is below it, in Hz.
    max_amplitude : float
        In V.

    Returns
    -------
    TonePlan

    Raises
    ------
    TrainError
        When a number cannot be, or so many tones do not fit below half the sampling rate.
    """
    _check(num_tones, window, sampling_rate, noise_density, max_amplitude)
    bin_width = 1 / window
    wanted = 2 * bin_width if spacing is None else spacing
    base = bin_width * math.ceil(wanted / (SPACING_IN_BINS * bin_width) - 1e-9)
    # The highest odd multiple strictly below half the sampling rate.
    highest = math.ceil(sampling_rate / 2 / base - 1e-9) - 1
    floor = max(lowest_frequency, corner_frequency)
    multiples = choose_multiples(num_tones, highest, math.ceil(floor / base - 1e-9))
    if multiples is None:
        multiples = choose_multiples(num_tones, highest, math.ceil(lowest_frequency / base - 1e-9))
    if multiples is None:
        raise TrainError(
            f"num_tones is {num_tones}: between {lowest_frequency:g} and {sampling_rate / 2:g} Hz there are not "
            f"as many odd multiples of {base:g} Hz; sample faster, take a longer window, or a smaller spacing"
        )
    frequencies = tuple(multiple * base for multiple in multiples)
    density = tuple(noise_density * (1 + corner_frequency / frequency) for frequency in frequencies)
    scales = _per_control(curvature, num_tones)
    best = plan_amplitudes(density, scales, window)
    amplitudes = tuple(min(amplitude, max_amplitude) for amplitude in best)
    return TonePlan(
        Tones(frequencies, amplitudes, window, sampling_rate), base, intermodulation(multiples), density, scales,
        tuple(amplitude > max_amplitude for amplitude in best),
    )  # fmt: skip


def plan_amplitudes(density: Sequence[float], curvature: Sequence[float], window: float) -> tuple[float, ...]:
    r"""Amplitudes of least mean square error.

    The bias of a derivative is
    :math:`\frac{A_k^2}{8}\partial_k^3 I + \sum_{j \ne k} \frac{A_j^2}{4}\partial_k\partial_j^2 I`. With
    :math:`c_k` the scale of the third derivative, cross terms are taken as
    :math:`c_k^{1/3} c_j^{2/3}`, and signs as independent. With :math:`A_k = \alpha_k c_k^{-1/3}` bias and noise of
    every control have the same ratio, and their squares add up to the least where

    .. math:: \alpha_k^6 = \frac{S(f_k)}{2 T \beta^2}, \qquad \beta^2 = \frac{1}{64} + \frac{K - 1}{16}

    (exact for white noise; for 1/f noise each tone takes its own density).

    Parameters
    ----------
    density : sequence of float
        One-sided noise density at each tone, in A²/Hz.
    curvature : sequence of float
        :math:`c_k`, in A/V³.
    window : float
        T, in s.

    Returns
    -------
    tuple of float
        In V.
    """
    beta_square = 1 / 64 + (len(density) - 1) / 16
    return tuple(
        (noise / (2 * window * beta_square)) ** (1 / 6) / scale ** (1 / 3)
        for noise, scale in zip(density, curvature, strict=True)
    )


def choose_multiples(num_tones: int, highest: int, lowest: int = 1) -> tuple[int, ...] | None:
    """Odd multiples with the fewest hits of third order; of those, the lowest top.

    Each set starts at another odd number and grows greedily by the smallest number that adds no hit: differences
    then never repeat (a Sidon set), and a set that starts above a third of its top has no a + b + c either.

    Parameters
    ----------
    num_tones, highest, lowest : int
        How many, and between which multiples (both included).

    Returns
    -------
    tuple of int or None
        None where there are not enough odd numbers.
    """
    first = max(lowest, 1) | 1
    candidates = range(first, highest + 1, 2)
    if len(candidates) < num_tones:
        return None
    clean: list[tuple[int, ...]] = []
    for start in candidates[:MAX_STARTS]:
        found = _without_hits(num_tones, range(start, highest + 1, 2))
        if found is not None:
            clean.append(found)
    if clean:
        return min(clean, key=max)
    return _fewest_hits(num_tones, candidates)


def _without_hits(num_tones: int, candidates: range) -> tuple[int, ...] | None:
    """First set without a hit that grows from the first candidate, or None."""
    chosen: list[int] = []
    for candidate in candidates:
        if len(chosen) == num_tones:
            break
        if intermodulation([*chosen, candidate]).third == 0:
            chosen.append(candidate)
    return tuple(chosen) if len(chosen) == num_tones else None


def _fewest_hits(num_tones: int, candidates: range) -> tuple[int, ...]:
    """Of the sets that grow greedily by the number that adds the fewest hits, the best one."""
    found = []
    for start in candidates[: len(candidates) - num_tones + 1][:MAX_STARTS]:
        chosen = [start]
        while len(chosen) < num_tones:
            left = [candidate for candidate in candidates if candidate not in chosen]
            chosen.append(min(left, key=lambda new: (intermodulation([*chosen, new]).third, new)))
        found.append(tuple(sorted(chosen)))
    return min(found, key=lambda chosen: (intermodulation(chosen).third, max(chosen)))


def _per_control(curvature: float | Sequence[float], num_tones: int) -> tuple[float, ...]:
    values = np.atleast_1d(np.asarray(curvature, float))
    if values.size == 1:
        values = np.repeat(values, num_tones)
    if values.shape != (num_tones,) or not np.all(values > 0):
        raise TrainError(
            f"curvature is {curvature} A/V³ for {num_tones} tones; it must be one positive number, or one a tone: "
            "without a third derivative there is no bias, and the best amplitude would be infinite"
        )
    return tuple(values.tolist())


def _check(
    num_tones: int, window: float, sampling_rate: float, noise_density: float, max_amplitude: float
) -> None:
    if num_tones < 1:
        raise TrainError(f"num_tones is {num_tones}; at least one control electrode must be perturbed")
    for name, value, unit in (
        ("window", window, "s"), ("sampling_rate", sampling_rate, "Hz"),
        ("noise_density", noise_density, "A²/Hz"), ("max_amplitude", max_amplitude, "V"),
    ):  # fmt: skip
        if not 0 < value < math.inf:
            raise TrainError(
                f"{name} is {value} {unit}; it must be positive and finite for amplitudes to be weighed"
            )
