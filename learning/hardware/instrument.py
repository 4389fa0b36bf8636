"""A bench with many electrodes: voltages out, currents back, limits checked first, and 0 V whatever happens."""

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charz.errors import HardwareError
from charz.learning.hardware.black_box import ElectrodeLimits
from charz.learning.hardware.connection import Connection
from charz.learning.hardware.scpi import Dialect

# Voltages come in single precision: an end of a range may be missed by its rounding, in V. What is sent is clipped.
SLACK = 1e-6
OWN_DIALECT = Dialect()


class Bench:
    """An instrument that plays voltages and records a current; a context in which the electrodes end safely.

    On entering it connects, identifies the instrument and asks for its limits. Every record is checked against them
    and against `limits` before anything is sent. When a record fails in any way, and on leaving, all electrodes are
    set to the safe voltage, over a new connection where the old one is suspect (its late answers would be taken for
    others); the error says whether that succeeded. A process that is killed cannot do it: a waveform ends at 0 V by
    itself, and the rest is for the instrument's own interlock.

    Parameters
    ----------
    resource : str
        VISA name, such as ``TCPIP::192.0.2.7::5025::SOCKET``.
    limits : ElectrodeLimits, optional
        Of the device or task, where they are narrower than the instrument's; they must lie within those.
    safe_voltage : float
        In V, for all electrodes.
    timeout : float
        Longest wait for an answer beyond the time that a record takes, in s.
    dialect : Dialect, optional
        Commands, where they are not charz's.

    Raises
    ------
    HardwareError
        On entering, when the instrument cannot be reached, its limits make no sense, or `limits` or the safe voltage
        leave them.
    """

    def __init__(
        self,
        resource: str,
        *,
        limits: ElectrodeLimits | None = None,
        safe_voltage: float = 0.0,
        timeout: float = 10.0,
        dialect: Dialect = OWN_DIALECT,
    ) -> None:
        self.resource, self.safe_voltage = resource, safe_voltage
        self._wanted, self._timeout, self._dialect = limits, timeout, dialect
        self._connection: Connection | None = None
        self._stated: ElectrodeLimits | None = None
        self._longest = 0
        self._is_safe = False
        self.identity = ""

    def __enter__(self) -> Self:
        self._connection = Connection(self.resource, self._timeout, self._dialect)
        try:
            self.identity = self._line.query(self._dialect.identity)
            for command in self._dialect.data_format:
                self._line.write(command)
            self._stated = self._ask_limits()
            self._line.check(self._dialect.lowest)
            self._check_limits()
        except BaseException:
            self._connection.close()
            self._connection = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_safe:
                return
            done, sentence = self._make_safe(suspect=error is not None)
        finally:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if isinstance(error, HardwareError):
            # A second failure says nothing new.
            if done or sentence not in str(error):
                raise HardwareError(f"{error}; {sentence}") from error
            return
        if error is not None:
            error.add_note(f"{self.resource}: {sentence}")
        if not done and (error is None or isinstance(error, Exception)):
            raise HardwareError(f"{self.resource}: {sentence}") from error

    def __call__(self, voltage: ArrayLike) -> NDArray[np.float64]:
        """Record, see `measure`."""
        return self.measure(voltage)

    @property
    def limits(self) -> ElectrodeLimits:
        """What holds: the task's limits, or the instrument's.

        Raises
        ------
        HardwareError
            Outside the context.
        """
        self._line  # noqa: B018
        assert self._stated is not None
        return self._wanted or self._stated

    @property
    def _line(self) -> Connection:
        if self._connection is None:
            raise HardwareError(
                f"{self.resource}: not connected; use it within `with Bench(...) as bench:`, which leaves the "
                "electrodes safe"
            )
        return self._connection

    def levels(self) -> NDArray[np.float64]:
        """Voltages (electrode,) in V at which the electrodes are now, as the instrument says."""
        return self._line.numbers(self._dialect.level + "?")

    def measure(self, voltage: ArrayLike) -> NDArray[np.float64]:
        """Play voltages (time, electrode) in V, and return the current (time,) in A.

        Raises
        ------
        HardwareError
            When voltages leave a range (nothing is sent then), no answer comes, the connection drops, or the
            instrument reports an error. It says whether all electrodes were set to the safe voltage.
        """
        line, suspect = self._line, False
        try:
            record = self._within(np.asarray(voltage, np.float64))
            self._is_safe, suspect = False, True
            line.send_block(self._dialect.load, record)
            line.check(self._dialect.load)
            current = line.read_block(self._dialect.record, len(record) / self.limits.sampling_rate)
            line.check(self._dialect.record)
            if current.shape != record.shape[:1]:
                raise HardwareError(
                    f"{self.resource}: {self._dialect.record} returned {current.size} currents for {len(record)} "
                    "samples of voltage; there must be one each"
                )
            return current
        except BaseException as error:
            done, sentence = self._make_safe(suspect)
            self._is_safe = done
            if isinstance(error, HardwareError):
                raise HardwareError(f"{error}; {sentence}") from error
            error.add_note(f"{self.resource}: {sentence}")
            raise

    def _within(self, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
        """The record, clipped by rounding only."""
        limits = self.limits
        electrodes = len(limits.lowest)
        if voltage.ndim != 2 or voltage.shape[1] != electrodes or not 0 < len(voltage) <= self._longest:
            raise HardwareError(
                f"{self.resource}: {self._dialect.load} was given voltages of shape {voltage.shape}; they must be "
                f"(time, {electrodes}) with 1 to {self._longest} samples. Nothing was sent"
            )
        lowest, highest = np.asarray(limits.lowest), np.asarray(limits.highest)
        wrong = ~((voltage >= lowest - SLACK) & (voltage <= highest + SLACK))
        if wrong.any():
            sample, electrode = np.argwhere(wrong)[0]
            raise HardwareError(
                f"{self.resource}: {self._dialect.load} was given {voltage[sample, electrode]:g} V for electrode "
                f"{electrode} at sample {sample}; its range is {lowest[electrode]:g} to {highest[electrode]:g} V. "
                "Nothing was sent"
            )
        return np.clip(voltage, lowest, highest)

    def _make_safe(self, suspect: bool) -> tuple[bool, str]:
        """Set the safe voltage, on this connection or else a new one; whether it holds, and a sentence about it."""
        reason = ""
        for renew in (suspect, True):
            try:
                if renew:
                    self._reconnect()
                reported = self._set_safe()
                return True, f"all electrodes were set to {self.safe_voltage:g} V{reported}"
            except HardwareError as error:
                reason = str(error)
        return False, (
            f"the electrodes could NOT be set to {self.safe_voltage:g} V ({reason}): switch the outputs off by hand"
        )

    def _reconnect(self) -> None:
        line = self._line
        line.close()
        self._connection = Connection(self.resource, self._timeout, self._dialect)

    def _set_safe(self) -> str:
        """Set the levels and ask for them; return what the instrument had reported before."""
        line, electrodes = self._line, len(self.limits.lowest)
        before = line.errors()
        line.write(f"{self._dialect.level} {','.join([f'{self.safe_voltage:.9g}'] * electrodes)}")
        line.check(self._dialect.level)
        levels = self.levels()
        if not np.allclose(levels, self.safe_voltage, atol=SLACK):
            raise HardwareError(f"{self.resource}: {self._dialect.level}? says {levels.tolist()} V")
        return f"; its error queue held {'; '.join(map(str, before))}" if before else ""

    def _ask_limits(self) -> ElectrodeLimits:
        line, dialect = self._line, self._dialect
        lowest, highest = (tuple(line.numbers(query).tolist()) for query in (dialect.lowest, dialect.highest))
        single = [line.numbers(query) for query in (dialect.sampling_rate, dialect.clip, dialect.longest)]
        rate, clip, longest = (float(values[0]) for values in single)
        self._longest = int(longest)
        try:
            return ElectrodeLimits(lowest, highest, rate, clip)
        except HardwareError as error:
            raise HardwareError(f"{self.resource}: states limits that cannot be: {error}") from None

    def _check_limits(self) -> None:
        stated, wanted = self._stated, self.limits
        assert stated is not None
        if len(wanted.lowest) != len(stated.lowest) or wanted.sampling_rate != stated.sampling_rate:
            raise HardwareError(
                f"{self.resource}: limits are for {len(wanted.lowest)} electrodes at {wanted.sampling_rate:g} Hz; the "
                f"instrument has {len(stated.lowest)} at {stated.sampling_rate:g} Hz"
            )
        ends = (wanted.lowest, wanted.highest, stated.lowest, stated.highest)
        for electrode, (low, high, least, most) in enumerate(zip(*ends, strict=True)):
            if low < least or high > most:
                raise HardwareError(
                    f"{self.resource}: limits allow electrode {electrode} {low:g} to {high:g} V; the instrument's "
                    f"range is {least:g} to {most:g} V"
                )
            if not low <= self.safe_voltage <= high:
                raise HardwareError(
                    f"{self.resource}: safe_voltage is {self.safe_voltage:g} V, outside the range of electrode "
                    f"{electrode}, {low:g} to {high:g} V"
                )
