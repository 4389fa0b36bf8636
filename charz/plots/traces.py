"""Pictures of data over time or samples: telegraph, retention, transfer."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from charz.kinds import RETAINED
from charz.plots.axis import MAX_POINTS, device_title, draw_thinned, scale_of, shown_of, spaced
from charz.plots.sparkline import extreme_indices

MAX_TRACES = 4
NUM_BINS = 80
BLOCK = 1 << 22
MAX_LINES = 20
MAX_ELECTRODES = 8
MAX_SCATTER = 4000
MANY_DECADES = 100.0


def draw_telegraph(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw each trace with its histogram beside it; gives what is not shown."""
    total = dataset.sizes["device"]
    devices = spaced(total, MAX_TRACES)
    figure.set_size_inches(9, 1.0 + 1.9 * len(devices))
    grid = figure.subplots(len(devices), 2, squeeze=False, sharey="row", gridspec_kw={"width_ratios": (4, 1)})
    scale = scale_of(dataset["signal"])
    for row, device in zip(grid, devices, strict=True):
        values = dataset["signal"].values[device]
        # Thinned before anything is computed: a trace may fill half of the memory.
        kept = extreme_indices(values, MAX_POINTS)
        time, label = _time(dataset, device, kept)
        row[0].plot(time, values[kept] / scale.factor, color="C0", linewidth=0.6)
        row[0].set_ylabel(scale.label)
        device_title(row[0], dataset, device)
        counts, edges = _histogram(values, values[kept])
        row[1].stairs(
            counts, edges / scale.factor, orientation="horizontal", fill=True, color="C0", alpha=0.7
        )
        row[1].set_xlabel("samples")
        row[1].locator_params(axis="x", nbins=3)
        row[0].set_xlabel(label)
    return shown_of(len(devices), total, "devices")


def draw_retention(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw what was retained against time; a logarithmic time axis above two decades."""
    names = [name for name in RETAINED if name in dataset]
    total = dataset.sizes["device"]
    devices = spaced(total, MAX_LINES)
    figure.set_size_inches(1.2 + 5.4 * len(names), 4.0)
    elapsed = dataset["elapsed"].values
    positive = np.where(elapsed > 0, elapsed, np.inf).min()
    logarithmic = np.fmax.reduce(elapsed, axis=None) > MANY_DECADES * positive
    time = scale_of(dataset["elapsed"], prefixed=not logarithmic)
    for axes, name in zip(np.ravel(figure.subplots(1, len(names), squeeze=False)), names, strict=True):
        scale = scale_of(dataset[name])
        for device in devices:
            x, y = elapsed[device], dataset[name].values[device]
            kept = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not logarithmic))
            style = ".-" if kept.sum() < 300 else "-"
            draw_thinned(
                axes,
                x[kept] / time.factor,
                y[kept] / scale.factor,
                style,
                linewidth=0.8,
                markersize=3,
                label=str(dataset["device"].values[device]),
            )
        if logarithmic:
            axes.set_xscale("log")
        axes.set(xlabel=time.label, ylabel=scale.label)
        if len(devices) <= 8:
            axes.legend(fontsize=7, title="device", title_fontsize=7)
    left_out = int((elapsed[devices] <= 0).sum()) if logarithmic else 0
    notes = [shown_of(len(devices), total, "devices")]
    if left_out:
        notes.append(f"{left_out} points at time zero are not on a logarithmic axis")
    return ", ".join(note for note in notes if note)


def draw_transfer(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw the output against the sample, and against every electrode."""
    voltage, current = dataset["voltage"], dataset["current"]
    electrodes = min(voltage.shape[1], MAX_ELECTRODES)
    columns = min(electrodes, 4)
    rows = -(-electrodes // columns)
    figure.set_size_inches(1.0 + 2.6 * columns, 2.6 + 2.3 * rows)
    grid = figure.add_gridspec(1 + rows, columns)
    output, control = scale_of(current), scale_of(voltage, "control voltage")
    axes = figure.add_subplot(grid[0, :])
    values = current.values / output.factor
    draw_thinned(axes, np.arange(values.size), values, color="C0", linewidth=0.7)
    axes.set(xlabel="sample", ylabel=output.label)
    kept = spaced(values.size, MAX_SCATTER)
    names = voltage["electrode"].values if "electrode" in voltage.coords else np.arange(voltage.shape[1])
    for index in range(electrodes):
        panel = figure.add_subplot(grid[1 + index // columns, index % columns])
        panel.plot(voltage.values[kept, index] / control.factor, values[kept], ".", markersize=2, alpha=0.6)
        panel.set_title(f"electrode {names[index]}", fontsize=9)
        panel.set_xlabel(control.label)
        if index % columns == 0:
            panel.set_ylabel(output.label)
    notes = (
        shown_of(electrodes, voltage.shape[1], "electrodes"),
        shown_of(len(kept), values.size, "samples against the electrodes"),
    )
    return ", ".join(note for note in notes if note)


def _histogram(
    values: NDArray[np.floating], extremes: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts of a long trace in blocks; `extremes` holds its smallest and its largest value."""
    finite = extremes[np.isfinite(extremes)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, NUM_BINS + 1)
    counts = np.zeros(NUM_BINS, dtype=np.int64)
    for first in range(0, values.size, BLOCK):
        part = values[first : first + BLOCK]
        counts += np.histogram(part[np.isfinite(part)], edges)[0]
    return counts, edges


def _time(dataset: xr.Dataset, device: int, kept: NDArray[np.intp]) -> tuple[NDArray[np.float64], str]:
    """Time at some samples: stamps, or the sample interval, or sample numbers where neither is known."""
    if "elapsed" in dataset:
        seconds = dataset["elapsed"].values[device, kept]
    elif "sample_interval" in dataset and np.isfinite(dataset["sample_interval"].values[device]):
        seconds = kept * float(dataset["sample_interval"].values[device])
    else:
        return kept.astype(np.float64), "sample (interval not known)"
    scale = scale_of(xr.DataArray(seconds, attrs={"units": "s", "long_name": "time"}))
    return seconds / scale.factor, scale.label
