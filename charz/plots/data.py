"""Pictures of datasets of every kind, before any fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT, kind_named
from charz.plots.axis import Scale, columns_of, device_title, labels_of, scale_of, shown_of, spaced
from charz.plots.sweeps import draw_hysteresis, draw_iv_sweep, draw_pulse_train
from charz.plots.switching import wilson_interval
from charz.plots.traces import draw_retention, draw_telegraph, draw_transfer

MAX_PANELS = 6
MAX_DEVICES = 8
_CENSORED = {
    FLAG_LEFT: ("v", "left-censored (lies below)"),
    FLAG_RIGHT: ("^", "right-censored (lies above)"),
    FLAG_INTERVAL: ("D", "interval-censored"),
}


def plot_data(dataset: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw a dataset to a PNG file.

    Parameters
    ----------
    dataset : Dataset
        Of any experiment kind, as `charz.schema.validate` accepts it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was measured.

    Raises
    ------
    SchemaError
        When the dataset is of no kind that charz knows.
    FileNotFoundError
        When the folder does not exist.
    """
    figure = data_figure(dataset, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def data_figure(dataset: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_data` without writing it.

    Every axis has its unit, values an engineering prefix. Long traces are thinned to the pixels of a panel
    without losing an extreme value; where not every device or cycle is drawn, the title says how many are.
    """
    kind = kind_named(dataset.attrs.get("experiment", ""))
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    note = _DRAWN[kind.name](figure, dataset)
    for axes in figure.axes:
        if axes.get_label() != "<colorbar>":
            axes.grid(alpha=0.3)
    heading = "\n".join(part for part in (title, note) if part)
    if heading:
        figure.suptitle(heading, fontsize=10)
    return figure


def _draw_pulse_switching(figure: Figure, dataset: xr.Dataset) -> str:
    total = dataset.sizes["device"]
    devices = spaced(total, MAX_PANELS)
    columns = columns_of(len(devices))
    rows = -(-len(devices) // columns)
    figure.set_size_inches(1.8 + 3.4 * columns, 1.0 + 2.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    amplitude = scale_of(dataset["amplitude"])
    for axes, device in zip(grid.ravel(), devices, strict=False):
        _draw_fractions(axes, dataset.isel(device=device), amplitude)
        device_title(axes, dataset, device)
        axes.set_ylim(-0.03, 1.03)
    for axes in grid.ravel()[len(devices) :]:
        axes.set_visible(False)
    for axes in grid.ravel()[: len(devices)]:
        axes.set(xlabel=amplitude.label, ylabel="fraction switched")
        axes.tick_params(labelbottom=True)
    note = "bars: 90 % binomial interval"
    return ", ".join(part for part in (note, shown_of(len(devices), total, "devices")) if part)


def _draw_fractions(axes: Axes, device: xr.Dataset, amplitude: Scale) -> None:
    """Draw the fractions of one device, one colour a pulse width where there are a few."""
    trials, switched = device["num_trials"].values, device["num_switched"].values
    widths = device["width"].values if "width" in device else np.zeros(trials.shape)
    different = np.unique(widths[trials > 0])
    coloured = 1 < different.size <= MAX_DEVICES
    for index, width in enumerate(different if coloured else [None]):
        used = (trials > 0) & ((widths == width) if coloured else True)
        fraction = switched[used] / trials[used]
        low, high = wilson_interval(switched[used], trials[used])
        # Rounding can put a bound beyond the fraction by one unit in the last place.
        errors = np.maximum([fraction - low, high - fraction], 0.0)
        label = None
        if coloured:
            own = scale_of(xr.DataArray(width, attrs={"units": "s", "long_name": "width"}))
            label = f"{width / own.factor:.3g} {own.label.partition('(')[2].rstrip(')')}"
        axes.errorbar(
            device["amplitude"].values[used] / amplitude.factor,
            fraction,
            yerr=errors,
            fmt="o",
            color=f"C{index}",
            markersize=3,
            linewidth=0.8,
            label=label,
        )
    if coloured and axes.get_subplotspec() == axes.figure.axes[0].get_subplotspec():
        axes.legend(fontsize=7, title="pulse width", title_fontsize=7)


def _draw_ramp_switching(figure: Figure, dataset: xr.Dataset) -> str:
    total = dataset.sizes["device"]
    devices = spaced(total, MAX_DEVICES)
    figure.set_size_inches(11, 4.4)
    series, steps = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (2, 1)})
    threshold = scale_of(dataset["threshold"])
    values = dataset["threshold"].values / threshold.factor
    flags = dataset["censored"].values if "censored" in dataset else np.zeros(values.shape, dtype=int)
    cycles = labels_of(dataset, "cycle")
    for index, device in enumerate(devices):
        colour, name = f"C{index}", str(dataset["device"].values[device])
        plain = flags[device] == FLAG_NONE
        series.plot(cycles[plain], values[device][plain], ".", color=colour, markersize=3, label=name)
        for flag, (marker, _) in _CENSORED.items():
            here = flags[device] == flag
            series.plot(
                cycles[here], values[device][here], marker, color=colour, markersize=5, fillstyle="none"
            )
        finite = np.sort(values[device][np.isfinite(values[device])])
        if finite.size:
            steps.step(np.arange(1, finite.size + 1) / finite.size, finite, color=colour, linewidth=1)
    for flag, (marker, name) in _CENSORED.items():
        if (flags[devices] == flag).any():
            series.plot([], [], marker, color="0.3", markersize=5, fillstyle="none", label=name)
    series.set(xlabel="cycle", ylabel=threshold.label)
    steps.set(xlabel="fraction of cycles at or below")
    steps.set_title("cumulative, censored taken as values", fontsize=9)
    series.legend(fontsize=7, ncols=2)
    return shown_of(len(devices), total, "devices")


_DRAWN: dict[str, Callable[[Figure, xr.Dataset], str]] = {
    "pulse_switching": _draw_pulse_switching,
    "ramp_switching": _draw_ramp_switching,
    "telegraph": draw_telegraph,
    "pulse_train": draw_pulse_train,
    "iv_sweep": draw_iv_sweep,
    "retention": draw_retention,
    "transfer": draw_transfer,
    "hysteresis": draw_hysteresis,
}
