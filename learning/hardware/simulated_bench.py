"""What stands on a bench, simulated: a material, sources that hold their voltages, an error queue, and faults."""

import threading
import time
import zlib
from collections import deque

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from charz.devices.material_record import RecordedMaterial
from charz.learning.hardware.scpi import NO_ERROR, ScpiError

LONGEST_RECORD = 1_000_000
# Entries of the error queue; SCPI replaces the last by "Queue overflow".
QUEUE_LENGTH = 16
OUT_OF_RANGE = -222
NO_DATA = -230


class Dropped(Exception):
    """The connection shall break now: a fault that was asked for."""


class SimulatedBench:
    """Electrodes on a simulated material; several connections share it.

    Parameters
    ----------
    device : RecordedMaterial
        Its ranges are the instrument's.
    noise_seed : int
        Of the output noise.
    repeatable : bool
        Draw the noise of a record from the seed and the voltages: the same request then gives the same record, as
        resuming a run is tested with. Otherwise each record has fresh noise, from the seed and its number.
    """

    def __init__(self, device: RecordedMaterial, noise_seed: int = 0, repeatable: bool = False) -> None:
        self.device, self.repeatable = device, repeatable
        self.lowest = np.asarray(device.material.lowest, np.float64)
        self.highest = np.asarray(device.material.highest, np.float64)
        self.levels = np.zeros_like(self.lowest)
        self.records = 0
        self._errors: deque[ScpiError] = deque()
        self._loaded: NDArray[np.float64] | None = None
        self._key = jax.random.key(noise_seed)
        self._measure = eqx.filter_jit(lambda device, key, voltage: device.measure(key, voltage))
        self._delay, self._drop = 0.0, False
        self._lock = threading.Lock()

    def complain(self, code: int, text: str) -> None:
        """Put an entry into the error queue."""
        if len(self._errors) < QUEUE_LENGTH:
            self._errors.append(ScpiError(code, text))
        else:
            self._errors[-1] = ScpiError(-350, "Queue overflow")

    def next_error(self) -> ScpiError:
        """Oldest entry of the error queue, which is removed."""
        return self._errors.popleft() if self._errors else NO_ERROR

    def forget_errors(self) -> None:
        """Empty the error queue."""
        self._errors.clear()

    def set_levels(self, voltage: NDArray[np.float64]) -> None:
        """Hold these voltages (electrode,) in V, or complain."""
        if voltage.shape != self.levels.shape or not self._allowed(voltage):
            self.complain(OUT_OF_RANGE, "Data out of range")
            return
        self.levels = voltage

    def load(self, voltage: NDArray[np.float64]) -> None:
        """Take the voltages of the next record, any number of whole samples in V, or complain."""
        electrodes = self.levels.size
        if voltage.size == 0 or voltage.size % electrodes or voltage.size > LONGEST_RECORD * electrodes:
            self.complain(-161, "Invalid block data")
            return
        record = voltage.reshape(-1, electrodes)
        if not self._allowed(record):
            self.complain(OUT_OF_RANGE, "Data out of range")
            return
        self._loaded = record

    def record(self) -> NDArray[np.float64] | None:
        """Play the loaded voltages, and return the current (time,) in A; None, with a complaint, without any.

        Raises
        ------
        Dropped
            In the middle of a record, where the sources stay, when that fault was asked for.
        """
        with self._lock:
            delay, drop, self._delay, self._drop = self._delay, self._drop, 0.0, False
            record = self._loaded
            if record is None:
                self.complain(NO_DATA, "Data corrupt or stale")
                return None
            self.records += 1
            self.levels = record[len(record) // 2] if drop or delay else record[-1]
            current = self._measure(self.device, self._noise_key(record), jnp.asarray(record, jnp.float32))
        # Asleep without the lock: other connections are served meanwhile, as a safe state demands.
        time.sleep(delay)
        if drop:
            raise Dropped
        return np.asarray(current, np.float64)

    def delay_next(self, seconds: float) -> None:
        """Answer the next record late, with the sources in the middle of it."""
        self._delay = seconds

    def drop_next(self) -> None:
        """Break the connection in the middle of the next record."""
        self._drop = True

    def _noise_key(self, record: NDArray[np.float64]) -> jax.Array:
        number = zlib.crc32(record.tobytes()) if self.repeatable else self.records
        return jax.random.fold_in(self._key, number)

    def _allowed(self, voltage: NDArray[np.float64]) -> bool:
        # Ranges of a simulated device are single precision.
        return bool(np.all((voltage >= self.lowest - 1e-6) & (voltage <= self.highest + 1e-6)))
