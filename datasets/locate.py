"""Where image files lie on this machine; nothing is ever downloaded."""

import os
from collections.abc import Sequence
from pathlib import Path

from charz.errors import ReadError

ENVIRONMENT_VARIABLE = "CHARZ_DATA"


def data_roots(root: Path | str | None = None) -> tuple[Path, ...]:
    """Folders in which image sets are looked for, first match wins.

    Parameters
    ----------
    root : path, optional
        Look only here. Otherwise: the folder named by the environment variable ``CHARZ_DATA``, then the
        user's data folder, ``$XDG_DATA_HOME/charz`` or ``~/.local/share/charz``.
    """
    if root is not None:
        return (Path(root).expanduser(),)
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    # The XDG specification: an empty variable counts as unset.
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    user = Path(home) / "charz"
    return (Path(named).expanduser(), user) if named else (user,)


def find_files(folder: str, names: Sequence[str], root: Path | str | None = None) -> list[Path]:
    """Paths of all files of an image set, each plain or with ``.gz`` appended.

    Parameters
    ----------
    folder : str
        Name of the set's folder, for example ``mnist``.
    names : sequence of str
        File names that must all be there.
    root : path, optional
        As in `data_roots`.

    Raises
    ------
    ReadError
        When no folder holds all of them; the message says what is missing and how to name another folder.
    """
    places = [place / folder for place in data_roots(root)]
    missing: list[str] = []
    for place in places:
        found = {name: _plain_or_gzip(place / name) for name in names}
        complete = [path for path in found.values() if path is not None]
        if len(complete) == len(names):
            return complete
        missing = missing or [name for name, path in found.items() if path is None and complete]
    detail = f" (a folder is there, but lacks {', '.join(missing)})" if missing else ""
    raise ReadError(
        f"{folder} needs the files {', '.join(names)} (plain or .gz); "
        f"looked in {', '.join(map(str, places))}{detail}. Put them there, or set {ENVIRONMENT_VARIABLE} "
        f"to the folder that holds {folder}/; nothing is downloaded"
    )


def _plain_or_gzip(path: Path) -> Path | None:
    packed = path.with_name(path.name + ".gz")
    return next((candidate for candidate in (path, packed) if candidate.is_file()), None)
