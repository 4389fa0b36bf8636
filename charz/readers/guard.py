"""Damaged files meet foreign libraries, which raise errors of their own kinds; here they become one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charz.errors import CharzError, ReadError

MAX_REASON = 160


@contextmanager
def foreign(path: Path | str, noun: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into a `ReadError` that names the file.

    Parameters
    ----------
    path : path
        For the message, with the place in the file where it is known.
    noun : str
        What the file should be, with its article: ``"an Excel workbook"``.

    Raises
    ------
    ReadError
        In place of any exception but charz' own and those of a missing or unreadable file.
    """
    try:
        yield
    except (CharzError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # libraries for damaged files raise nearly everything
        reason = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
        raise ReadError(
            f"{path}: not {noun} that can be read (cut short, damaged, or of another format): {reason}"
        ) from error
