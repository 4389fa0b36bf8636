"""A line to an instrument through PyVISA: commands, answers and blocks, with one clear error for all that can fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import HardwareError
from charz.learning.hardware.scpi import BLOCK_TYPE, Dialect, ScpiError, parse_error

# Backend written in Python, part of the extra: no vendor's library is needed.
BACKEND = "@py"
# A queue that never empties is broken; SCPI asks for at least two entries.
MAX_ERRORS = 20


def visa() -> Any:
    """PyVISA, imported when first needed.

    Raises
    ------
    HardwareError
        When it, or its backend, is not installed.
    """
    try:
        import pyvisa
        import pyvisa_py  # noqa: F401
    except ImportError as error:
        raise HardwareError(
            f"instruments need PyVISA, and {error.name} is not installed: pip install 'charz[hardware]'"
        ) from error
    return pyvisa


class Connection:
    """An open session with one instrument.

    Parameters
    ----------
    resource : str
        VISA name, such as ``TCPIP::192.0.2.7::5025::SOCKET``.
    timeout : float
        Longest wait for an answer, in s.
    dialect : Dialect

    Raises
    ------
    HardwareError
        When PyVISA is missing, the name is not one, nobody answers there, or the time-out is not positive.
    """

    def __init__(self, resource: str, timeout: float, dialect: Dialect) -> None:
        if not 0 < timeout < float("inf"):
            raise HardwareError(
                f"timeout is {timeout} s; it must be positive and finite, or a lost answer hangs"
            )
        self.resource, self.timeout, self.dialect = resource, timeout, dialect
        library = visa()
        try:
            self._session = library.ResourceManager(BACKEND).open_resource(
                resource, open_timeout=int(timeout * 1e3), read_termination="\n", write_termination="\n"
            )
        # The backend raises a bare Exception where it cannot connect.
        except Exception as error:
            raise HardwareError(f"{resource}: cannot be opened ({_first_line(error)})") from error
        self._session.timeout = timeout * 1e3

    def close(self) -> None:
        """End the session; nothing is sent."""
        self._session.close()

    def write(self, command: str) -> None:
        """Send a command without an answer."""
        with self._failing(command, self.timeout):
            self._session.write(command)

    def query(self, command: str) -> str:
        """Send a command, and return its answer."""
        with self._failing(command, self.timeout):
            return self._session.query(command).strip()

    def numbers(self, command: str) -> NDArray[np.float64]:
        """Ask for numbers separated by commas.

        Raises
        ------
        HardwareError
            When the answer is something else.
        """
        answer = self.query(command)
        try:
            return np.asarray([float(part) for part in answer.split(",")])
        except ValueError:
            raise HardwareError(
                f"{self.resource}: {command} was answered by {answer[:80]!r}; it must be numbers separated by commas"
            ) from None

    def send_block(self, command: str, values: NDArray[np.float64]) -> None:
        """Send numbers as a block of little-endian doubles."""
        with self._failing(command, self.timeout):
            self._session.write_binary_values(
                command + " ", values.ravel(), datatype=BLOCK_TYPE, is_big_endian=False
            )

    def read_block(self, command: str, duration: float = 0.0) -> NDArray[np.float64]:
        """Ask for a block of little-endian doubles that takes `duration` in s to come about."""
        patience = self.timeout + duration
        self._session.timeout = patience * 1e3
        try:
            with self._failing(command, patience):
                return self._session.query_binary_values(
                    command, datatype=BLOCK_TYPE, is_big_endian=False, container=np.asarray
                )
        finally:
            self._session.timeout = self.timeout * 1e3

    def errors(self) -> list[ScpiError]:
        """Empty the instrument's error queue."""
        found: list[ScpiError] = []
        while len(found) < MAX_ERRORS and (entry := parse_error(self.query(self.dialect.error))).code:
            found.append(entry)
        return found

    def check(self, command: str) -> None:
        """Ask whether the instrument has anything against what was sent last.

        Raises
        ------
        HardwareError
            When its error queue is not empty.
        """
        if found := self.errors():
            raise HardwareError(
                f"{self.resource}: {command} was refused: {'; '.join(map(str, found))} (the instrument's error queue)"
            )

    @contextmanager
    def _failing(self, command: str, patience: float) -> Iterator[None]:
        library = visa()
        try:
            yield
        except library.errors.VisaIOError as error:
            if error.error_code == library.constants.StatusCode.error_timeout:
                raise HardwareError(
                    f"{self.resource}: {command} got no answer within {patience:g} s (time-out): the connection was "
                    "dropped, the instrument is busy, or it does not know the command"
                ) from error
            raise HardwareError(f"{self.resource}: {command} failed ({_first_line(error)})") from error
        except OSError as error:
            raise HardwareError(
                f"{self.resource}: the connection failed at {command} ({_first_line(error)})"
            ) from error
        except (ValueError, library.errors.Error) as error:
            raise HardwareError(
                f"{self.resource}: {command} got an answer that is not a block ({_first_line(error)})"
            ) from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
