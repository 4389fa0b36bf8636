"""What a MATLAB variable is, whichever version of the format it comes from, and the columns in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.readers.arrays import MAX_DEPTH

OBJECT = "it is an object, a table or a function handle of MATLAB; store its columns as vectors"
SPARSE = "it is a sparse matrix; store full(...)"
COMPLEX = "it is complex; store its real and imaginary part as two arrays"
MAX_CELLS = 100_000
DEEP = f"it is nested more than {MAX_DEPTH} levels deep"


@dataclass(frozen=True)
class Refused:
    """A value that is no column; `reason` says what it is and what would mend it."""

    reason: str


# What a MATLAB variable is, from whichever version of the format: a struct is a mapping, a cell array a list.
Value = NDArray[Any] | Mapping[str, Any] | list[Any] | Refused


def flattened(name: str, value: Value, depth: int = 0) -> Iterator[tuple[str, NDArray[Any] | Refused]]:
    """Arrays of a variable by their MATLAB names, or why there are none."""
    if depth > MAX_DEPTH:
        yield name, Refused(DEEP)
    elif isinstance(value, Mapping):
        for field, part in value.items():
            yield from flattened(f"{name}.{field}", part, depth + 1)
    elif isinstance(value, list):
        yield from _listed(name, value, depth)
    else:
        yield name, value


def _listed(name: str, cells: list[Any], depth: int) -> Iterator[tuple[str, NDArray[Any] | Refused]]:
    """A cell array or struct array."""
    if cells and all(isinstance(cell, Mapping) and cell.keys() == cells[0].keys() for cell in cells):
        for field in cells[0]:
            values = [cell[field] for cell in cells]
            if (column := _column(values)) is not None:
                yield f"{name}.{field}", column
            else:
                for number, value in enumerate(values, start=1):
                    yield from flattened(f"{name}({number}).{field}", value, depth + 1)
    elif (column := _column(cells)) is not None:
        yield name, column
    elif cells and all(_is_vector(cell) and cell.size == cells[0].size for cell in cells):
        for number, cell in enumerate(cells, start=1):
            yield f"{name}{{{number}}}", cell
    else:
        yield (
            name,
            Refused(
                "its cells are neither single numbers, nor strings, nor vectors of one length; store each cell as a "
                "variable of its own"
            ),
        )


def _column(cells: Sequence[Any]) -> NDArray[Any] | None:
    """One column of single values of the same kind, or None."""
    if not cells or not all(isinstance(cell, np.ndarray) and cell.size == 1 for cell in cells):
        return None
    kinds = {"U" if cell.dtype.kind in "US" else cell.dtype.kind for cell in cells}
    if len(kinds) > 1 and not kinds <= set("biuf"):
        return None
    return np.concatenate([cell.reshape(1) for cell in cells])


def _is_vector(cell: Any) -> bool:
    return (
        isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf" and cell.size == max(cell.shape, default=0)
    )


def strings(codes: NDArray[Any]) -> NDArray[Any]:
    """Rows of a matrix of characters, given as UTF-16 or UTF-32 numbers, as strings, shape (rows,)."""
    wide = codes.dtype.itemsize > 2
    form, encoding = ("<u4", "utf-32-le") if wide else ("<u2", "utf-16-le")
    rows = np.atleast_2d(codes)
    return np.array(
        [row.astype(form).tobytes().decode(encoding, errors="replace") for row in rows], dtype="U"
    )
