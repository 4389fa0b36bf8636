"""Run as a script: open an HDF5 file to its end, in a process that may hang or crash without harm.

libhdf5 loops forever on some damaged files (a global heap with an object of size zero, HDF5 2.0.0), and no
exception, signal or thread of Python can stop it. So a child process goes first, under limits of time and
memory; `charz.readers.hdf5` opens only what the child has survived. This module knows h5py and nothing of
charz, so that the child starts in a tenth of a second.
"""

import sys
from typing import Any

MAX_READ = 256_000_000
MAX_OBJECTS = 100_000
MEMORY = 4 << 30


def probe(path: str) -> None:
    """Visit every object, attribute and reference, and read the data up to ``MAX_READ`` bytes.

    Raises
    ------
    Exception
        Whatever h5py raises on damage; the caller of the script sees its text.
    """
    import h5py

    with h5py.File(path, "r") as file:
        waiting: list[Any] = [file]
        seen, left = set(), MAX_READ
        while waiting:
            item = waiting.pop()
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise ValueError(f"more than {MAX_OBJECTS} groups and arrays")
            for name in item.attrs:
                _follow(file, item.attrs[name])
            if isinstance(item, h5py.Group):
                waiting.extend(item[name] for name in hard_links(item))
            elif isinstance(item, h5py.Dataset) and item.shape is not None and not elsewhere(item):
                left -= _read(file, item, left)


def hard_links(group: Any) -> list[str]:
    """Names of the members that lie in this file; soft links may lead out of it over others."""
    import h5py

    return [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]


def elsewhere(dataset: Any) -> str | None:
    """Why the data of an array cannot be read from this file alone; None when they can."""
    import h5py

    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        return (
            "its data lie in other files, which are never opened through this one; read those, or repack it"
        )
    for index in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            called = name.decode(errors="replace") or "no name"
            return (
                f"it is packed with the filter {code} ({called}), which is not installed; repack it with "
                "h5repack -f GZIP=4"
            )
    return None


def num_bytes(dataset: Any) -> int:
    """Size of an array in memory; Python's integers, because damaged shapes overflow NumPy's."""
    size = dataset.dtype.itemsize
    for length in dataset.shape:
        size *= int(length)
    return size


def _read(file: Any, dataset: Any, left: int) -> int:
    size = num_bytes(dataset)
    if size > left:
        return 0
    _follow(file, dataset[()])
    return size


def _follow(file: Any, value: Any) -> None:
    """Follow references: a damaged one may point anywhere."""
    import h5py
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind == "O":
        for item in array.reshape(-1):
            if isinstance(item, np.ndarray):
                _follow(file, item)
            elif isinstance(item, h5py.Reference) and item:
                _ = file[item].name


def main() -> None:
    """Exit with 0 when the file can be opened to its end, with 3 and one line when it cannot."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the limit of time remains
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        probe(sys.argv[1])
    except Exception as error:
        sys.stderr.write(" ".join(str(error).split()) or type(error).__name__)
        sys.exit(3)


if __name__ == "__main__":
    main()
