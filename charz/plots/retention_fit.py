"""Retention records with the band of the fitted drift, and the surprises left over."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing
from charz.plots.axis import device_title, scale_of, shown_of, spaced

MAX_DEVICES = 6
MANY_DECADES = 100.0


def plot_retention(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw records and their fit to a PNG file.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.retention.curves.retention_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = retention_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def retention_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_retention` without writing it: a column a device, surprises below the record."""
    total = curves.sizes["device"]
    devices = spaced(total, MAX_DEVICES)
    figure = Figure(figsize=(1.2 + 3.6 * len(devices), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        2, len(devices), squeeze=False, sharex="col", gridspec_kw={"height_ratios": (3, 1.4)}
    )
    scale = scale_of(curves["retained"])
    for column, device in zip(grid.T, devices, strict=True):
        one = curves.isel(device=device)
        time = one["elapsed"].to_numpy()
        known = np.isfinite(time)
        logarithmic = _many_decades(time[known])
        kept = known & (time > 0) if logarithmic else known
        _draw_record(column[0], one.isel(time=kept), scale.factor)
        column[1].plot(time[kept], one["surprise"].to_numpy()[kept], ".", color="0.25", markersize=3)
        column[1].axhline(0.0, color="C0", linewidth=0.8)
        if logarithmic:
            column[1].set_xscale("log")
        column[1].set_xlabel("time since the first sample (s)")
        device_title(column[0], curves, device)
        for axes in column:
            axes.grid(alpha=0.3)
    grid[0, 0].set_ylabel(scale.label)
    grid[1, 0].set_ylabel("surprise (sd)")
    grid[0, 0].legend(fontsize=7)
    notes = (title, shown_of(len(devices), total, "devices"))
    figure.suptitle(", ".join(note for note in notes if note), fontsize=10)
    return figure


def _draw_record(axes: Axes, one: xr.Dataset, factor: float) -> None:
    time = one["elapsed"].to_numpy()
    for name, colour, label in (
        ("record", "0.8", "90 % of new records"),
        ("drift", "C0", "drift, 90 % posterior band"),
    ):
        low, middle, high = one[name].to_numpy() / factor
        axes.fill_between(time, low, high, color=colour, alpha=0.5, linewidth=0, label=label)
    axes.plot(time, middle, color="C0", linewidth=1)
    axes.plot(time, one["retained"].to_numpy() / factor, ".", color="0.25", markersize=3, label="measured")


def _many_decades(time: np.ndarray) -> bool:
    positive = time[time > 0]
    return positive.size > 0 and time.max() > MANY_DECADES * positive.min()
