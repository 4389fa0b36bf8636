"""Compiled programs are kept in the user's cache folder, so that a second run of a command starts at once.

JAX compiles a program for each shape of data; that takes most of the time of a short command. Its own persistent cache
knows a program by its code and versions, so that nothing stale is ever taken; each kind of processor has a folder of
its own here, for machines that share a home folder.
"""

import hashlib
import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

SWITCH = "CHARZ_COMPILATION_CACHE"
OFF = "off"
# Programs that compile faster than this, in s, are not worth a file.
LEAST_TIME = "0.02"
# Bytes; JAX drops what was not used for longest.
MOST_BYTES = str(2**30)


def cache_folder(environment: MutableMapping[str, str]) -> Path | None:
    """Folder of the cache: `CHARZ_COMPILATION_CACHE`, else ``charz/compiled`` in the user's cache folder.

    Parameters
    ----------
    environment : mapping
        As `os.environ`.

    Returns
    -------
    Path or None
        None where it is turned off: by ``CHARZ_COMPILATION_CACHE=off``.
    """
    named = environment.get(SWITCH)
    if named == OFF:
        return None
    caches = environment.get("XDG_CACHE_HOME")
    users = (Path(caches) if caches else Path.home() / ".cache") / "charz" / "compiled"
    return (Path(named).expanduser() if named else users) / processor()


def processor() -> str:
    """Short name of the processor's kind; programs compiled on one may use instructions that another has not."""
    known = [platform.system(), platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    known += sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]


def keep_compiled_programs(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Let JAX, which reads the environment when it is imported, keep what it compiles.

    What the user has set for JAX stays. A folder that cannot be made is no reason to fail: a cache saves time only.

    Returns
    -------
    Path or None
        The folder; None where there is no cache, or the user's own.
    """
    folder = cache_folder(environment)
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    environment["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", LEAST_TIME)
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    environment.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", MOST_BYTES)
    # XLA takes two hints to its compiler for instructions that the processor lacks, and says so, as an error, for every
    # program it loads. What is wrong in earnest is raised as an exception.
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return folder
