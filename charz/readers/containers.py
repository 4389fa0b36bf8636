"""What readers of binary containers share: finding the library, a bound on memory, the text of attributes."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from charz.errors import ReadError

MAX_SHOWN = 64


def printable(value: Any) -> str:
    """Text of an attribute or cell: decoded, without NUL; a long array is described and not listed."""
    if isinstance(value, np.ndarray):
        if value.size > MAX_SHOWN:
            return f"array of shape {value.shape}, {value.dtype} (not kept)"
        # netCDF and MATLAB know no single numbers, only arrays of one.
        value = value.reshape(-1)[0] if value.size == 1 else value.tolist()
    if isinstance(value, list):
        return "[" + ", ".join(map(printable, value)) + "]"
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    text = str(value).rstrip("\x00").replace("\x00", "\\0").strip()
    return text.encode(errors="backslashreplace").decode()


def library(path: Path, module: str, extra: str, noun: str) -> ModuleType:
    """Import the library that a format needs.

    Raises
    ------
    ReadError
        When it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        raise ReadError(
            f"{path}: {noun} needs the library {top}, which is not installed; pip install 'charz[{extra}]'"
        ) from error


def refuse_larger(path: Path, size: int, ratio: int, allowance: int, what: str) -> None:
    """Raise when arrays would take far more memory than their file, as those of a decompression bomb do.

    Raises
    ------
    ReadError
        When `size` > `ratio` * file size + `allowance`, all in bytes.
    """
    limit = ratio * path.stat().st_size + allowance
    if size > limit:
        raise ReadError(
            f"{path}: {what} would take {size:.3g} bytes in memory, the file has {path.stat().st_size}; more than "
            f"{limit:.3g} are not unpacked because the file may be damaged or made to exhaust memory; "
            "save it in parts or without compression"
        )
