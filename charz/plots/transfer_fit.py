"""A material's record with the band of its surrogate, and how the fitted current follows each electrode."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing
from charz.plots.axis import scale_of, shown_of, spaced

MAX_ELECTRODES = 8
NUM_COLUMNS = 4


def plot_transfer(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw a record and its fit to a PNG file.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.transfer.curves.transfer_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = transfer_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def transfer_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_transfer` without writing it: the record above, a sweep of each electrode below."""
    total = curves.sizes["electrode"]
    electrodes = spaced(total, MAX_ELECTRODES)
    rows = -(-len(electrodes) // NUM_COLUMNS)
    figure = Figure(figsize=(12.0, 3.6 + 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1 + rows, NUM_COLUMNS, height_ratios=(1.4, *(1.0,) * rows))
    factor, label = scale_of(curves["measured"])
    _draw_record(figure.add_subplot(grid[0, :3]), curves, factor, label)
    _draw_agreement(figure.add_subplot(grid[0, 3]), curves, factor, label)
    for place, electrode in enumerate(electrodes):
        axes = figure.add_subplot(grid[1 + place // NUM_COLUMNS, place % NUM_COLUMNS])
        _draw_sweep(axes, curves.isel(electrode=electrode), factor, label)
        axes.set_title(f"electrode {electrode}, others at the middle", fontsize=8)
        if place == 0:
            axes.legend(fontsize=6)
    notes = (title, shown_of(len(electrodes), total, "electrodes"))
    figure.suptitle(", ".join(note for note in notes if note), fontsize=10)
    return figure


def _draw_record(axes: Axes, curves: xr.Dataset, factor: float, label: str) -> None:
    sample = np.arange(curves.sizes["sample"])
    for name, colour, words in (
        ("replicated", "0.8", "90 % of replicated currents"),
        ("fitted", "C0", "90 % posterior band of the mean current"),
    ):
        low, _, high = curves[name].to_numpy() / factor
        axes.fill_between(sample, low, high, color=colour, alpha=0.6, linewidth=0, label=words)
    axes.plot(
        sample, curves["measured"].to_numpy() / factor, ".", color="0.2", markersize=3, label="measured"
    )
    axes.set_xlabel("number of the sample")
    axes.set_ylabel(label)
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)


def _draw_agreement(axes: Axes, curves: xr.Dataset, factor: float, label: str) -> None:
    measured, fitted = curves["measured"].to_numpy() / factor, curves["fitted"].to_numpy()[1] / factor
    ends = [measured.min(), measured.max()]
    axes.plot(ends, ends, color="0.6", linewidth=0.8)
    axes.plot(measured, fitted, ".", color="C0", markersize=3)
    axes.set_xlabel(f"measured {label}")
    axes.set_ylabel(f"fitted {label}")
    axes.grid(alpha=0.3)


def _draw_sweep(axes: Axes, one: xr.Dataset, factor: float, label: str) -> None:
    low, middle, high = one["sweep"].to_numpy() / factor
    voltage = one["voltage"].to_numpy()
    axes.axvspan(float(one["lowest"]), float(one["highest"]), color="0.93", label="measured range")
    axes.fill_between(voltage, low, high, color="C0", alpha=0.4, linewidth=0, label="90 % posterior band")
    axes.plot(voltage, middle, color="C0", linewidth=1)
    axes.set_xlabel("control voltage (V)")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
