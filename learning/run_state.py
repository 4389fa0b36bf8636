"""Where a run stands, in a file: written whole after each step, so that a crash costs one step."""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import PyTree

from charz.atomic import replacing
from charz.errors import TrainError

State = TypeVar("State", bound=PyTree)
# Changes when the meaning of the arrays does.
VERSION = "charz-run-1"


def fingerprint(parts: Iterable[object]) -> str:
    """SHA-256 of what defines a run: arrays by shape, type and bytes, anything else by its ``repr``."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray | jax.Array):
            array = np.ascontiguousarray(part)
            digest.update(f"{array.shape}{array.dtype}".encode() + array.tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def save_run(path: Path | str, run: str, state: PyTree) -> None:
    """Write the arrays of a state (NumPy's npz, no pickle); the old file stays until the new one is complete.

    Parameters
    ----------
    path : path
    run : str
        `fingerprint` of the run.
    state : pytree of arrays

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
    """
    arrays: dict[str, Any] = {
        f"leaf_{index:04d}": np.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(state))
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, version=np.asarray(VERSION), run=np.asarray(run), **arrays)


def load_run(path: Path | str, run: str, like: State) -> State:
    """Read a state that `save_run` wrote for the same run.

    Parameters
    ----------
    path : path
    run : str
        `fingerprint` of the run that shall go on.
    like : pytree of arrays
        Any state of that run, for structure, shapes and types.

    Raises
    ------
    TrainError
        When the file cannot be read, or belongs to another run.
    """
    stored = stored_arrays(path)
    expected, structure = jax.tree.flatten(like)
    leaves = [stored.get(f"leaf_{index:04d}") for index in range(len(expected))]
    same = stored.get("version") == VERSION and stored.get("run") == run
    if not same or any(
        leaf is None or leaf.shape != np.shape(wanted) for leaf, wanted in zip(leaves, expected, strict=True)
    ):
        raise TrainError(
            f"{path}: the state of another run (key, task, data, limits or options differ); it would go on with "
            "numbers that mean something else: give another file, or the old options"
        )
    return jax.tree.unflatten(
        structure, [_as(leaf, wanted) for leaf, wanted in zip(leaves, expected, strict=True)]
    )


def stored_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Arrays of a file that `save_run` wrote, of whatever run.

    Raises
    ------
    TrainError
        When the file cannot be read.
    """
    try:
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TrainError(
            f"{path}: not the state of a run ({error}); delete it, or give another file, to start from the beginning"
        ) from error


def _as(leaf: Any, wanted: object) -> object:
    """The stored array, in the library that the run uses there."""
    return leaf if isinstance(wanted, np.ndarray) else jax.numpy.asarray(leaf)
