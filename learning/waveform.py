"""Voltages over time for one set of input cases: ramp, plateaus with tones, slopes between them, ramp."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from charz.errors import TrainError
from charz.learning.tones import Tones

# A measured record, from JAX or from an instrument; both index, multiply and take means alike.
Record = Array | NDArray[np.floating]


@dataclass(frozen=True)
class Wiring:
    """Which electrodes carry the data and which are controls, that is, parameters to train.

    Parameters
    ----------
    data : tuple of int
        Electrode of each input.
    controls : tuple of int
        Electrode of each control voltage.

    Raises
    ------
    TrainError
        Unless every electrode is used exactly once, and there is at least one control.
    """

    data: tuple[int, ...]
    controls: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.data + self.controls) != list(range(self.num_electrodes)) or not self.controls:
            raise TrainError(
                f"data electrodes {self.data} and controls {self.controls} must be each of 0 to "
                f"{self.num_electrodes - 1} once, with at least one control: an electrode has one voltage at a time"
            )

    @property
    def num_electrodes(self) -> int:
        """Voltage electrodes of the device."""
        return len(self.data) + len(self.controls)

    def levels(
        self, x: Float[Array, "case data"], theta: Float[Array, " control"]
    ) -> Float[Array, "case electrode"]:
        """Voltages of all electrodes in V, from the data voltages of each case and the controls."""
        order = np.argsort(self.data + self.controls)
        controls = jnp.broadcast_to(theta, (x.shape[0], len(self.controls)))
        return jnp.concatenate([x, controls], axis=1)[:, order]


@dataclass(frozen=True)
class Waveform:
    """Timing of one measurement: every case is a plateau of one window, the sines restart at phase 0 in each.

    From 0 V it ramps to the first case and from the last back to 0 V; slopes lead from case to case. Ramps, slopes
    and settling are masked out of the record. During settling the sines already run, so that a set-up with a delay
    is in its steady state when the window opens.

    Parameters
    ----------
    tones : Tones
        Window, sampling rate, and the sines.
    slope : float
        Time between two plateaus, in s (authors' code: 20 ms).
    ramp : float
        Time from and to 0 V, in s (authors' code: 20 ms).
    settle : float
        Time on each plateau before its window opens, in s.

    Raises
    ------
    TrainError
        When a time is negative.
    """

    tones: Tones
    slope: float = 0.02
    ramp: float = 0.02
    settle: float = 0.0

    def __post_init__(self) -> None:
        for name in ("slope", "ramp", "settle"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TrainError(f"{name} is {getattr(self, name)} s; a time must be finite and at least 0")

    def num_samples(self, num_cases: int) -> int:
        """Samples of the whole record."""
        ramp, slope, settle = self._samples
        return 2 * ramp + num_cases * (settle + self.tones.num_samples) + (num_cases - 1) * slope

    def voltage(
        self, levels: Float[Array, "case electrode"], controls: tuple[int, ...], perturbed: bool = True
    ) -> Float[Array, "time electrode"]:
        """Voltage of every electrode at every sample, in V.

        Parameters
        ----------
        levels : array
            Plateau voltages of each case, in V.
        controls : tuple of int
            Electrodes that carry the tones, in the order of the tones.
        perturbed : bool
            False leaves the sines out.

        Raises
        ------
        TrainError
            When there is not one tone for each of `controls`.
        """
        ramp, slope, settle = self._samples
        cases, electrodes = levels.shape
        plateau = jnp.broadcast_to(levels[:, None], (cases, settle + self.tones.num_samples, electrodes))
        if perturbed:
            plateau = plateau + jnp.asarray(self._sines(electrodes, controls), levels.dtype)
        # Fractions of the way within a slope: neither end belongs to it.
        way = (np.arange(1, slope + 1) / (slope + 1)).astype(levels.dtype)[:, None]
        steps = jnp.diff(levels, axis=0, append=levels[-1:])[:, None]
        body = jnp.concatenate([plateau, levels[:, None] + way * steps], axis=1).reshape(-1, electrodes)
        up = (np.arange(ramp) / max(ramp, 1)).astype(levels.dtype)[:, None]
        down = 1 - (np.arange(1, ramp + 1) / max(ramp, 1)).astype(levels.dtype)[:, None]
        return jnp.concatenate([up * levels[0], body[: body.shape[0] - slope], down * levels[-1]])

    def windows(self, record: Record, num_cases: int) -> Record:
        """Cut the windows of all cases out of a record (time,), shape (case, sample): the mask.

        Raises
        ------
        TrainError
            When the record is not as long as the voltages were.
        """
        if record.shape[-1] != self.num_samples(num_cases):
            raise TrainError(
                f"the record has {record.shape[-1]} samples, the waveform of {num_cases} cases "
                f"{self.num_samples(num_cases)}: the device must return one current for each sample of voltage"
            )
        ramp, slope, settle = self._samples
        window = self.tones.num_samples
        starts = ramp + settle + np.arange(num_cases) * (settle + window + slope)
        return record[..., starts[:, None] + np.arange(window)]

    @property
    def _samples(self) -> tuple[int, int, int]:
        """Samples of a ramp, a slope and the settling."""
        rate = self.tones.sampling_rate
        return round(self.ramp * rate), round(self.slope * rate), round(self.settle * rate)

    def _sines(self, electrodes: int, controls: tuple[int, ...]) -> NDArray[np.float64]:
        if len(controls) != len(self.tones.frequencies):
            raise TrainError(
                f"{len(self.tones.frequencies)} tones for {len(controls)} control electrodes; each needs its own, or "
                "its derivative is not measured"
            )
        sines = self.tones.sines(-self._samples[2]) * np.asarray(self.tones.amplitudes)
        spread = np.zeros((sines.shape[0], electrodes))
        spread[:, list(controls)] = sines
        return spread
