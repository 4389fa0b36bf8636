"""Pulse trains: measured conductances over the band of simulated ones, and the steps against the conductance."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing

MAX_DEVICES = 3
COLOURS = {"potentiation": "C3", "depression": "C0"}
SIGNS = {"potentiation": 1, "depression": -1}
PREFIXES = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def plot_trains(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw pulse trains to a PNG file; of many devices the first ones, and the population.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.pulse_train.curves.train_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = train_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def train_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_trains` without writing it."""
    shown = min(curves.sizes["device"], MAX_DEVICES)
    with_population = "population_grid" in curves
    rows = 1 if curves.attrs["view"] == "power law" else 2
    columns = shown + with_population
    figure = Figure(figsize=(1.0 + 4.0 * columns, 0.6 + 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    scale, unit = unit_for(float(np.nanmedian(curves["conductance"])))
    for index in range(shown):
        device = curves.isel(device=index)
        axes = grid[0, index]
        if curves.attrs["view"] == "power law":
            _draw_power_law(axes, device, scale, unit)
        else:
            _draw_train(axes, device, scale, unit)
        axes.set_title(_device_title(curves, index), fontsize=9)
        if curves.attrs["view"] == "steps":
            _draw_steps(grid[1, index], device, "", scale, unit)
        elif curves.attrs["view"] == "states":
            _draw_states(grid[1, index], device, scale, unit)
    if with_population:
        grid[0, shown].set_visible(False)
        _draw_steps(grid[1, shown], curves, "population_", scale, unit)
        grid[1, shown].set_title("a device nobody has measured", fontsize=9)
    for axes in grid.ravel():
        axes.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=7)
    hidden = curves.sizes["device"] - shown
    figure.suptitle(
        title + (f" ({shown} of {curves.sizes['device']} devices)" if hidden else ""), fontsize=10
    )
    return figure


def unit_for(value: float) -> tuple[float, str]:
    """SI prefix in which a conductance (S) reads as a number between 1 and 1000: its factor and the unit."""
    for factor, prefix in PREFIXES:
        if value >= factor:
            return factor, f"{prefix}S"
    return PREFIXES[-1][0], "pS"


def _device_title(curves: xr.Dataset, index: int) -> str:
    name = f"device {curves['device'].to_numpy()[index]}"
    if "stuck_probability" in curves:
        name += f", stuck with probability {float(curves['stuck_probability'][index]):.2g}"
    return name


def _draw_train(axes: Axes, device: xr.Dataset, scale: float, unit: str) -> None:
    reads = device["conductance"].to_numpy().ravel() / scale
    band = device["predicted"].to_numpy().reshape(3, -1) / scale
    place = np.flatnonzero(np.isfinite(reads))
    number = np.arange(1, place.size + 1)
    axes.fill_between(
        number, band[0, place], band[2, place], color="0.7", alpha=0.6, label="90 % of simulated trains"
    )
    polarity = device["polarity"].to_numpy().ravel()[place]
    for side, sign in SIGNS.items():
        mine = polarity == sign
        axes.plot(number[mine], reads[place][mine], ".", color=COLOURS[side], markersize=3, label=side)
    if device.attrs["view"] == "states":
        axes.set_yscale("log")
    axes.set_xlabel("pulse (all cycles in turn)")
    axes.set_ylabel(f"conductance ({unit})")


def _draw_steps(axes: Axes, curves: xr.Dataset, prefix: str, scale: float, unit: str) -> None:
    grid = curves[f"{prefix}grid"].to_numpy() / scale
    small, step_unit = unit_for(float(np.nanmedian(np.abs(curves["increment"]))) or scale)
    before = curves["before"].to_numpy().ravel() / scale
    increment, polarity = (curves[name].to_numpy().ravel() for name in ("increment", "polarity"))
    for side, sign in SIGNS.items():
        mine, colour = polarity == sign, COLOURS[side]
        axes.plot(before[mine], increment[mine] / small, ".", color=colour, markersize=2, alpha=0.6)
        low, middle, high = curves[f"{prefix}step_{side}"].to_numpy() / small
        axes.fill_between(grid, low, high, color=colour, alpha=0.3)
        axes.plot(grid, middle, color=colour, linewidth=1, label=f"mean {side}, 90 % band")
    axes.axhline(0, color="0.5", linewidth=0.6)
    # A band far outside the data, as of a wide population, must not hide the steps.
    edge = 1.3 * np.nanmax(np.abs(increment)) / small if np.isfinite(increment).any() else 1.0
    axes.set_ylim(-edge, edge)
    axes.set_xlabel(f"conductance before the pulse ({unit})")
    axes.set_ylabel(f"change by the pulse ({step_unit})")
    axes.legend(fontsize=7)


def _draw_power_law(axes: Axes, device: xr.Dataset, scale: float, unit: str) -> None:
    for side, sign in SIGNS.items():
        mine = (device["polarity"].to_numpy() == sign) & np.isfinite(device["conductance"].to_numpy())
        if not mine.any():
            continue
        number = device["number"].to_numpy()[mine]
        order = np.argsort(number, kind="stable")
        low, middle, high = (level[mine][order] / scale for level in device["predicted"].to_numpy())
        axes.fill_between(number[order], low, high, color=COLOURS[side], alpha=0.3)
        axes.plot(number[order], middle, color=COLOURS[side], linewidth=1)
        reads = device["conductance"].to_numpy()[mine] / scale
        axes.plot(number, reads, ".", color=COLOURS[side], markersize=3, label=f"{side}, 90 % predicted")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("number of the pulse in its run")
    axes.set_ylabel(f"conductance ({unit})")


def _draw_states(axes: Axes, device: xr.Dataset, scale: float, unit: str) -> None:
    """Cumulative distribution of both states: measured steps, and the band in which replicated ones lie."""
    for side, sign in SIGNS.items():
        mine = (device["polarity"].to_numpy() == sign) & np.isfinite(device["conductance"].to_numpy())
        if not mine.any():
            continue
        reads = np.sort(device["conductance"].to_numpy()[mine]) / scale
        share = (np.arange(reads.size) + 0.5) / reads.size
        axes.step(
            reads, share, where="mid", color=COLOURS[side], linewidth=1, label=f"after {side}, measured"
        )
        for level in device["predicted"].to_numpy():
            axes.axvline(np.median(level[mine]) / scale, color=COLOURS[side], linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlabel(f"conductance ({unit}); dotted: 5, 50 and 95 % predicted")
    axes.set_ylabel("share of the cycles below")
    axes.legend(fontsize=7)
