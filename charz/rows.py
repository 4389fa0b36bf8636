"""Rows of one experiment in SI: what the files said, one reading or trial after the other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Rows of one experiment in SI, all devices together.

    Parameters
    ----------
    names : tuple of str
        Devices.
    device : array of int, shape (num_rows,)
        Index of each row's device in `names`.
    values : mapping of str to array of float64, shape (num_rows,)
        ``amplitude`` and whatever else was mapped. The variable of an electrode is ``voltage[0]``.
    units : mapping of str to str
        Canonical unit of each of `values`.
    files : tuple of str
        File, and table in it, of each part.
    lines : tuple of sequences of int
        Line numbers of each part's rows. For messages.
    labels : mapping of str to array, shape (num_rows,)
        Columns without unit: ``cycle``, ``sample``, ``switched``.
    constant : frozenset of str
        Names among `values` that one file has but once (a temperature, a radius in its name).
    noun : str
        What messages call a line.
    """

    names: tuple[str, ...]
    device: NDArray[np.intp]
    values: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]
    files: tuple[str, ...]
    lines: tuple[Sequence[int] | NDArray[np.int64], ...]
    labels: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    noun: str = "line"

    @property
    def num_rows(self) -> int:
        """Number of rows of all parts."""
        return sum(map(len, self.lines))

    def place(self, row: int) -> str:
        """File and line of a row."""
        starts = np.cumsum([0, *map(len, self.lines)]).tolist()
        part = bisect_right(starts, row) - 1
        return f"{self.files[part]}, {self.noun} {self.lines[part][row - starts[part]]}"
