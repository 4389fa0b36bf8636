"""Fitted telegraph noise: trace with its levels, distribution of the signal, and survival of dwells."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing
from charz.plots.axis import device_title, draw_thinned, scale_of, shown_of, spaced

MAX_DEVICES = 4
STATE_COLOURS = ("C0", "C3")


def plot_telegraph(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw a row of three panels a device to a PNG file.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.telegraph.curves.telegraph_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = telegraph_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def telegraph_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_telegraph` without writing it."""
    num_devices = curves.sizes["device"]
    devices = spaced(num_devices, MAX_DEVICES)
    figure = Figure(figsize=(12.6, 0.8 + 3.0 * len(devices)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(devices), 3, squeeze=False, width_ratios=(2, 1, 1))
    for axes, index in zip(grid, devices, strict=True):
        _draw_trace(axes[0], curves, index)
        _draw_distribution(axes[1], curves, index)
        _draw_dwells(axes[2], curves, index)
        for panel in axes:
            panel.grid(alpha=0.3)
    note = shown_of(len(devices), num_devices, "devices")
    figure.suptitle("; ".join(filter(None, (title, note))), fontsize=10)
    return figure


def _draw_trace(axes: Axes, curves: xr.Dataset, index: int) -> None:
    one = curves.isel(device=index)
    time, signal = scale_of(one["elapsed"]), scale_of(one["signal"])
    if one["elapsed"].attrs.get("units") == "sample":
        time = time._replace(factor=1.0, label="time (samples)")
    elapsed = one["elapsed"].to_numpy() / time.factor
    values = one["signal"].to_numpy() / signal.factor
    measured = np.isfinite(values)
    draw_thinned(axes, elapsed[measured], values[measured], ".", color="0.4", markersize=2, label="measured")
    low, middle, high = one["level"].to_numpy() / signal.factor
    for level in range(len(middle)):
        label = "level, 90 % interval" if level == 0 else None
        axes.fill_between(elapsed, low[level], high[level], color="C1", alpha=0.5, label=label)
        axes.plot(elapsed, middle[level], color="C1", linewidth=1)
    axes.set_xlabel(time.label)
    axes.set_ylabel(signal.label)
    axes.legend(fontsize=7, loc="upper right")
    device_title(axes, curves, index)


def _draw_distribution(axes: Axes, curves: xr.Dataset, index: int) -> None:
    one = curves.isel(device=index)
    signal = scale_of(one["bin_signal"])
    x = one["bin_signal"].to_numpy() / signal.factor
    low, middle, high = one["expected_share"].to_numpy()
    axes.fill_between(x, low, high, color="C1", alpha=0.4, label="90 % of replicated records")
    axes.plot(x, middle, color="C1", linewidth=1)
    axes.plot(x, one["share"].to_numpy(), ".", color="0.25", markersize=4, label="measured")
    axes.set_xlabel(signal.label)
    axes.set_ylabel("share of samples in a bin")
    axes.legend(fontsize=7)


def _draw_dwells(axes: Axes, curves: xr.Dataset, index: int) -> None:
    one = curves.isel(device=index)
    unit = str(one["dwell_time"].attrs["units"])
    dwell = one["dwell_time"].to_numpy()
    for state, colour in enumerate(STATE_COLOURS):
        name = str(curves["state"].to_numpy()[state])
        low, _, high = one["expected_survival"].isel(state=state).to_numpy()
        axes.fill_between(
            dwell, low, high, color=colour, alpha=0.3, label=f"{name} level, 90 % of replicates"
        )
        axes.plot(dwell, one["survival"].isel(state=state), ".", color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_xlabel(f"dwell time ({'samples' if unit == 'sample' else unit})")
    axes.set_ylabel("share of longer dwells")
    axes.legend(fontsize=7)
