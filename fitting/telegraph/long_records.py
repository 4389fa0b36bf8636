"""Records too long for memory: read from their file in chunks, again and again.

A netCDF file that is opened but not loaded (`charz.store.opened`) is read slice by slice; of an array in memory slices
cost nothing. What else a fit keeps of a record (checks, plots, terms of leave-one-out) is its beginning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import xarray as xr

from charz.fitting.contract import Observations

# Samples of all devices together above which a dataset is read in chunks.
LONG_ABOVE = 20_000_000
# Samples that stay with the fit, of all devices together and of each at least; samples of a chunk.
KEPT_SAMPLES, LEAST_KEPT = 1_000_000, 50_000
CHUNK_SAMPLES = 1 << 22


class Extent(NamedTuple):
    """What the first pass over each record finds, (device,).

    Parameters
    ----------
    low, high : array
        Smallest and largest sample.
    number : array of int
        Measured samples.
    length : array of int
        Samples until the last measured one.
    """

    low: np.ndarray
    high: np.ndarray
    number: np.ndarray
    length: np.ndarray


@dataclass(frozen=True, eq=False)
class Record:
    """Signals of a dataset, in slices.

    Parameters
    ----------
    signal : DataArray
        (device, time), in memory or in a file that is open.
    """

    signal: xr.DataArray

    @property
    def num_samples(self) -> int:
        """Samples of each device, with missing ones."""
        return int(self.signal.sizes["time"])

    def read(self, device: int, start: int, stop: int) -> np.ndarray:
        """Samples from start to before stop of one device, NaN where missing."""
        part = self.signal.isel(device=device, time=slice(start, stop))
        return np.asarray(part.to_numpy(), dtype=np.float64)

    def chunks(self, device: int) -> Iterator[tuple[int, np.ndarray]]:
        """First index and samples of one chunk after another."""
        for start in range(0, self.num_samples, CHUNK_SAMPLES):
            yield start, self.read(device, start, start + CHUNK_SAMPLES)

    def extent(self) -> Extent:
        """Range, number and length of every record: one pass over all of them."""
        return Extent(
            *map(np.array, zip(*map(self._extent_of, range(self.signal.sizes["device"])), strict=True))
        )

    def _extent_of(self, device: int) -> tuple[float, float, int, int]:
        low, high, number, length = np.inf, -np.inf, 0, 0
        for start, samples in self.chunks(device):
            seen = np.flatnonzero(np.isfinite(samples))
            if seen.size:
                values = samples if seen.size == samples.size else samples[seen]
                low, high = min(low, values.min()), max(high, values.max())
                number, length = number + seen.size, start + int(seen[-1]) + 1
        return low, high, number, length


@dataclass(frozen=True)
class LongObservations(Observations):
    """Beginnings of long records; the likelihood sees the whole through `record`."""

    record: Record = field(kw_only=True)


def is_long(dataset: xr.Dataset) -> bool:
    """Whether a dataset is a telegraph record that is read in chunks."""
    signal = dataset.variables.get("signal")
    return dataset.attrs.get("experiment") == "telegraph" and signal is not None and signal.size > LONG_ABOVE


def beginning(dataset: xr.Dataset) -> xr.Dataset:
    """First samples of long records, loaded; another dataset as it is."""
    if not is_long(dataset):
        return dataset
    kept = max(KEPT_SAMPLES // dataset.sizes["device"], LEAST_KEPT)
    return dataset.isel(time=slice(kept)).load()
