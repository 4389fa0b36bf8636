"""One way to read the small TOML files that people write by hand."""

import tomllib
from pathlib import Path
from typing import Any

from charz.errors import CharzError


def read_toml(path: Path, error: type[CharzError]) -> dict[str, Any]:
    """Read a TOML file, with or without a byte-order mark.

    Parameters
    ----------
    path : path
    error : type
        Raised for what is no TOML: letters that are not UTF-8 and numbers of too many digits, too.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as reason:
        raise error(f"{path}: not a valid TOML file: {reason}") from reason
