"""Where a result comes from: versions, seed, command and checksums of its sources. Never a time stamp.

A time would make two runs with the same seed write different files.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from charz import __version__

RECORDED_PACKAGES = ("numpy", "xarray", "jax", "numpyro", "optax", "equinox")
_BLOCK = 1 << 20


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def provenance(
    sources: Iterable[Path] | Mapping[Path, str] = (),
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Attributes that every output of charz carries.

    Parameters
    ----------
    sources : iterable of Path, or mapping of Path to SHA-256
        Files from which the result was made; stored by name (not by folder) with their SHA-256, which is computed
        where it is not given.
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
        "sources": {path.name: checksum for path, checksum in known.items()},
        "seed": seed,
        "settings": dict(settings or {}),
    }
    return {"charz_version": __version__, "provenance": json.dumps(record, sort_keys=True)}
