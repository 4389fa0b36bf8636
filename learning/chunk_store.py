"""Finished chunks of a prediction in a folder, so that one which was stopped goes on where it stood."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charz.errors import TrainError
from charz.learning.run_state import VERSION, save_run, stored_arrays

# A chunk of rows of a result: which rows, and its leaves over them.
Chunk = tuple[np.ndarray, list[np.ndarray]]


@dataclass(frozen=True)
class ChunkStore:
    """A folder with one file a finished chunk (NumPy's npz, no pickle), each written whole or not at all.

    Parameters
    ----------
    folder : Path
    run : str
        Fingerprint of the request, devices, data and versions; chunks of any other are refused.
    """

    folder: Path
    run: str

    def save(self, part: str, rows: np.ndarray, leaves: list[np.ndarray]) -> None:
        """Write a chunk; no two chunks of a part share a row, so its first one names it."""
        save_run(self.folder / f"{part}-{rows[0]:08d}.npz", self.run, (rows, *leaves))

    def load(self, part: str) -> Iterator[Chunk]:
        """Give the finished chunks of a part, in order of their first rows.

        Raises
        ------
        TrainError
            When a file cannot be read, or belongs to another prediction.
        """
        for path in sorted(self.folder.glob(f"{part}-*.npz")):
            stored = stored_arrays(path)
            if str(stored.pop("version", "")) != VERSION or str(stored.pop("run", "")) != self.run:
                raise TrainError(
                    f"{path}: a chunk of another prediction (devices, data, options, seed or versions differ), which"
                    f" would mix two results: repeat the old request, or delete the folder {self.folder}"
                )
            rows, *leaves = (stored[name] for name in sorted(stored))
            yield rows, leaves


def open_store(folder: Path | str, run: str, *, resume: bool) -> ChunkStore:
    """Make the folder, or with `resume` go on from it.

    Raises
    ------
    TrainError
        When the folder exists and is not to be resumed, or is to be resumed and does not exist.
    FileNotFoundError
        When the folder above it does not exist.
    """
    check_store(folder, resume=resume)
    Path(folder).mkdir(exist_ok=True)
    return ChunkStore(Path(folder), run)


def check_store(folder: Path | str, *, resume: bool) -> None:
    """Refuse a folder that `open_store` would refuse, before anything is computed.

    Raises
    ------
    TrainError
        When the folder exists and is not to be resumed, or is to be resumed and does not exist.
    FileNotFoundError
        When the folder above it does not exist.
    """
    folder = Path(folder)
    if resume and not folder.is_dir():
        raise TrainError(
            f"resume (--resume) needs the finished chunks of a prediction that was stopped; {folder} does not exist:"
            " start without it"
        )
    if not resume and folder.exists():
        raise TrainError(
            f"{folder} exists, with chunks of a prediction that was stopped: go on from them (resume=True, --resume on"
            " the command line), or delete the folder to start again"
        )
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {folder.parent} does not exist; create it first")


def delete_store(folder: Path | str) -> None:
    """Delete the chunks, those whose writing was cut short, and the folder if nothing else lies in it."""
    folder = Path(folder)
    for path in (*folder.glob("*.npz"), *folder.glob(".*.npz")):
        path.unlink()
    with suppress(OSError):
        folder.rmdir()
