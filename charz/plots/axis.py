"""Axes of plots of data: labels with units, engineering prefixes, and what is said when not all is shown."""

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from charz.plots.sparkline import extreme_indices
from charz.units import ARBITRARY, DIMENSIONLESS

_PREFIXES = {
    -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T",
}  # fmt: skip
_SYMBOLS = {"ohm": "Ω", "A/m**2": "A/m²"}
# Pixels of a panel's width, twice: one for the smallest and one for the largest value of a column.
MAX_POINTS = 1600


class Scale(NamedTuple):
    """Values are divided by `factor` before they are drawn on the axis of that `label`."""

    factor: float
    label: str


def scale_of(array: xr.DataArray, name: str = "", *, prefixed: bool = True) -> Scale:
    """Engineering prefix and label for the values of a variable.

    Parameters
    ----------
    array : DataArray
        With the attributes ``units`` and ``long_name``.
    name : str
        In place of ``long_name``.
    prefixed : bool
        False on a logarithmic axis, whose ticks show powers of ten anyway.

    Returns
    -------
    Scale
        ``pulse amplitude (mV)`` with 1e-3. The unit ``arb`` is written ``unit not known``; seconds have no
        prefix above one.

    Examples
    --------
    >>> scale_of(xr.DataArray([0.02], attrs={"units": "V", "long_name": "threshold"}))
    Scale(factor=0.001, label='threshold (mV)')
    """
    unit = str(array.attrs.get("units", ARBITRARY))
    name = name or str(array.attrs.get("long_name", array.name))
    if unit in (ARBITRARY, DIMENSIONLESS):
        return Scale(1.0, name if unit == DIMENSIONLESS else f"{name} (unit not known)")
    exponent = _exponent(array.values) if prefixed else 0
    if unit == "s":
        exponent = min(exponent, 0)
    return Scale(10.0**exponent, f"{name} ({_PREFIXES[exponent]}{_SYMBOLS.get(unit, unit)})")


def _exponent(values: NDArray[Any]) -> int:
    ends = [float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))]
    size = max((abs(end) for end in ends if math.isfinite(end)), default=0.0)
    if not size > 0:
        return 0
    # Rounded to two digits first: a sweep to 0.998 V is one of volts.
    power = math.floor(math.log10(float(f"{size:.2g}")) / 3) * 3
    return min(max(power, min(_PREFIXES)), max(_PREFIXES))


def draw_thinned(axes: Axes, x: NDArray[Any], y: NDArray[Any], *style: str, **options: Any) -> None:
    """Draw a line or points, thinned to the width of the panel without losing an extreme value."""
    kept = extreme_indices(y, MAX_POINTS)
    axes.plot(x[kept], y[kept], *style, **options)


def shown_of(shown: int, total: int, noun: str) -> str:
    """Say how many are drawn where not all are; empty otherwise."""
    return f"{shown} of {total} {noun} shown" if shown < total else ""


def columns_of(panels: int) -> int:
    """Columns of a grid of up to six panels that leaves few of them empty."""
    return {4: 2}.get(panels, min(panels, 3))


def labels_of(dataset: xr.Dataset, dim: str) -> NDArray[Any]:
    """Labels along a dimension: its coordinate where it has a numeric one, else 0, 1, 2 ..."""
    if dim in dataset.coords and dataset[dim].dtype.kind in "iuf":
        return dataset[dim].values
    return np.arange(dataset.sizes[dim])


def spaced(total: int, number: int) -> list[int]:
    """At most `number` indices below `total`, evenly spaced, first and last among them."""
    return sorted({round(value) for value in np.linspace(0, total - 1, min(total, number)).tolist()})


def device_title(axes: Axes, dataset: xr.Dataset, index: int) -> None:
    """Write the name of a device above its panel, shortened where it is long."""
    name = str(dataset["device"].values[index])
    axes.set_title(f"device {name if len(name) <= 30 else name[:29] + '…'}", fontsize=9)
