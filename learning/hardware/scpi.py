"""SCPI between charz and a bench: the commands in use, how headers match, and how errors are written."""

import re
from dataclasses import dataclass
from functools import cache
from io import BufferedIOBase
from typing import BinaryIO, NamedTuple

# IEEE 488.2 and SCPI-99: a definite-length block is '#', one digit, so many digits of length, and the bytes.
BLOCK_TYPE = "d"
Bytes = BinaryIO | BufferedIOBase


@dataclass(frozen=True)
class Dialect:
    """The commands of a bench; replace those that another one spells differently.

    Records are blocks of little-endian doubles: voltages sample after sample, every electrode of a sample together;
    currents one a sample.

    Parameters
    ----------
    identity, error : str
        Queries of IEEE 488.2 and SCPI-99.
    data_format : tuple of str
        Sent once after connecting, so that blocks are little-endian doubles.
    lowest, highest : str
        Queries of the range of each electrode, in V, separated by commas.
    clip, sampling_rate, longest : str
        Queries of the amplifier's range in A, the rate in Hz, and the most samples of a record.
    level : str
        Sets the voltages of all electrodes, in V, separated by commas; with a question mark it asks for them.
    load : str
        Takes the voltages of a record, a block.
    record : str
        Query: play the voltages, and return the currents, a block.
    """

    identity: str = "*IDN?"
    error: str = "SYSTem:ERRor?"
    data_format: tuple[str, ...] = ("FORMat:DATA REAL,64", "FORMat:BORDer SWAPped")
    lowest: str = "SOURce:VOLTage:RANGe:LOWer?"
    highest: str = "SOURce:VOLTage:RANGe:UPPer?"
    clip: str = "SENSe:CURRent:RANGe?"
    sampling_rate: str = "SENSe:SWEep:RATE?"
    longest: str = "SENSe:SWEep:POINts? MAXimum"
    level: str = "SOURce:VOLTage:LEVel"
    load: str = "SOURce:VOLTage:DATA"
    record: str = "READ?"


class Message(NamedTuple):
    """One command: its header, its argument as text, and its block, each perhaps empty."""

    header: str
    argument: str
    block: bytes


class BrokenBlock(Exception):
    """A block whose header is not '#', digits, length; what follows cannot be told from data."""


def read_message(stream: Bytes) -> Message | None:
    """Read one command up to its line feed; None at the end of the connection.

    Raises
    ------
    BrokenBlock
        When a block's header is wrong, or the connection ends within a block.
    """
    head = bytearray()
    while (byte := stream.read(1)) != b"\n":
        if not byte:
            return None
        if byte == b"#" and b" " in head:
            block = _read_block(stream)
            stream.readline()
            return _message(head, block)
        head += byte
    return _message(head, b"")


def _message(head: bytearray, block: bytes) -> Message:
    header, _, argument = head.decode("ascii", "replace").strip().partition(" ")
    return Message(header, argument.strip(), block)


def _read_block(stream: Bytes) -> bytes:
    digits = stream.read(1)
    length = stream.read(int(digits)) if digits.isdigit() else b""
    if not length.isdigit():
        raise BrokenBlock
    block = stream.read(int(length))
    if len(block) < int(length):
        raise BrokenBlock
    return block


def as_block(payload: bytes) -> bytes:
    """Put the header of a definite-length block in front of bytes."""
    length = str(len(payload))
    return f"#{len(length)}{length}".encode() + payload


def matches(pattern: str, header: str) -> bool:
    """Whether a header is this command, long or short (its capitals), in any case, with ':' in front or not."""
    return _expression(pattern).fullmatch(header) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    words = []
    for word in pattern.removesuffix("?").split(":"):
        short = "".join(letter for letter in word if not letter.islower())
        words.append(f"(?:{re.escape(word)}|{re.escape(short)})")
    query = r"\?" if pattern.endswith("?") else ""
    return re.compile(":?" + ":".join(words) + query, re.IGNORECASE)


class ScpiError(NamedTuple):
    """An entry of the error queue: negative codes are SCPI's own, positive ones the instrument's."""

    code: int
    text: str

    def __str__(self) -> str:
        return f'{self.code},"{self.text}"'


NO_ERROR = ScpiError(0, "No error")


def parse_error(answer: str) -> ScpiError:
    """Read an entry of the error queue; what has no code counts as an error with code 1."""
    code, _, text = answer.partition(",")
    try:
        return ScpiError(int(code), text.strip().strip('"'))
    except ValueError:
        return ScpiError(1, answer.strip())
