"""Pictures of data along a sweep or a train of pulses: iv_sweep, hysteresis, pulse_train."""

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from charz.plots.axis import columns_of, device_title, draw_thinned, labels_of, scale_of, shown_of, spaced

MAX_PANELS = 6
NUM_COLUMNS = 3
MAX_CYCLES = 30
MAX_MARKED = 3
_CYCLES = matplotlib.colormaps["viridis"]
_UP, _DOWN = "tab:red", "tab:blue"


def draw_iv_sweep(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw current against voltage, and its magnitude on a logarithmic axis, one column of panels a device."""
    total = dataset.sizes["device"]
    devices = spaced(total, NUM_COLUMNS)
    cycles = spaced(dataset.sizes["cycle"], MAX_CYCLES)
    figure.set_size_inches(1.2 + 3.8 * len(devices), 6.4)
    grid = figure.subplots(2, len(devices), squeeze=False, sharex=True, sharey="row")
    volts, amperes = scale_of(dataset["voltage"]), scale_of(dataset["current"])
    magnitude = scale_of(dataset["current"], f"|{dataset['current'].attrs['long_name']}|", prefixed=False)
    for column, device in enumerate(devices):
        for cycle in cycles:
            x = dataset["voltage"].values[device, cycle] / volts.factor
            y = dataset["current"].values[device, cycle]
            options: dict[str, Any] = {"color": _colour(cycle, dataset.sizes["cycle"]), "linewidth": 0.8}
            draw_thinned(grid[0, column], x, y / amperes.factor, **options)
            # Zero is not on a logarithmic axis: the line is interrupted there.
            draw_thinned(grid[1, column], x, np.where(y == 0, np.nan, np.abs(y)), **options)
        grid[1, column].set_yscale("log")
        grid[1, column].set_xlabel(volts.label)
        device_title(grid[0, column], dataset, device)
    grid[0, 0].set_ylabel(amperes.label)
    grid[1, 0].set_ylabel(magnitude.label)
    _bar_of_cycles(figure, list(grid.ravel()), dataset)
    return _shown(dataset, len(devices), len(cycles))


def draw_hysteresis(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw signal against field, the rising and the falling branch apart, one panel a device."""
    devices, axes = _panels(figure, dataset)
    cycles = spaced(dataset.sizes["cycle"], MAX_CYCLES)
    field, signal = scale_of(dataset["field"]), scale_of(dataset["signal"])
    for device, panel in zip(devices, axes, strict=True):
        for cycle in cycles:
            x = dataset["field"].values[device, cycle] / field.factor
            y = dataset["signal"].values[device, cycle] / signal.factor
            _branches(panel, x, y, legend=cycle == cycles[0] and device == devices[0])
        device_title(panel, dataset, device)
        panel.set(xlabel=field.label, ylabel=signal.label)
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(fontsize=7)
    return _shown(dataset, len(devices), len(cycles))


def draw_pulse_train(figure: Figure, dataset: xr.Dataset) -> str:
    """Draw conductance against pulse number, one line a cycle, with the polarity of the pulses marked."""
    devices, axes = _panels(figure, dataset)
    conductance = scale_of(dataset["conductance"])
    # One pulse a cycle is a series over cycles.
    single = dataset.sizes["pulse"] == 1
    cycles = [0] if single else spaced(dataset.sizes["cycle"], MAX_CYCLES)
    values = dataset["conductance"].transpose("device", "cycle", "pulse").values / conductance.factor
    polarity = dataset["polarity"].values if "polarity" in dataset else None
    for device, panel in zip(devices, axes, strict=True):
        for cycle in cycles:
            y = values[device, :, 0] if single else values[device, cycle]
            x = labels_of(dataset, "cycle") if single else np.arange(1, y.size + 1)
            colour = "0.5" if single else _colour(cycle, dataset.sizes["cycle"])
            draw_thinned(panel, x, y, color=colour, linewidth=0.8)
            # Markers on every line of many would hide the lines.
            if polarity is not None and (single or len(cycles) <= MAX_MARKED or cycle == cycles[0]):
                signs = polarity[device, :, 0] if single else polarity[device, cycle]
                _polarity(panel, x, y, signs, legend=cycle == cycles[0] and device == devices[0])
        device_title(panel, dataset, device)
        panel.set(xlabel="cycle" if single else "pulse", ylabel=conductance.label)
    if polarity is not None and axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(fontsize=7)
    if not single:
        _bar_of_cycles(figure, axes, dataset)
    return _shown(dataset, len(devices), dataset.sizes["cycle"] if single else len(cycles))


def _panels(figure: Figure, dataset: xr.Dataset) -> tuple[list[int], list[Axes]]:
    """One panel for each device that is shown."""
    devices = spaced(dataset.sizes["device"], MAX_PANELS)
    columns = columns_of(len(devices))
    rows = -(-len(devices) // columns)
    wide = 2.0 if len(devices) == 1 else 0.0
    figure.set_size_inches(1.6 + wide + 3.4 * columns, 0.8 + 0.5 * wide + 2.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in grid[len(devices) :]:
        unused.set_visible(False)
    return devices, list(grid[: len(devices)])


def _branches(panel: Axes, x: np.ndarray, y: np.ndarray, *, legend: bool) -> None:
    """Split a cycle where the field turns; noise of the field does not count as a turn."""
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    if x.size < 2:
        panel.plot(x, y, ".", color="0.4", markersize=3)
        return
    width = max(1, x.size // 50)
    smooth = np.convolve(np.pad(x, width, mode="edge"), np.ones(2 * width + 1) / (2 * width + 1), "valid")
    rising = np.gradient(smooth) > 0
    for up, colour, name in ((True, _UP, "field rises"), (False, _DOWN, "field falls")):
        branch = np.where(rising == up, y, np.nan)
        label = name if legend else None
        draw_thinned(panel, x, branch, ".-", color=colour, linewidth=0.8, markersize=2, label=label)


def _polarity(panel: Axes, x: np.ndarray, y: np.ndarray, signs: np.ndarray, *, legend: bool) -> None:
    for sign, marker, colour, name in ((1, "^", _UP, "potentiation"), (-1, "v", _DOWN, "depression")):
        here = (np.sign(signs) == sign) & np.isfinite(y)
        if here.any():
            label = name if legend else None
            draw_thinned(panel, x[here], y[here], marker, color=colour, markersize=3, zorder=3, label=label)


def _colour(cycle: int, total: int) -> Any:
    return _CYCLES(0.9 * cycle / max(total - 1, 1))


def _bar_of_cycles(figure: Figure, axes: list[Axes], dataset: xr.Dataset) -> None:
    labels = labels_of(dataset, "cycle")
    if len(labels) > 1:
        # The map ends at 0.9 because its last tenth is too bright on white.
        colours = matplotlib.colors.ListedColormap(_CYCLES(np.linspace(0, 0.9, 256)))
        scale = Normalize(float(labels[0]), float(labels[-1]))
        figure.colorbar(ScalarMappable(scale, colours), ax=axes, label="cycle", aspect=40)


def _shown(dataset: xr.Dataset, devices: int, cycles: int) -> str:
    notes = (
        shown_of(devices, dataset.sizes["device"], "devices"),
        shown_of(cycles, dataset.sizes["cycle"], "cycles of each"),
    )
    return ", ".join(note for note in notes if note)
