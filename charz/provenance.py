"""Where a result comes from: versions, seed, command and checksums of its sources. Never a time stamp.

A time would make two runs with the same seed write different files.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from charz import __version__

RECORDED_PACKAGES = ("numpy", "xarray", "jax", "numpyro", "optax", "equinox")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_names(paths: Sequence[Path]) -> list[str]:
    """Name of each file, with as few folders in front as tell all of them apart.

    Results do not depend on where a folder lies, unless files of one name are read from several folders.
    """
    parts = [path.absolute().parts for path in paths]
    depths = range(1, max(map(len, parts), default=1) + 1)
    tried = (["/".join(part[-depth:]) for part in parts] for depth in depths)
    return next(names for names in tried if len(set(names)) == len(set(parts)))


def provenance(
    sources: Iterable[Path] | Mapping[Path, str] = (),
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Attributes that every output of charz carries.

    Parameters
    ----------
    sources : iterable of Path, or mapping of Path to SHA-256
        Files from which the result was made; stored by name (with folders only where names repeat) with their
        SHA-256, which is computed where it is not given.
    seed : int, optional
        Seed of the run's PRNG key.
    settings : mapping, optional
        The options that shaped the result.

    Returns
    -------
    dict
        ``charz_version`` and ``provenance``, one JSON string (netCDF attributes cannot nest).
    """
    known = sources if isinstance(sources, Mapping) else {path: sha256(path) for path in map(Path, sources)}
    record = {
        "versions": {name: metadata.version(name) for name in RECORDED_PACKAGES},
        "sources": dict(zip(source_names(list(known)), known.values(), strict=True)),
        "seed": seed,
        "settings": dict(settings or {}),
    }
    return {"charz_version": __version__, "provenance": json.dumps(record, sort_keys=True)}
